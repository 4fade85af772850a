// The sentinel plan and who belongs to the cluster: S-01, S-02, S-09 to S-13, S-15.
#include <gtest/gtest.h>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

TEST(SentinelFirstMaster, FirstWaitingNodeIsNamedWithANewDb) {
	World world = World::uninitialised();
	world.add_blank_node("k2");
	world.add_blank_node("k1");
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-01");
	EXPECT_TRUE(decision.write_master);
	EXPECT_EQ(decision.data.epoch.value, 1u);
	EXPECT_EQ(decision.data.generation, world.in.data.generation + 1);
	const Db *db = decision.data.find_db(decision.data.master);
	ASSERT_NE(db, nullptr);
	EXPECT_EQ(db->keeper.value, "k1");
	EXPECT_EQ(db->init, DbInit::New);
	EXPECT_TRUE(db->follow.empty());
	EXPECT_EQ(decision.data.phase, ClusterPhase::Initializing);
}

TEST(SentinelFirstMaster, NobodyIsNamedWhileANodeHasData) {  // B-6
	World world = World::uninitialised();
	world.add_blank_node("k1");
	world.add_blank_node("k2");
	world.node("k2").system_id = "7000000000000000002";
	EXPECT_FALSE(world.plan().write);
	world.node("k2").system_id.clear();
	world.node("k2").db = DbUid{"deadbeef"};
	EXPECT_FALSE(world.plan().write);
	world.node("k2").db = {};
	EXPECT_TRUE(world.plan().write);
}

TEST(SentinelFirstMaster, NodesThatAreNotWaitingOrHaveNoAddressAreNotNamed) {
	World world = World::uninitialised();
	world.add_blank_node("k1");
	world.node("k1").phase = NodePhase::Refusing;
	EXPECT_FALSE(world.plan().write);
	world.node("k1").phase = NodePhase::Waiting;
	world.node("k1").port = 0;
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelFirstMaster, OneThatIsGoneAndHasNeverBeatenIsReplaced) {
	for (const bool refuses : {false, true}) {
		World world = World::uninitialised();
		for (const char *keeper : {"k1", "k2", "k3"}) {
			world.add_blank_node(keeper);
		}
		world.apply(world.plan());
		const DbUid first = world.in.data.master;
		world.apply(world.plan());  // S-09 makes keepers of the others
		world.pass(seconds(3600));
		EXPECT_FALSE(world.plan().write) << "initdb may take its time";
		if (refuses) {
			world.node("k1").phase = NodePhase::Refusing;
		} else {
			world.vanish("k1");
		}
		World alone = world;
		alone.vanish("k2");
		alone.vanish("k3");
		EXPECT_FALSE(alone.plan().write) << "nobody else is there";
		World beaten = world;
		beaten.beat("k1", at(1, 0x1500000));
		EXPECT_FALSE(beaten.plan().write) << "it may have acknowledged something";
		const SentinelDecision decision = world.plan();
		ASSERT_TRUE(decision.write);
		EXPECT_EQ(rule_of(decision), "S-27");
		EXPECT_TRUE(decision.write_master);
		EXPECT_EQ(decision.guard_beat_of, KeeperUid{"k1"});
		EXPECT_EQ(decision.guard_beat_revision, 0);
		EXPECT_EQ(decision.data.epoch, world.in.data.epoch.next());
		EXPECT_EQ(decision.data.phase, ClusterPhase::Initializing);
		EXPECT_EQ(decision.data.master_keeper()->uid.value, "k2");
		EXPECT_EQ(decision.data.db_of(KeeperUid{"k2"})->init, DbInit::New);
		EXPECT_EQ(decision.data.find_db(first), nullptr);
		const Db *old = decision.data.db_of(KeeperUid{"k1"});
		ASSERT_NE(old, nullptr);
		EXPECT_EQ(old->init, DbInit::Resync) << "what it made meanwhile is kept aside";
		EXPECT_EQ(old->follow, decision.data.master);
	}
}

TEST(SentinelFirstMaster, OneThatIsGoneIsNotReplacedAtOnce) {
	World world = World::uninitialised();
	world.add_blank_node("k1");
	world.apply(world.plan());
	world.add_blank_node("k2");
	world.apply(world.plan());
	world.vanish("k1");
	world.in.contact_since = world.in.now;
	EXPECT_FALSE(world.plan().write);
	EXPECT_EQ(world.plan().wake_at, world.in.now + seconds(10));
}

