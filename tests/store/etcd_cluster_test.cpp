// Three members of etcd: what happens when some of them go.
#include "store/mirror.h"
#include "tests/store/etcd_drive.h"

namespace stolon::store::test {
namespace {

class ClusterOfThree : public testing::Test {
protected:
	void SetUp() override {
		cluster = std::make_unique<EtcdCluster>();
		ASSERT_TRUE(cluster->running());
		leader = cluster->leader();
		follower = (leader + 1) % 3;
		other = (leader + 2) % 3;
	}
	/// A store that begins with this member.
	std::unique_ptr<Store> open_at(std::size_t first) {
		std::vector<std::string> urls;
		for (std::size_t step = 0; step < 3; step++)
			urls.push_back(cluster->urls()[(first + step) % 3]);
		return open_etcd(urls);
	}

	std::unique_ptr<EtcdCluster> cluster;
	std::size_t leader = 0, follower = 0, other = 0;
};

TEST_F(ClusterOfThree, FrozenLeaderIsLeftAndNothingIsLost) {
	auto store = open_at(leader);
	ASSERT_TRUE(put(*store, "a", "1").ok());
	cluster->member(leader).freeze();
	// Until the others have elected a leader everything may fail, but never wrongly.
	bool written = false;
	for (int i = 0; i < 40 && !written; i++) {
		const auto result = put(*store, "a", "2", milliseconds(500));
		written = result.ok();
		if (!written) {
			EXPECT_TRUE(result.error().kind == ErrorKind::Unknown ||
			            result.error().kind == ErrorKind::Unavailable)
			    << result.error().message;
		}
	}
	ASSERT_TRUE(written);
	const auto read = range(*store, "a", seconds(2));
	ASSERT_TRUE(read.ok()) << message(read);
	EXPECT_EQ(read->kvs.at(0).value, "2");
	cluster->member(leader).thaw();
}

TEST_F(ClusterOfThree, KilledMemberCostsAReadNothing) {
	auto store = open_at(follower);
	ASSERT_TRUE(range(*store, "a").ok());
	cluster->member(follower).stop();
	const Instant start = now();
	EXPECT_TRUE(range(*store, "a").ok());
	EXPECT_LT(now() - start, seconds(1));
}

TEST_F(ClusterOfThree, WatchOnAMemberWithoutALeaderIsFailed) {
	auto store = open_etcd({cluster->urls()[follower]});
	int accepted = 0;
	std::vector<Error> failures;
	WatchHandler handler;
	handler.created = [&](std::int64_t) { accepted++; };
	handler.failed = [&](const Error &error) { failures.push_back(error); };
	store->watch({"a", {}, 0}, handler);
	ASSERT_TRUE(run_real_until(
	    {store.get()}, [&] { return accepted == 1; }, seconds(5)));
	cluster->member(leader).stop();
	cluster->member(other).stop();
	ASSERT_TRUE(run_real_until(
	    {store.get()}, [&] { return !failures.empty(); }, seconds(15)));
	EXPECT_EQ(failures[0].kind, ErrorKind::Unavailable);
	EXPECT_NE(failures[0].message.find("no leader"), std::string::npos) << failures[0].message;
	// And no answer comes from what it still knows.
	EXPECT_EQ(range(*store, "a", milliseconds(500)).error().kind, ErrorKind::Unavailable);
	EXPECT_EQ(put(*store, "a", "1", milliseconds(500)).error().kind, ErrorKind::Unknown);
}

TEST_F(ClusterOfThree, MirrorFollowsWhileMembersGoOneAfterTheOther) {
	auto store = open_at(0);
	auto writer = open_at(1);
	Mirror mirror(*store, {.prefix = "c/", .probe_interval = milliseconds(500)});
	// One key for each: a write whose outcome is unknown may be done when the frozen member is
	// back.
	const auto arrives = [&](const std::string &key) {
		Result<TxnResponse> written = Error{};
		for (int i = 0; i < 20 && !written.ok(); i++)
			written = put(*writer, "c/" + key, "x", seconds(1));
		EXPECT_TRUE(written.ok()) << message(written);
		return run_real_until(
		    {store.get()},
		    [&] {
			    mirror.poll(now());
			    return mirror.find("c/" + key) != nullptr;
		    },
		    seconds(20));
	};
	EXPECT_TRUE(arrives("all there"));
	for (std::size_t i = 0; i < 3; i++) {
		cluster->member(i).freeze();
		EXPECT_TRUE(arrives("without " + std::to_string(i))) << mirror.problem();
		cluster->member(i).thaw();
	}
	EXPECT_TRUE(arrives("all back")) << mirror.problem();
}

}  // namespace
}  // namespace stolon::store::test
