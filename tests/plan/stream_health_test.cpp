// How a keeper judges its standby's stream, and a sentinel its progress: C-7.
#include "core/plan/stream_health.h"

#include <gtest/gtest.h>

#include "core/plan/standby_progress.h"

namespace stolon::core {
namespace {

constexpr std::uint64_t mebibyte = 1024 * 1024;

class Standby {
public:
	StreamSample sample;
	StreamLimits limits;
	Instant now{seconds(1000)};

	Standby() {
		limits.receive_stall = seconds(5);
		limits.replay_stall = seconds(60);
		limits.close = mebibyte;
		limits.repeat_trouble = seconds(5);
		sample.has_upstream = sample.connected = sample.heard = true;
		sample.receiver = 100;
		sample.upstream_end.value = 100 * mebibyte;
		gets_to(100 * mebibyte);
	}

	void gets_to(std::uint64_t lsn) {
		sample.position = {Timeline{1}, Lsn{lsn}};
		sample.received = sample.replayed = Lsn{lsn};
	}

	void breaks(const std::string &complaint) {
		sample.connected = false;
		sample.complaint = complaint;
	}

	StreamHealth after(Duration time) {
		now = now + time;
		return watch_.look(now, sample, limits);
	}

private:
	StreamWatch watch_;
};

TEST(StreamHealth, ConnectedUnderAnIdleMasterIsWell) {
	Standby standby;
	standby.after(seconds(0));
	const StreamHealth health = standby.after(seconds(3600));
	EXPECT_TRUE(health.streaming);
	EXPECT_FALSE(health.catching_up);
	EXPECT_EQ(health.trouble, "");
	EXPECT_EQ(health.stood_still, Duration(0));
}

TEST(StreamHealth, AReceiverThatEndsBeforeItHearsAnythingHasNeverStreamed) {
	Standby standby;
	standby.after(seconds(0));
	standby.sample.complaint = "requested WAL segment 000000010000000000000004 has been removed";
	StreamHealth health;
	for (int attempt = 0; attempt < 200; ++attempt) {
		standby.sample.heard = false;
		standby.sample.receiver = 101 + attempt;
		health = standby.after(milliseconds(100));
		EXPECT_FALSE(health.streaming);
	}
	EXPECT_GE(health.stood_still, seconds(15));
	EXPECT_EQ(health.trouble, standby.sample.complaint);
}

TEST(StreamHealth, OneThatStreamsFromAnotherServerStandsStillHoweverFarItGets) {
	Standby standby;
	standby.after(seconds(0));
	standby.sample.connected = false;
	standby.sample.astray = "10.0.0.9:5432";
	StreamHealth health;
	for (int i = 1; i <= 10; ++i) {
		standby.gets_to((100 + i) * mebibyte);
		health = standby.after(seconds(1));
	}
	EXPECT_FALSE(health.streaming);
	EXPECT_EQ(health.stood_still, seconds(9));
	EXPECT_EQ(health.trouble, "it is connected to 10.0.0.9:5432, which is not its upstream");
	standby.sample.astray.clear();
	standby.sample.connected = true;
	EXPECT_EQ(standby.after(seconds(1)).stood_still, Duration(0));
}

TEST(StreamHealth, AReceiverThatLivesStreamsAlsoFromAnIdleMasterThatSendsNothingYet) {
	Standby standby;
	standby.sample.heard = false;
	standby.after(seconds(0));
	EXPECT_TRUE(standby.after(StreamWatch::settled).streaming);
}

TEST(StreamHealth, ConnectedWithoutReceivingWhatIsThereIsNotStreaming) {
	Standby standby;
	standby.after(seconds(0));
	standby.sample.upstream_end.value += 1;
	EXPECT_TRUE(standby.after(seconds(1)).streaming);
	EXPECT_TRUE(standby.after(seconds(4)).streaming);
	EXPECT_FALSE(standby.after(seconds(1)).streaming);
	const StreamHealth health = standby.after(seconds(2));
	EXPECT_NE(health.trouble.find("receives nothing"), std::string::npos) << health.trouble;
	standby.gets_to(100 * mebibyte + 1);
	EXPECT_TRUE(standby.after(seconds(1)).streaming);
	EXPECT_EQ(standby.after(seconds(1)).trouble, "");
}

TEST(StreamHealth, AStreamThatIsFarBehindAndMovesIsCatchingUp) {
	Standby standby;
	standby.sample.upstream_end.value = 200 * mebibyte;
	EXPECT_TRUE(standby.after(seconds(0)).catching_up);
	for (int i = 1; i <= 10; i++) {
		standby.gets_to((100 + i) * mebibyte);
		const StreamHealth health = standby.after(seconds(4));
		EXPECT_TRUE(health.streaming && health.catching_up);
	}
	standby.gets_to(199 * mebibyte);
	EXPECT_TRUE(standby.after(seconds(1)).catching_up) << "it does not come and go at the limit";
	standby.gets_to(199 * mebibyte + mebibyte / 2);
	EXPECT_FALSE(standby.after(seconds(1)).catching_up);
	standby.gets_to(199 * mebibyte);
	EXPECT_FALSE(standby.after(seconds(1)).catching_up);
}

TEST(StreamHealth, AnInterruptionIsToldOnlyWhenItLasts) {
	Standby standby;
	standby.after(seconds(0));
	standby.breaks("requested WAL segment 000000010000000000000003 has already been removed");
	const StreamHealth first = standby.after(milliseconds(100));
	EXPECT_FALSE(first.streaming);
	EXPECT_EQ(first.trouble, "");
	const StreamHealth health = standby.after(seconds(2));
	EXPECT_EQ(health.trouble, standby.sample.complaint);
	EXPECT_FALSE(health.unreachable);
	EXPECT_EQ(health.stood_still, milliseconds(2100));
	standby.sample.connected = true;
	EXPECT_EQ(standby.after(seconds(1)).trouble, "");
}

TEST(StreamHealth, ReplayingFromAnArchiveIsProgress) {
	Standby standby;
	standby.after(seconds(0));
	standby.breaks("requested WAL segment 000000010000000000000003 has already been removed");
	standby.after(seconds(30));
	standby.gets_to(101 * mebibyte);
	EXPECT_EQ(standby.after(seconds(1)).stood_still, Duration(0));
	EXPECT_EQ(standby.after(seconds(1)).stood_still, seconds(1));
}

TEST(StreamHealth, AMasterThatCannotBeReachedIsTold) {
	Standby standby;
	standby.after(seconds(0));
	standby.breaks("could not connect");
	standby.sample.unreachable = true;
	EXPECT_FALSE(standby.after(seconds(1)).unreachable) << "nothing is told yet";
	EXPECT_TRUE(standby.after(seconds(2)).unreachable);
}

TEST(StreamHealth, ATextThatChangesWithEachAttemptIsNotToldEachTime) {
	Standby standby;
	standby.after(seconds(0));
	standby.breaks("first");
	EXPECT_EQ(standby.after(seconds(3)).trouble, "first");
	standby.sample.complaint = "second";
	EXPECT_EQ(standby.after(seconds(4)).trouble, "first");
	EXPECT_EQ(standby.after(seconds(1)).trouble, "second");
}

TEST(StreamHealth, ReplayThatStandsStillIsToldAndDoesNotCountAsNotStreaming) {
	Standby standby;
	standby.after(seconds(0));
	standby.sample.upstream_end.value = 110 * mebibyte;
	standby.gets_to(110 * mebibyte);
	standby.sample.replayed.value = 105 * mebibyte;
	EXPECT_EQ(standby.after(seconds(1)).trouble, "");
	EXPECT_EQ(standby.after(seconds(59)).trouble, "");
	const StreamHealth health = standby.after(seconds(1));
	EXPECT_NE(health.trouble, "");
	EXPECT_TRUE(health.streaming);
	standby.sample.replay_held = true;
	EXPECT_EQ(standby.after(seconds(1)).trouble, "") << "somebody wants it so";
	standby.sample.replay_held = false;
	standby.sample.replayed.value = 110 * mebibyte - 1;
	standby.after(seconds(1));
	EXPECT_EQ(standby.after(seconds(600)).trouble, "") << "the rest of a record is missing";
}

TEST(StreamHealth, OneThatIsPausedOrDelayedDoesNotStandStillHoweverLong) {
	Standby standby;
	standby.after(seconds(0));
	standby.breaks("could not receive data from WAL stream");
	standby.sample.replay_held = true;
	standby.after(seconds(10));
	const StreamHealth health = standby.after(seconds(36000));
	EXPECT_FALSE(health.streaming);
	EXPECT_TRUE(health.held);
	EXPECT_EQ(health.stood_still, Duration(0));
	EXPECT_NE(health.trouble.find("paused or delayed"), std::string::npos) << health.trouble;
	// A delayed one that has replayed what is here asks for more, in vain.
	standby.sample.asking = true;
	EXPECT_FALSE(standby.after(seconds(1)).held);
	EXPECT_GE(standby.after(seconds(60)).stood_still, seconds(60));
}

TEST(StreamHealth, OneWhoseReplayWaitsForAQueryDoesNotStandStill) {
	Standby standby;
	standby.after(seconds(0));
	standby.sample.received = standby.sample.position.lsn = Lsn{100 * mebibyte};
	standby.sample.replayed = Lsn{90 * mebibyte};
	standby.breaks("");
	const StreamHealth health = standby.after(seconds(36000));
	EXPECT_TRUE(health.held);
	EXPECT_EQ(health.stood_still, Duration(0));
}

TEST(StreamHealth, WhoHasNoUpstreamHasNoTrouble) {
	Standby standby;
	standby.sample.has_upstream = standby.sample.connected = false;
	standby.after(seconds(0));
	const StreamHealth health = standby.after(seconds(3600));
	EXPECT_EQ(health, StreamHealth());
}

KeeperInfo told(std::uint64_t lsn, bool streaming) {
	KeeperInfo info;
	info.db = DbUid{"aaaaaaaa"};
	info.position = {Timeline{1}, Lsn{lsn}};
	info.replayed = Lsn{lsn};
	info.streaming = streaming;
	info.upstream = DbUid{streaming ? "mmmmmmmm" : ""};
	return info;
}

void note(StandbyProgress &progress, const KeeperInfo &info, int at) {
	progress.note(info, DbUid{"mmmmmmmm"}, Instant{seconds(at)}, Instant{seconds(at)});
}

TEST(StandbyProgress, CountsFromWhenItStoppedStreamingOrGotFurther) {
	StandbyProgress progress;
	const auto note = [&](const KeeperInfo &info, int at) {
		progress.note(info, DbUid{"mmmmmmmm"}, Instant{seconds(at)}, Instant{seconds(at)});
		return progress.got_on_at().since_boot / seconds(1);
	};
	EXPECT_EQ(note(told(10, true), 1), 1);
	EXPECT_EQ(note(told(10, false), 100), 100) << "it streamed until then";
	EXPECT_EQ(note(told(10, false), 200), 100);
	EXPECT_EQ(note(told(9, false), 250), 100) << "after a restart it begins further back";
	EXPECT_EQ(note(told(10, false), 260), 100);
	EXPECT_EQ(note(told(11, false), 300), 300);
	KeeperInfo replays = told(11, false);
	replays.replayed.value = 12;
	EXPECT_EQ(note(replays, 400), 400);
	KeeperInfo renewed = told(5, false);
	renewed.db = DbUid{"bbbbbbbb"};
	EXPECT_EQ(note(renewed, 500), 500);
}

TEST(StandbyProgress, AServerThatVanishesDidWellUntilThen) {
	StandbyProgress progress;
	const auto since = [&] { return progress.got_on_at().since_boot / seconds(1); };
	note(progress, told(10, true), 1);
	progress.note_absence(DbUid{"aaaaaaaa"}, Instant{seconds(5000)});
	EXPECT_FALSE(progress.is_well());
	EXPECT_EQ(since(), 5000);
	progress.note_absence(DbUid{"aaaaaaaa"}, Instant{seconds(6000)});
	EXPECT_EQ(since(), 5000);
	StandbyProgress never_seen;
	never_seen.note_absence(DbUid{"aaaaaaaa"}, Instant{seconds(7000)});
	EXPECT_EQ(never_seen.got_on_at().since_boot / seconds(1), 7000);
}

TEST(StandbyProgress, ADbThatWasLongInTheMakingBeginsWhenItIsThere) {
	StandbyProgress progress;
	note(progress, told(10, false), 1);
	progress.note_absence(DbUid{"aaaaaaaa"}, Instant{seconds(2)});
	EXPECT_EQ(progress.got_on_at().since_boot / seconds(1), 1);
	progress.note_absence(DbUid{"bbbbbbbb"}, Instant{seconds(5000)});
	EXPECT_EQ(progress.got_on_at().since_boot / seconds(1), 5000);
	progress.note_absence(DbUid{"bbbbbbbb"}, Instant{seconds(5050)});
	EXPECT_EQ(progress.got_on_at().since_boot / seconds(1), 5000);
	KeeperInfo info = told(5, false);
	info.db = DbUid{"bbbbbbbb"};
	note(progress, info, 5060);
	EXPECT_EQ(progress.got_on_at().since_boot / seconds(1), 5060);
}

TEST(StandbyProgress, RedoAfterARestartCountsAsLongAsTheServerIsThere) {
	StandbyProgress progress;
	const auto since = [&] { return progress.got_on_at().since_boot / seconds(1); };
	const auto redo = [&](const char *instance, std::uint64_t lsn, int at) {
		KeeperInfo info = told(lsn, false);
		info.instance = instance;
		note(progress, info, at);
	};
	note(progress, told(1000, false), 1);
	redo("one", 10, 100);
	EXPECT_EQ(since(), 1) << "it is only there";
	redo("one", 11, 200);
	EXPECT_EQ(since(), 200);
	KeeperInfo starting = told(0, false);
	starting.instance = "two";
	starting.position = {};
	progress.note_absence(DbUid{"aaaaaaaa"}, Instant{seconds(210)});
	EXPECT_EQ(since(), 1) << "it crashed";
	note(progress, starting, 220);
	EXPECT_EQ(since(), 1) << "it does not know yet where it is";
	redo("two", 10, 230);
	EXPECT_EQ(since(), 230);
	redo("three", 9, 240);
	EXPECT_EQ(since(), 1);
}

TEST(StandbyProgress, WhoStreamsFromAnotherThanTheMasterDoesNotGetOn) {
	StandbyProgress progress;
	const auto since = [&] { return progress.got_on_at().since_boot / seconds(1); };
	note(progress, told(10, true), 1);
	// Another master is named; what was told long ago is now wrong.
	progress.note(told(10, true), DbUid{"nnnnnnnn"}, Instant{seconds(1)}, Instant{seconds(500)});
	EXPECT_FALSE(progress.is_well());
	EXPECT_EQ(since(), 500);
	progress.note(told(11, true), DbUid{"nnnnnnnn"}, Instant{seconds(510)}, Instant{seconds(510)});
	EXPECT_EQ(since(), 500) << "it moves, but not where it should be";
	progress.note(told(12, true), DbUid{}, Instant{seconds(520)}, Instant{seconds(520)});
	EXPECT_TRUE(progress.is_well()) << "nobody is named";
}

TEST(StandbyProgress, OneThatIsHeldIsWell) {
	StandbyProgress progress;
	KeeperInfo held = told(10, false);
	held.replay_held = true;
	note(progress, held, 1);
	EXPECT_TRUE(progress.is_well());
	note(progress, told(10, false), 9000);
	EXPECT_FALSE(progress.is_well());
	EXPECT_EQ(progress.got_on_at().since_boot / seconds(1), 9000);
}

}  // namespace
}  // namespace stolon::core
