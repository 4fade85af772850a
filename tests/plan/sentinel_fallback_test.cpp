// The sentinel plan when nobody may win: S-04 and S-14.
#include <gtest/gtest.h>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

TEST(SentinelFallback, TheOldMasterIsNamedAgainInAFreshEpoch) {
	World world = World::running();
	world.release("k1");
	const auto released = world.in.beats.at(KeeperUid{"k1"}).mod_revision;
	world.open_election();
	world.vote("k2", at(1, 0x1000000));
	world.vote("k3", at(1, 0x1000000));
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-04");
	EXPECT_TRUE(decision.write_master);
	EXPECT_EQ(decision.data.epoch, world.in.data.epoch.next());
	EXPECT_EQ(decision.data.master, world.db("k1"));
	EXPECT_FALSE(decision.data.election.has_value());
	EXPECT_EQ(decision.data.named_at, at(1, 0x5000000));
	EXPECT_EQ(decision.data.resume, (ResumePermit{world.db("k1"), released}));
	EXPECT_NE(decision.data.find_db(world.db("k1")), nullptr) << "the same incarnation";
	ASSERT_TRUE(decision.event.has_value());
	EXPECT_EQ(decision.event->kind, "resume");
}

TEST(SentinelFallback, NotBeforeItsDataAreAtHand) {
	World world = World::running();
	world.open_election();
	world.in.nodes.erase(KeeperUid{"k1"});
	world.in.infos.erase(KeeperUid{"k1"});
	world.vote("k2", at(1, 0x1000000));
	world.vote("k3", at(1, 0x1000000));
	EXPECT_FALSE(world.plan().write);
	world.pass(seconds(3600));
	EXPECT_FALSE(world.plan().write);
	World empty = world;
	empty.add_blank_node("k1");
	EXPECT_FALSE(empty.plan().write) << "its host is back, its data are not";
	World other = world;
	other.add_blank_node("k1");
	other.node("k1").db = world.db("k1");
	other.node("k1").system_id = "7999999999999999999";
	EXPECT_FALSE(other.plan().write) << "another cluster's data";
	world.add_blank_node("k1");
	world.node("k1").db = world.db("k1");
	world.node("k1").phase = NodePhase::Refusing;
	EXPECT_FALSE(world.plan().write) << "its launcher will not start them";
	world.node("k1").phase = NodePhase::Stopped;
	EXPECT_EQ(rule_of(world.plan()), "S-04");
}

TEST(SentinelFallback, ASilentStandbyThatIsPresentGetsUpToFailInterval) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x1000000));
	world.pass(seconds(5) - Duration(1));
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_EQ(decision.wake_at, world.in.now + Duration(1));
	World late = world;
	late.vote("k3", at(1, 0x5000000));
	EXPECT_EQ(late.plan().data.master, world.db("k3"));
	world.pass(Duration(1));
	EXPECT_EQ(rule_of(world.plan()), "S-04");
}

TEST(SentinelFallback, AVoteThatComesDuringTheWaitForTheOldMasterWins) {
	World world = World::running();
	world.open_election();
	world.in.nodes.erase(KeeperUid{"k1"});
	world.in.infos.erase(KeeperUid{"k1"});
	world.pass(seconds(100));
	EXPECT_FALSE(world.plan().write);
	world.vote("k3", at(1, 0x5000000));
	EXPECT_EQ(world.plan().data.master, world.db("k3"));
}

TEST(SentinelFallback, AStandbyThatComesLateIsAskedBeforeTheElectionIsGivenUp) {
	World world = World::running();
	const KeeperInfo away = world.info("k3");
	world.in.infos.erase(KeeperUid{"k3"});
	world.open_election();
	world.vote("k2", at(1, 0x1000000));
	world.in.infos[KeeperUid{"k3"}] = away;
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-14");
	EXPECT_FALSE(decision.write_master);
	EXPECT_EQ(decision.data.epoch, world.in.data.epoch);
	EXPECT_EQ(decision.data.election->voters.size(), 2u);
	world.apply(decision);
	EXPECT_FALSE(world.plan().write);
	world.vote("k3", at(1, 0x5000000));
	EXPECT_EQ(world.plan().data.master, world.db("k3"));
}

TEST(SentinelFallback, VotesOfTheGivenUpElectionNeverCountAgain) {
	World world = World::running();
	world.release("k1");
	world.open_election();
	world.vote("k2", at(1, 0x1000000));
	world.vote("k3", at(1, 0x1000000));
	world.apply(world.plan());
	world.pass(seconds(20));
	EXPECT_FALSE(world.plan().write) << "without an upstream they get no closer: no new election";
	world.info("k2").streaming = true;
	SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-08");
	world.apply(decision);
	decision = world.plan();
	EXPECT_FALSE(decision.write) << "the votes are of an older epoch";
}

}  // namespace
}  // namespace stolon::core
