// S-17: a standby that does not get on is made anew, in bounded time, and only when that can help.
#include <gtest/gtest.h>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

constexpr const char *removed =
    "requested WAL segment 000000010000000000000003 has already been removed";

/// The master beats on, and so much time passes.
void pass(World &world, Duration time) {
	world.pass(time);
	world.beat("k1", at(1, 0x5000000));
}

/// From now on this standby does not stream, and gets no further.
void stick(World &world, const std::string &keeper, const std::string &why = removed) {
	KeeperInfo &info = world.info(keeper);
	info.streaming = false;
	info.upstream = {};
	info.trouble = why;
	info.position = at(1, 0x3000000);
	info.replayed = Lsn{0x3000000};
	world.in.standstill_since[KeeperUid{keeper}] = world.in.now;
}

World with_stuck_k2() {
	World world = World::running();
	stick(world, "k2");
	return world;
}

TEST(SentinelRepair, AStandbyThatLostItsWalIsMadeAnewWhenItsTimeIsOver) {
	World world = with_stuck_k2();
	pass(world, seconds(59));
	const SentinelDecision early = world.plan();
	EXPECT_FALSE(early.write);
	ASSERT_TRUE(early.wake_at.has_value());
	EXPECT_LE(*early.wake_at, world.in.now + seconds(1));
	pass(world, seconds(1));
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-17");
	EXPECT_NE(decision.reasons.back().text.find("already been removed"), std::string::npos);
	EXPECT_FALSE(decision.write_master);
	const Db *db = decision.data.db_of(KeeperUid{"k2"});
	ASSERT_NE(db, nullptr);
	EXPECT_NE(db->uid, World::db("k2"));
	EXPECT_EQ(db->init, DbInit::Resync);
	EXPECT_EQ(db->follow, World::db("k1"));
	EXPECT_EQ(db->replaces, World::db("k2"));
	EXPECT_EQ(db->repairs, 1u);
	EXPECT_FALSE(db->clone_anew) << "a rewind, or a start anew, may be all that it takes";
	ASSERT_TRUE(decision.event.has_value());
	EXPECT_EQ(decision.event->kind, "repair");
	world.apply(decision);
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelRepair, GettingFurtherGivesItItsWholeTimeAgain) {
	World world = with_stuck_k2();
	pass(world, seconds(50));
	world.in.standstill_since[KeeperUid{"k2"}] = world.in.now;
	pass(world, seconds(50));
	EXPECT_FALSE(world.plan().write);
	world.in.standstill_since.erase(KeeperUid{"k2"});
	pass(world, seconds(500));
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelRepair, TimeWithoutTheStoreDoesNotCount) {
	World world = with_stuck_k2();
	pass(world, seconds(300));
	world.in.contact_since = world.in.now - seconds(30);
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelRepair, NeverWhenItIsSwitchedOff) {
	World world = with_stuck_k2();
	world.in.data.spec.standby_repair_timeout = Duration(0);
	pass(world, seconds(360000));
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelRepair, TheTimeIsLongEnoughToSeePositionsMove) {
	World world = with_stuck_k2();
	world.in.data.spec.standby_repair_timeout = seconds(1);
	pass(world, seconds(9));
	EXPECT_FALSE(world.plan().write) << "positions are told every sleepInterval of 5 s";
	pass(world, seconds(1));
	EXPECT_TRUE(world.plan().write);
}

TEST(SentinelRepair, NotWhileTheMasterIsNotHealthy) {
	World world = with_stuck_k2();
	world.pass(seconds(100));
	world.beat_unfit("k1");
	EXPECT_NE(rule_of(world.plan()), "S-17");
	world.beat("k1", at(1, 0x5000000));
	world.info("k1").writable = false;
	EXPECT_FALSE(world.plan().write);
	world.info("k1").writable = true;
	EXPECT_TRUE(world.plan().write);
}

TEST(SentinelRepair, NotWhileASwitchoverRuns) {
	World world = with_stuck_k2();
	pass(world, seconds(100));
	Switchover switchover;
	switchover.id = "00000000000000aa";
	switchover.phase = SwitchoverPhase::Checkpoint;
	switchover.timeout = seconds(1000);
	switchover.epoch = world.in.data.epoch;
	switchover.from = World::db("k1");
	switchover.target = World::db("k3");
	world.in.data.switchover = switchover;
	world.in.switchover_seen_at = world.in.switchover_step_seen_at = world.in.now;
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelRepair, AMasterThatCannotBeReachedIsNoReasonToCloneFromIt) {
	World world = with_stuck_k2();
	world.info("k2").unreachable = true;
	pass(world, seconds(1000));
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-17");
}

