// Where readers go: which standbys are fit, how lag is measured from rare publications, and who
// leads where. No clock, no store.
#include "core/plan/read_plan.h"

#include <gtest/gtest.h>

#include <functional>

namespace stolon::core {
namespace {

constexpr Instant start{seconds(1000)};
constexpr std::uint64_t mebibyte = 1024 * 1024;
const KeeperUid k1{"k1"}, k2{"k2"}, k3{"k3"};
const Backend address1{"10.0.0.1", 5432}, address2{"10.0.0.2", 5433}, address3{"10.0.0.3", 5432};

/// k1 is the master, k2 and k3 stream from it; readers have not been sent anywhere yet.
class World {
public:
	World() {
		data.epoch = Epoch{1};
		data.master = db_of(k1);
		data.spec.max_read_lag = 10 * mebibyte;
		add(k1, address1, {});
		add(k2, address2, db_of(k1));
		add(k3, address3, db_of(k1));
	}

	static DbUid db_of(const KeeperUid &uid) { return DbUid{uid.value + "-db"}; }

	void add(const KeeperUid &uid, const Backend &address, const DbUid &follow) {
		data.keepers[uid].uid = uid;
		data.keepers[uid].db = db_of(uid);
		data.keepers[uid].host = address.host;
		data.keepers[uid].port = address.port;
		data.dbs[db_of(uid)].uid = db_of(uid);
		data.dbs[db_of(uid)].keeper = uid;
		data.dbs[db_of(uid)].follow = follow;
		KeeperInfo &info = infos[uid];
		info.uid = uid;
		info.db = db_of(uid);
		info.role = follow.empty() ? PgRole::Primary : PgRole::Standby;
		info.streaming = !follow.empty();
		info.upstream = follow;
		info.replayed = Lsn{100 * mebibyte};
		nodes[uid] = NodePhase::Running;
	}

	ReadDecision look(Duration later = {}) {
		now = now + later;
		ReadInputs in{now, &data, infos, nodes, master_position, fall_back, state, refusing};
		ReadDecision decision = plan_readers(in);
		state = decision.state;
		return decision;
	}

