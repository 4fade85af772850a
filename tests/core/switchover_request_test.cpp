#include "core/model/switchover_request.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

using Phase = SwitchoverPhase;

constexpr WallTime now{1'780'000'000'000};

ClusterData cluster(std::optional<Phase> present = std::nullopt) {
	ClusterData data;
	data.generation = 7;
	data.keepers[KeeperUid{"k1"}].uid = KeeperUid{"k1"};
	if (present) {
		data.switchover = Switchover();
		data.switchover->id = "00000000000000aa";
		data.switchover->phase = *present;
	}
	return data;
}

Switchover request(const char *to = "", std::optional<WallTime> at = std::nullopt) {
	Switchover request;
	request.id = "00000000000000bb";
	request.to = KeeperUid{to};
	request.at = at;
	return request;
}

std::string refusal(const Result<ClusterData> &result) {
	return result ? "" : result.error().message;
}

TEST(SwitchoverRequest, StandsInTheNextGeneration) {
	for (const auto before : {std::optional<Phase>(), std::optional(Phase::Done),
	                          std::optional(Phase::Failed), std::optional(Phase::Cancelled)}) {
		const auto data = with_switchover(cluster(before), request("k1"), true, now);
		ASSERT_TRUE(data.ok()) << data.error().message;
		EXPECT_EQ(data->switchover, request("k1"));
		EXPECT_EQ(data->generation, 8u);
	}
}

TEST(SwitchoverRequest, IsRefusedWithTheReason) {
	EXPECT_EQ(refusal(with_switchover(cluster(), request("k2"), true, now)),
	          "there is no keeper k2");
	EXPECT_NE(refusal(with_switchover(cluster(), request(), false, now)).find("no sentinel leads"),
	          std::string::npos);
	for (const Phase phase :
	     {Phase::Requested, Phase::Checkpoint, Phase::Pause, Phase::Stop, Phase::Promote}) {
		const std::string why = refusal(with_switchover(cluster(phase), request("k1"), true, now));
		EXPECT_NE(why.find("00000000000000aa"), std::string::npos) << why;
		EXPECT_NE(why.find(std::string("in step ") + to_string(phase)), std::string::npos) << why;
	}
	ClusterData scheduled = cluster(Phase::Requested);
	scheduled.switchover->at = now + seconds(60);
	EXPECT_NE(refusal(with_switchover(scheduled, request("k1"), true, now)).find("scheduled for"),
	          std::string::npos);
}

TEST(SwitchoverRequest, ItsTimeIsInTheNextYear) {
	const auto at = [](Duration later) {
		return refusal(with_switchover(cluster(), request("k1", now + later), true, now));
	};
	EXPECT_EQ(at(seconds(0)), "");
	EXPECT_EQ(at(seconds(3600)), "");
	EXPECT_NE(at(-milliseconds(1)).find("is over, it is"), std::string::npos);
	EXPECT_EQ(at(SwitchoverLimits::max_ahead), "");
	EXPECT_NE(at(SwitchoverLimits::max_ahead + seconds(1)).find("a year"), std::string::npos);
	// Further away than a Duration can say.
	constexpr std::int64_t year_ms = std::int64_t{366} * 24 * 3600 * 1000;
	for (const std::int64_t years : {300, 400, 585, 974, 8000, 18000})
		EXPECT_NE(refusal(with_switchover(cluster(),
		                                  request("k1", WallTime{now.unix_ms + years * year_ms}),
		                                  true, now))
		              .find("a year"),
		          std::string::npos)
		    << years;
}

TEST(SwitchoverRequest, IsCancelledUntilTheMasterIsStopped) {
	for (const Phase phase : {Phase::Requested, Phase::Checkpoint, Phase::Pause}) {
		for (const char *id : {"", "00000000000000aa"}) {
			const auto data = with_cancelled_switchover(cluster(phase), id);
			ASSERT_TRUE(data.ok()) << data.error().message;
			EXPECT_TRUE(data->switchover->cancel);
			EXPECT_EQ(data->switchover->phase, phase) << "its end is the sentinel's";
			EXPECT_EQ(data->generation, 8u);
		}
	}
	for (const Phase phase : {Phase::Stop, Phase::Promote})
		EXPECT_EQ(refusal(with_cancelled_switchover(cluster(phase), "")).find("too late: "), 0u);
	for (const Phase phase :
	     {Phase::Done, Phase::Refused, Phase::Undone, Phase::Failed, Phase::Cancelled})
		EXPECT_NE(refusal(with_cancelled_switchover(cluster(phase), "")).find("is over"),
		          std::string::npos);
	EXPECT_EQ(refusal(with_cancelled_switchover(cluster(), "")),
	          "there is no switchover to cancel");
	EXPECT_NE(refusal(with_cancelled_switchover(cluster(Phase::Pause), "00000000000000bb"))
	              .find("is not the present one"),
	          std::string::npos);
}

TEST(SwitchoverSteps, AreShownAsFarAsTheyAreKnown) {
	EXPECT_EQ(last_known_step(Phase::Pause, Phase::Requested), Phase::Pause);
	EXPECT_EQ(last_known_step(Phase::Done, Phase::Checkpoint), Phase::Promote);
	EXPECT_EQ(last_known_step(Phase::Undone, Phase::Checkpoint), Phase::Checkpoint);
	EXPECT_EQ(last_known_step(Phase::Cancelled, Phase::Requested), Phase::Requested);
}

}  // namespace
}  // namespace stolon::core
