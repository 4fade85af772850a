// Copies that are not whole yet (cloned, or rewound, and without the WAL that makes them
// consistent): they could never be promoted, so nothing may rest on them. S-05 to S-07, S-13, S-14,
// S-17.
#include <gtest/gtest.h>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

/// k2 was rewound and runs as a standby that nobody can connect to yet.
World with_half_a_copy() {
	World world = World::running();
	world.in.data.dbs.at(World::db("k2")).init = DbInit::Resync;
	world.info("k2").inconsistent = true;
	return world;
}

TEST(SentinelCopies, OneThatIsNotWholeIsNoStandbyYet) {  // S-13
	World world = with_half_a_copy();
	EXPECT_FALSE(world.plan().write);
	EXPECT_FALSE(world.info("k2").is_well(World::db("k1")));
	world.info("k2").inconsistent = false;
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-13");
}

TEST(SentinelCopies, TheMasterStaysNamedWhenNobodyElseIsThere) {
	World world = with_half_a_copy();
	world.vanish("k3");
	World crashed = world;
	world.vanish("k1");
	world.pass(seconds(3600));
	SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_EQ(decision.reasons.front().rule, "S-05");
	EXPECT_NE(decision.reasons.front().text.find("not whole"), std::string::npos);
	crashed.release("k1");
	EXPECT_EQ(rule_of(crashed.plan()), "S-07") << "it starts again in place";
}

TEST(SentinelCopies, OneThatBecomesWholeMayWin) {
	World world = with_half_a_copy();
	world.release("k1");
	world.apply(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
	EXPECT_EQ(world.in.data.election->voters, std::vector<DbUid>{World::db("k3")});
	world.vote("k3", at(1, 0x4FFFF00));
	World other = world;
	EXPECT_EQ(world.plan().data.master, World::db("k3")) << "the half copy is not waited for";
	other.info("k2").inconsistent = false;
	EXPECT_EQ(rule_of(other.plan()), "S-14") << "it has more";
}

TEST(SentinelCopies, AStandbyThatWasWholeOnceIsAskedAndWaitedForWhileItReplays) {
	World world = World::running();
	world.info("k2").inconsistent = true;
	world.vanish("k3");
	world.open_election();
	EXPECT_EQ(world.in.data.election->voters, std::vector<DbUid>{World::db("k2")});
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_NE(decision.reasons.front().text.find("consistent"), std::string::npos);
}

TEST(SentinelCopies, OneThatNeverBecomesWholeIsMadeAnew) {  // S-17
	for (const bool stays_up : {true, false}) {
		World world = with_half_a_copy();
		world.vanish("k3");
		world.info("k2").streaming = false;
		world.info("k2").upstream = {};
		world.info("k2").trouble = "requested WAL segment has already been removed";
		world.in.standstill_since[KeeperUid{"k2"}] = world.in.now;
		if (!stays_up) {
			world.in.infos.erase(KeeperUid{"k2"});
			world.node("k2").phase = NodePhase::Stopped;
			world.node("k2").last_exit = "exit code 1";
		}
		world.pass(seconds(60));
		world.beat("k1", at(1, 0x5000000));
		const SentinelDecision decision = world.plan();
		ASSERT_TRUE(decision.write) << stays_up;
		EXPECT_EQ(rule_of(decision), "S-17");
		World made = world;
		made.node("k2").phase = NodePhase::Cloning;
		made.node("k2").db = DbUid{"0000abcd"};
		made.in.infos.erase(KeeperUid{"k2"});
		EXPECT_FALSE(made.plan().write) << "its launcher is at work";
	}
}

}  // namespace
}  // namespace stolon::core