	Instant now = start;
	ClusterData data;
	std::map<KeeperUid, KeeperInfo> infos;
	std::map<KeeperUid, NodePhase> nodes;
	std::set<Backend> refusing;
	Lsn master_position{100 * mebibyte};
	bool fall_back = true;
	ReadState state;
};

struct Case {
	std::string name;
	std::function<void(World &)> change;
	std::vector<Backend> backends;
};

class Readers : public testing::TestWithParam<Case> {};

TEST_P(Readers, GoToWhatIsFit) {
	World world;
	world.look();
	GetParam().change(world);
	EXPECT_EQ(world.look(seconds(6)).backends, GetParam().backends);
}

const std::vector<Case> cases{
    {"AllStandbysWhateverTheirPort", [](World &) {}, {address2, address3}},
    {"NotAStandbyOfWhichNothingIsHeard",
     [](World &w) {
	     w.infos.erase(k2);
	     w.nodes.erase(k2);
     },
     {address3}},
    {"NotAStandbyWhoseKeeperHasBeenSilent",
     [](World &w) {
	     w.infos.erase(k2);
	     w.look();
     },
     {address3}},
    {"NotAStandbyWhoseServerIsDown",
     [](World &w) { w.nodes[k2] = NodePhase::Starting; },
     {address3}},
    {"NotAStandbyWhoseLauncherHasStoppedItAndLeft",
     [](World &w) {
	     w.nodes[k2] = NodePhase::Stopping;
	     w.look();
	     w.nodes.erase(k2);
     },
     {address3}},
    {"AStandbyWhoseLauncherIsSilent", [](World &w) { w.nodes.erase(k2); }, {address2, address3}},
    {"NotAnIncarnationThatWasReplaced",
     [](World &w) { w.infos[k3].db = DbUid{"other"}; },
     {address2}},
    {"NotAStandbyThatHasBeenStreamingFromNobody",
     [](World &w) {
	     w.infos[k2].streaming = false;
	     w.look();
     },
     {address3}},
    {"NotAStandbyOfAnother",
     [](World &w) {
	     w.infos[k2].upstream = World::db_of(k3);
	     w.look();
     },
     {address3}},
    {"NotWhatIsBeingClonedFromTheMaster",
     [](World &w) { w.infos[k2].role = PgRole::Unknown; },
     {address3}},
    {"TheMasterWhenNoStandbyIsFit",
     [](World &w) { w.nodes[k2] = w.nodes[k3] = NodePhase::Stopped; },
     {address1}},
    {"NowhereWhenTheMasterIsNotAllowed",
     [](World &w) {
	     w.nodes[k2] = w.nodes[k3] = NodePhase::Stopped;
	     w.fall_back = false;
     },
     {}},
    {"NotAStandbyWithoutAnAddress", [](World &w) { w.data.keepers[k2].host = ""; }, {address3}},
};

INSTANTIATE_TEST_SUITE_P(Rules, Readers, testing::ValuesIn(cases),
                         [](const auto &info) { return info.param.name; });

TEST(ReadersAfterAFailover, StayAtAStandbyWhileItLooksForTheNewMaster) {
	World world;
	world.look();
	world.data.master = World::db_of(k2);
	world.data.dbs[World::db_of(k2)].follow = {};
	world.data.dbs[World::db_of(k3)].follow = World::db_of(k2);
	world.infos[k2].role = PgRole::Primary;
	world.infos[k3].streaming = false;
	EXPECT_EQ(world.look(seconds(1)).backends, std::vector{address3});
	EXPECT_EQ(world.look(seconds(4)).backends, std::vector{address3});
	// failInterval is over: it does not find it.
	const ReadDecision late = world.look(seconds(1));
	EXPECT_EQ(late.backends, std::vector{address2});
	EXPECT_TRUE(late.from_master);
	EXPECT_EQ(late.left_out,
	          std::vector<std::string>{
	              "k3 does not stream from the master, or does not replay what it receives"});
	// It may finish what it answers.
	EXPECT_EQ(late.alive, (std::vector{address2, address3}));
}

TEST(ReadersOfAStandby, StayWhileItsKeeperIsSilentForAMoment) {
	World world;
	world.look();
	const KeeperInfo info = world.infos[k2];
	for (int round = 0; round < 3; ++round) {
		world.infos.erase(k2);
		EXPECT_EQ(world.look(milliseconds(1)).backends, (std::vector{address2, address3}));
		EXPECT_EQ(world.look(seconds(4)).alive, (std::vector{address1, address2, address3}));
		world.infos[k2] = info;
		EXPECT_EQ(world.look(seconds(2)).backends, (std::vector{address2, address3}));
	}
	// Nobody says that the server runs: it is gone at once.
	world.infos.erase(k2);
	world.nodes.erase(k2);
	EXPECT_EQ(world.look(milliseconds(1)).backends, std::vector{address3});
	EXPECT_EQ(world.look().alive, (std::vector{address1, address3}));
}

TEST(ReadersOfAStandby, LeaveWhenItTakesNoConnections) {
	World world;
	world.look();
	world.refusing = {address2};
	const ReadDecision without = world.look(milliseconds(1));
	EXPECT_EQ(without.backends, std::vector{address3});
	EXPECT_EQ(without.left_out, std::vector<std::string>{"k2 takes no connections"});
	// The view still has it: perhaps only the connection that watches it has broken.
	EXPECT_EQ(without.alive, (std::vector{address1, address2, address3}));
	world.refusing.clear();
	EXPECT_EQ(world.look(milliseconds(1)).backends, (std::vector{address2, address3}));
}

TEST(ReadersOfAStandbyThatJustCame, WaitUntilItStreams) {
	World world;
	world.infos[k2].streaming = false;
	EXPECT_EQ(world.look().backends, std::vector{address3});
	world.infos[k2].streaming = true;
	EXPECT_EQ(world.look().backends, (std::vector{address2, address3}));
}

TEST(ReadLag, CountsFromWhenAPositionWasPublished) {
	World world;
	world.look();
	// 5 MiB a second; standbys publish every 5 s, and are 1 MiB behind then.
	for (int second = 1; second <= 20; ++second) {
		world.master_position.value += 5 * mebibyte;
		if (second % 5 == 0) {
			for (const KeeperUid &uid : {k2, k3}) {
				world.infos[uid].replayed.value = world.master_position.value - mebibyte;
			}
		}
		EXPECT_EQ(world.look(seconds(1)).backends.size(), 2u) << second;
	}
}

TEST(ReadLag, AStandbyThatSaysNothingNewIsWhereItWas) {
	World world;
	world.look();
	world.infos[k2].replayed.value += 1;
	world.look(seconds(1));
	// The master goes on, and k3 with it.
	for (int second = 1; second <= 5; ++second) {
		world.master_position.value += 5 * mebibyte;
		world.infos[k3].replayed = world.master_position;
		EXPECT_EQ(world.look(seconds(1)).backends.size(), 2u) << second;
	}
	// sleepInterval and a little more later it is known what k2 had not replayed by then.
	for (int second = 6; second <= 9; ++second) {
		world.look(seconds(1));
	}
	EXPECT_EQ(world.look(seconds(1)).backends, std::vector{address3});
}

TEST(ReadLag, WhoLaggedComesBackWhenItIsWellWithinTheBound) {
	World world;
	world.look();
	world.look(seconds(1));
	const auto behind = [&world](std::uint64_t mebibytes) {
		world.master_position.value += 20 * mebibyte;
		world.look(seconds(1));
		world.infos[k2].replayed.value = world.master_position.value - mebibytes * mebibyte;
		world.infos[k3].replayed = world.master_position;
		return world.look(milliseconds(1)).backends.size();
	};
	EXPECT_EQ(behind(10), 2u);
	EXPECT_EQ(behind(11), 1u);
	EXPECT_EQ(behind(9), 1u);
	EXPECT_EQ(behind(6), 1u);
	EXPECT_EQ(behind(5), 2u);
	EXPECT_EQ(behind(9), 2u);
}

TEST(ReadLag, WithoutABoundNothingIsTooFar) {
	World world;
	world.data.spec.max_read_lag = 0;
	world.look();
	world.master_position.value += 1000 * mebibyte;
	world.look(seconds(1));
	EXPECT_EQ(world.look(seconds(60)).backends.size(), 2u);
}

TEST(ReadLag, AnOldPublicationIsNotHeldAgainstAStandbyWhenTheProxyStarts) {
	World world;
	world.master_position.value += 50 * mebibyte;
	EXPECT_EQ(world.look().backends.size(), 2u);
	EXPECT_EQ(world.look(seconds(5)).backends.size(), 2u);
	// By now they would have said that they have replayed it.
	EXPECT_EQ(world.look(seconds(3)).backends, std::vector{address1});
}

TEST(ReadLag, AnotherMastersPositionsDoNotCount) {
	World world;
	world.look();
	world.master_position.value += 100 * mebibyte;
	world.look(seconds(1));
	world.data.master = World::db_of(k2);
	world.data.dbs[World::db_of(k2)].follow = {};
	world.infos[k2].role = PgRole::Primary;
	world.infos[k3].upstream = World::db_of(k2);
	world.data.dbs[World::db_of(k3)].follow = World::db_of(k2);
	world.master_position = Lsn{100 * mebibyte};
	world.look(seconds(1));
	EXPECT_EQ(world.look(seconds(10)).backends, std::vector{address3});
}

TEST(ReadLag, WhatIsRememberedIsBounded) {
	World world;
	for (std::size_t i = 0; i < 3 * max_positions_seen; ++i) {
		world.master_position.value += 1;
		world.look(milliseconds(1));
	}
	EXPECT_LE(world.state.positions.size(), max_positions_seen);
	world.look(seconds(60));
	EXPECT_EQ(world.state.positions.size(), 1u);
}

using Places = std::vector<std::optional<Backend>>;

TEST(ReadersPlaces, AreSpreadEvenlyAndMovedRarely) {
	const auto none = std::nullopt;
	struct {
		Places had;
		std::vector<Backend> backends;
		Places now;
	} const rows[] = {
	    {{none, none}, {address1, address2}, {address1, address2}},
	    {{none, none}, {address1}, {address1, address1}},
	    {{address2, address1}, {address1, address2}, {address2, address1}},
	    {{address1, address1}, {address1, address2}, {address2, address1}},
	    {{address1, address1, none}, {address1, address2}, {address1, address1, address2}},
	    {{address1, address2}, {address2, address3}, {address3, address2}},
	    {{address1, address2}, {}, {none, none}},
	    {{address1}, {address1, address2, address3}, {address1}},
	    {{address1, address1, address1, address2},
	     {address1, address2, address3},
	     {address3, address1, address1, address2}},
	    {{}, {address1}, {}},
	};
	for (const auto &row : rows) {
		EXPECT_EQ(assign_readers(row.had, row.backends), row.now);
	}
}

}  // namespace
}  // namespace stolon::core