TEST(SentinelFirstMaster, NormalOnlyOnceItBeatsWritableAndSaysItsSystemId) {
	World world = World::uninitialised();
	world.add_blank_node("k1");
	world.apply(world.plan());
	const DbUid db = world.in.data.master;
	EXPECT_FALSE(world.plan().write);
	world.node("k1").db = db;
	world.node("k1").system_id = "7000000000000000001";
	world.node("k1").phase = NodePhase::Running;
	EXPECT_FALSE(world.plan().write);
	world.beat("k1", at(1, 0x1500000));
	EXPECT_FALSE(world.plan().write) << "beats, but is not writable yet";
	world.in.beats.at(KeeperUid{"k1"}).beat.writable = true;
	World no_id = world;
	no_id.node("k1").system_id.clear();
	EXPECT_FALSE(no_id.plan().write);
	World wrong_epoch = world;
	wrong_epoch.in.beats.at(KeeperUid{"k1"}).beat.epoch = Epoch{7};
	EXPECT_FALSE(wrong_epoch.plan().write);
	World wrong_revision = world;
	wrong_revision.in.beats.at(KeeperUid{"k1"}).beat.master_revision -= 1;
	EXPECT_FALSE(wrong_revision.plan().write);

	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-02");
	EXPECT_FALSE(decision.write_master);
	EXPECT_EQ(decision.data.phase, ClusterPhase::Normal);
	EXPECT_EQ(decision.data.system_id, "7000000000000000001");
	EXPECT_EQ(decision.data.find_db(db)->init, DbInit::None);
	ASSERT_TRUE(decision.event.has_value());
	EXPECT_EQ(decision.event->kind, "init");
}

TEST(SentinelFirstMaster, NoElectionWhileInitialising) {
	World world = World::uninitialised();
	world.add_blank_node("k1");
	world.apply(world.plan());
	world.beat("k1", at(1, 0x1500000));
	world.pass(seconds(3600));
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelMembers, AWaitingNodeBecomesAStandbyOfTheMaster) {
	World world = World::running();
	world.add_blank_node("k4");
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-09");
	EXPECT_FALSE(decision.write_master);
	const Db *db = decision.data.db_of(KeeperUid{"k4"});
	ASSERT_NE(db, nullptr);
	EXPECT_EQ(db->init, DbInit::Resync);
	EXPECT_EQ(db->follow, world.in.data.master);
	EXPECT_EQ(db->generation, decision.data.generation);
	world.apply(decision);
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelMembers, WhileInitialisingAKeeperIsNotedWithoutADb) {
	World world = World::uninitialised();
	world.add_blank_node("k1");
	world.apply(world.plan());
	world.add_blank_node("k2");
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-09");
	EXPECT_NE(decision.data.find_keeper(KeeperUid{"k2"}), nullptr);
	EXPECT_EQ(decision.data.db_of(KeeperUid{"k2"}), nullptr);
	world.apply(decision);
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelMembers, MaxStandbysIsKept) {
	World world = World::running();
	world.in.data.spec.max_standbys = 3;
	world.add_blank_node("k4");
	world.add_blank_node("k5");
	world.apply(world.plan());
	EXPECT_NE(world.in.data.db_of(KeeperUid{"k4"}), nullptr);
	EXPECT_EQ(world.in.data.db_of(KeeperUid{"k5"}), nullptr);
	EXPECT_FALSE(world.plan().write);
	world.in.data.spec.max_standbys = 4;
	EXPECT_EQ(rule_of(world.plan()), "S-09");
}

TEST(SentinelMembers, AnotherClustersNodeNeverBecomesAMember) {  // B-6
	World world = World::running();
	world.add_blank_node("k4");
	world.node("k4").system_id = "7999999999999999999";
	EXPECT_FALSE(world.plan().write);
	world.node("k4").phase = NodePhase::Refusing;
	world.node("k4").db = DbUid{"0000dddd"};
	EXPECT_FALSE(world.plan().write);
	world.node("k1").system_id = "7999999999999999999";
	world.node("k1").host = "10.9.9.9";
	EXPECT_FALSE(world.plan().write) << "nor does it say where a member lives";
}

TEST(SentinelMembers, AnAddressThatChangedIsTakenOver) {
	World world = World::running();
	world.node("k2").host = "10.0.0.99";
	world.node("k2").port = 6543;
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-10");
	EXPECT_EQ(decision.data.find_keeper(KeeperUid{"k2"})->host, "10.0.0.99");
	EXPECT_EQ(decision.data.find_keeper(KeeperUid{"k2"})->port, 6543);
	EXPECT_EQ(decision.data.find_db(world.db("k2"))->generation, decision.data.generation);
	world.apply(decision);
	EXPECT_FALSE(world.plan().write);
	world.node("k2").host.clear();
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelMembers, AStandbyWhoseDataAreGoneIsMadeAnew) {
	World world = World::running();
	world.add_blank_node("k2");
	world.in.infos.erase(KeeperUid{"k2"});
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-11");
	EXPECT_EQ(decision.data.find_db(world.db("k2")), nullptr);
	EXPECT_EQ(decision.data.db_of(KeeperUid{"k2"})->init, DbInit::Resync);
	world.apply(decision);
	EXPECT_FALSE(world.plan().write) << "a clone that has not begun yet is left alone";
}

