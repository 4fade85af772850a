// What a sentinel makes of the store: a store that was restored from a backup, and edits during an
// election.
#include "sentinel/observations.h"

#include <gtest/gtest.h>

#include "store/fake/fake_store.h"
#include "tests/store/switching_store.h"

namespace stolon::sentinel::testing {
namespace {

using namespace stolon::core;

/// An etcd, the one that takes its place, and a sentinel's copy of whichever is there.
class Restored {
public:
	Keys keys{"stolon/cluster", "test"};
	store::FakeCluster first, second;
	store::testing::SwitchingStore store{first.connect(), second.connect()};
	store::Mirror mirror{store, options()};
	Observations observations{mirror, keys};
	Instant now{seconds(1000)};

	void run(Duration time) {
		const Instant end = now + time;
		while (now < end) {
			now = now + milliseconds(50);
			first.set_now(now);
			second.set_now(now);
			store.process();
			mirror.poll(now);
			store.process();
		}
		observations.update();
	}

	static void put(store::FakeCluster &cluster, const std::string &key, const std::string &value) {
		const auto hand = cluster.connect();
		hand->txn({{}, {store::Op::put(key, value)}, {}}, seconds(1), [](const auto &) {});
		for (int i = 0; i < 4; ++i) {
			hand->process();
		}
	}

private:
	store::MirrorOptions options() const {
		store::MirrorOptions options;
		options.prefix = keys.root();
		options.resync_interval = seconds(1);
		return options;
	}
};

ClusterData of_epoch(std::uint64_t epoch) {
	ClusterData data = initial_clusterdata(ClusterSpec{}, "0123456789abcdef");
	data.epoch = Epoch{epoch};
	return data;
}

Beat of_master(Epoch epoch, const char *db) {
	Beat beat;
	beat.epoch = epoch;
	beat.db = DbUid{db};
	beat.valid = seconds(5);
	return beat;
}

TEST(Observations, ARevisionThatARestoredStoreGivesToAnotherValueIsReadAgain) {
	Restored world;
	const std::string key = world.keys.clusterdata();
	const std::string beat = world.keys.beat(KeeperUid{"k1"});
	const Beat before = of_master(Epoch{7}, "0000000a");
	const Beat after = of_master(Epoch{5}, "0000000b");
	world.put(world.first, key, clusterdata_to_text(of_epoch(7)));
	world.put(world.first, beat, beat_to_text(before));
	world.put(world.second, key, clusterdata_to_text(of_epoch(5)));
	world.put(world.second, beat, beat_to_text(after));
	ASSERT_EQ(world.first.revision(), world.second.revision());
	world.run(seconds(2));
	ASSERT_TRUE(world.observations.clusterdata().has_value());
	EXPECT_EQ(world.observations.clusterdata()->epoch, Epoch{7});
	EXPECT_EQ(world.observations.inputs(world.now).beats.at(KeeperUid{"k1"}).beat, before);
	world.store.switch_over();
	world.run(seconds(5));
	EXPECT_EQ(world.observations.clusterdata()->epoch, Epoch{5});
	EXPECT_EQ(world.observations.inputs(world.now).beats.at(KeeperUid{"k1"}).beat, after);
}

TEST(Observations, AnElectionIsAsOldAsItsVotersWhateverElseIsEdited) {
	Restored world;
	ClusterData data = of_epoch(7);
	data.election.emplace();
	data.election->epoch = data.epoch;
	data.election->voters = {DbUid{"0000000a"}};
	const auto put = [&] {
		world.put(world.first, world.keys.clusterdata(), clusterdata_to_text(data));
	};
	put();
	world.run(seconds(1));
	const Instant asked = world.observations.inputs(world.now).election_asked_at;
	data.spec.fail_interval = seconds(7);
	put();
	world.run(seconds(1));
	EXPECT_EQ(world.observations.clusterdata()->spec.fail_interval, seconds(7));
	EXPECT_EQ(world.observations.inputs(world.now).election_asked_at, asked);
	EXPECT_GT(world.observations.inputs(world.now).data_seen_at, asked);
	data.election->voters.push_back(DbUid{"0000000b"});
	put();
	world.run(seconds(1));
	EXPECT_GT(world.observations.inputs(world.now).election_asked_at, asked);
	const Instant asked_again = world.observations.inputs(world.now).election_asked_at;
	data.epoch = data.election->epoch = Epoch{8};
	put();
	world.run(seconds(1));
	EXPECT_GT(world.observations.inputs(world.now).election_asked_at, asked_again);
}

}  // namespace
}  // namespace stolon::sentinel::testing