TEST(SentinelRepair, WhatTheMasterMayHaveLostIsLeftAlone) {
	World world = with_stuck_k2();
	world.info("k2").position = at(1, 0x5000100);
	world.info("k2").replayed = Lsn{0x4000000};
	pass(world, seconds(1000));
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-17");
	EXPECT_NE(decision.reasons.back().text.find("operator"), std::string::npos);
	world.beat("k1", at(1, 0x5000100));
	EXPECT_TRUE(world.plan().write) << "the master's info was only old";
}

TEST(SentinelRepair, OneAtATimeUnlessAGoodStandbyIsLeft) {
	World world = with_stuck_k2();
	stick(world, "k3");
	pass(world, seconds(60));
	world.apply(world.plan());
	EXPECT_EQ(world.in.data.db_of(KeeperUid{"k2"})->init, DbInit::Resync);
	const SentinelDecision waits = world.plan();
	EXPECT_FALSE(waits.write);
	EXPECT_EQ(rule_of(waits), "S-17");

	World dead = world;
	dead.vanish("k2");
	EXPECT_TRUE(dead.plan().write) << "a host that is not there is not waited for";

	World refusing = world;
	refusing.node("k2").phase = NodePhase::Refusing;
	EXPECT_TRUE(refusing.plan().write) << "nor is a copy that is not begun";

	World four = world;
	four.add_standby("k4");
	EXPECT_TRUE(four.plan().write) << "k4 streams";
	four.info("k4").trouble = "WAL that is here is not replayed";
	EXPECT_FALSE(four.plan().write);
}

TEST(SentinelRepair, AServerThatDoesNotStayUpIsMadeAnew) {
	World world = World::running();
	world.in.infos.erase(KeeperUid{"k2"});
	world.in.standstill_since[KeeperUid{"k2"}] = world.in.now;
	world.node("k2").phase = NodePhase::Stopped;
	world.node("k2").last_exit = "exit code 1";
	pass(world, seconds(60));
	EXPECT_TRUE(world.plan().write);
	for (const auto phase : {NodePhase::Running, NodePhase::Refusing, NodePhase::Stopping}) {
		World other = world;
		other.node("k2").phase = phase;
		EXPECT_FALSE(other.plan().write);
	}
	world.vanish("k2");
	EXPECT_FALSE(world.plan().write) << "a host that is away may come back as it was";
}

TEST(SentinelRepair, AMasterThatWasNamedJustNowHasPatience) {
	World world = with_stuck_k2();
	pass(world, seconds(1000));
	world.in.master_seen_at = world.in.now;
	pass(world, seconds(59));
	EXPECT_FALSE(world.plan().write);
	pass(world, seconds(1));
	EXPECT_TRUE(world.plan().write);
}

TEST(SentinelRepair, NobodyIsMadeAnewWithoutALauncher) {
	World world = with_stuck_k2();
	pass(world, seconds(60));
	world.in.nodes.erase(KeeperUid{"k2"});
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_NE(decision.reasons.back().text.find("launcher"), std::string::npos);
}

TEST(SentinelRepair, EachOneThatDidNotHelpDoublesTheTime) {
	World world = with_stuck_k2();
	world.in.data.dbs.at(World::db("k2")).repairs = 2;
	pass(world, seconds(239));
	EXPECT_FALSE(world.plan().write);
	pass(world, seconds(1));
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(decision.data.db_of(KeeperUid{"k2"})->repairs, 3u);
	EXPECT_TRUE(decision.data.db_of(KeeperUid{"k2"})->clone_anew);
}

TEST(SentinelRepair, OneThatStreamsAgainBeginsFromTheStart) {
	World world = World::running();
	world.in.data.dbs.at(World::db("k2")).repairs = 2;
	world.info("k2").catching_up = true;
	EXPECT_FALSE(world.plan().write);
	world.info("k2").catching_up = false;
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(decision.data.db_of(KeeperUid{"k2"})->repairs, 0u);
}

TEST(SentinelRepair, ReplayThatStandsStillIsNotCuredByAClone) {
	World world = World::running();
	world.info("k2").trouble = "WAL that is here is not replayed";
	pass(world, seconds(1000));
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelUnfitMaster, AStandbyThatIsStillCatchingUpIsNotClose) {  // S-16
	World world = World::running();
	world.in.data.spec.max_standby_lag = 0x100;
	for (const char *name : {"k2", "k3"}) {
		world.info(name).position = at(1, 0x3000000);
		world.info(name).catching_up = true;
	}
	world.pass(seconds(100));
	world.beat_unfit("k1");
	EXPECT_FALSE(world.plan().write);
	world.info("k2").catching_up = false;
	world.info("k2").trouble = "WAL that is here is not replayed";
	EXPECT_FALSE(world.plan().write);
	world.info("k2").trouble.clear();
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-16");
}

}  // namespace
}  // namespace stolon::core