TEST(SentinelMembers, TheMastersDataAreNeverReplaced) {
	World world = World::running();
	world.add_blank_node("k1");
	EXPECT_FALSE(world.plan().write);
	world.info("k1").position = at(7, 0x100);
	EXPECT_NE(rule_of(world.plan()), "S-11");
}

TEST(SentinelMembers, ADivergedStandbyIsMadeAnew) {
	World world = on_second_timeline();
	struct Case {
		const char *what;
		WalPosition position;
		Lsn replayed;
		std::vector<HistoryEntry> history;
		bool replaced;
	};
	const std::vector<HistoryEntry> same = {{Timeline{1}, Lsn{0x4800000}}};
	const Case cases[] = {
	    {"on the master's timeline", at(2, 0x5000000), Lsn{0x5000000}, same, false},
	    {"on its ancestor, at the end", at(1, 0x4800000), Lsn{0x4800000}, {}, false},
	    {"received half a record more", at(1, 0x4800040), Lsn{0x4800000}, {}, false},
	    {"replayed more", at(1, 0x4800001), Lsn{0x4800001}, {}, true},
	    {"on a timeline of its own", at(3, 0x4900000), Lsn{0x4900000}, same, true},
	    {"the same number, another fork",
	     at(2, 0x5000000),
	     Lsn{0x5000000},
	     {{Timeline{1}, Lsn{0x4700000}}},
	     true},
	    {"nothing known yet", {}, {}, {}, false},
	};
	for (const auto &test : cases) {
		World one = world;
		one.info("k2").position = test.position;
		one.info("k2").replayed = test.replayed;
		one.info("k2").history = test.history;
		const SentinelDecision decision = one.plan();
		EXPECT_EQ(decision.write && rule_of(decision) == "S-11", test.replaced) << test.what;
	}
}

TEST(SentinelMembers, NobodyIsJudgedByAMasterThatIsNotWritableInThisEpoch) {
	World world = World::running();
	world.info("k2").position = at(7, 0x5000000);
	world.info("k2").replayed = Lsn{0x5000000};
	ASSERT_EQ(rule_of(world.plan()), "S-11");
	World older = world;
	older.info("k1").writable_epoch.value -= 1;
	EXPECT_FALSE(older.plan().write);
	World not_yet = world;
	not_yet.info("k1").writable = false;
	EXPECT_FALSE(not_yet.plan().write);
	World other_db = world;
	other_db.info("k2").db = DbUid{"0000eeee"};
	EXPECT_FALSE(other_db.plan().write) << "what an older incarnation says is not about this one";
}

TEST(SentinelMembers, ADbThatNobodyHasIsForgotten) {
	World world = World::running();
	Db stray = *world.in.data.find_db(world.db("k2"));
	stray.uid = DbUid{"0000ffff"};
	world.in.data.dbs[stray.uid] = stray;
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-12");
	EXPECT_EQ(decision.data.dbs.size(), 3u);
}

TEST(SentinelMembers, ACloneThatRunsIsNoCloneAnyMore) {
	World world = World::running();
	world.in.data.dbs.at(world.db("k2")).init = DbInit::Resync;
	World not_swapped = world;
	not_swapped.node("k2").db = DbUid{"0000abcd"};
	EXPECT_FALSE(not_swapped.plan().write);
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-13");
	EXPECT_EQ(decision.data.find_db(world.db("k2"))->init, DbInit::None);
}

TEST(SentinelMembers, AVanishedMasterKeyIsPutAgain) {
	World world = World::running();
	world.in.master_revision = 0;
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-15");
	EXPECT_TRUE(decision.write_master);
	EXPECT_EQ(decision.data.epoch, world.in.data.epoch);
	EXPECT_EQ(decision.data.master, world.in.data.master);
}

TEST(SentinelMembers, NothingIsDoneInASteadyState) {
	const SentinelDecision decision = World::running().plan();
	EXPECT_FALSE(decision.write);
	EXPECT_TRUE(decision.wake_at.has_value());
}

TEST(SentinelMembers, NobodyIsAddedWhileAnElectionIsOpen) {
	World world = World::running();
	world.open_election();
	world.add_blank_node("k4");
	world.node("k2").host = "10.0.0.99";
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelMembers, AViewThatContradictsItselfChangesNothing) {
	World world = World::running();
	world.in.data.master = DbUid{"0000aaaa"};
	EXPECT_FALSE(world.plan().write);
	world.in.data.master = {};
	EXPECT_FALSE(world.plan().write);
	World election = World::running();
	election.open_election();
	election.in.data.election->old_master = DbUid{"0000aaaa"};
	EXPECT_FALSE(election.plan().write);
}

}  // namespace
}  // namespace stolon::core
