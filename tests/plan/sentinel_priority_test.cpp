// failoverPriority in the sentinel plan: elections, the first master, old masters, switchovers.
#include <gtest/gtest.h>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

void prefer(World &world, const char *keeper, int priority) {
	world.in.data.spec.keepers[KeeperUid{keeper}].failover_priority = priority;
}

TEST(SentinelPriority, DecidesAmongEqualsOnly) {
	for (const std::uint64_t k2 : {0x5000100, 0x5000101}) {
		World world = World::running();
		prefer(world, "k3", 101);
		world.open_election();
		world.vote("k2", at(1, k2));
		world.vote("k3", at(1, 0x5000100));
		EXPECT_EQ(world.plan().data.master, world.db(k2 == 0x5000100 ? "k3" : "k2"));
	}
}

TEST(SentinelPriority, ZeroNeverWinsHoweverFarItIs) {
	World world = World::running();
	prefer(world, "k3", 0);
	world.open_election();
	EXPECT_EQ(world.in.data.election->voters.size(), 2u) << "it is known where it is";
	world.vote("k2", at(1, 0x5000000));
	world.vote("k3", at(1, 0x5000900));
	const SentinelDecision decision = world.plan();
	EXPECT_EQ(decision.data.master, world.db("k2"));
	EXPECT_NE(decision.data.db_of(KeeperUid{"k3"})->uid, world.db("k3"))
	    << "it has what the winner does not have";
}

TEST(SentinelPriority, NobodyWinsWhoIsTooFarBehindAMemberThatMayNot) {
	World world = World::running();
	world.in.data.spec.max_standby_lag = 0x1000;
	prefer(world, "k3", 0);
	world.open_election();
	world.in.nodes.erase(KeeperUid{"k1"});
	world.in.infos.erase(KeeperUid{"k1"});
	world.vote("k2", at(1, 0x5000000));
	world.vote("k3", at(1, 0x5001001));
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_NE(decision.reasons.front().text.find("4097 bytes behind k3, which may not win"),
	          std::string::npos)
	    << decision.reasons.front().text;
	World close = world;
	close.vote("k3", at(1, 0x5001000));
	EXPECT_EQ(close.plan().data.master, world.db("k2"));
	World other_line = world;
	other_line.vote("k3", at(2, 0x5001001));
	EXPECT_EQ(other_line.plan().data.master, world.db("k2")) << "it is not the old master's";
	prefer(world, "k3", 1);
	EXPECT_EQ(world.plan().data.master, world.db("k3")) << "the operator lets it win";
}

TEST(SentinelPriority, ZeroIsNotWaitedFor) {
	World world = World::running();
	prefer(world, "k3", 0);
	world.open_election();
	world.info("k3").position = at(1, 0x5000900);
	world.vote("k2", at(1, 0x5000000));
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
}

TEST(SentinelPriority, AChangeDuringTheElectionCounts) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000000));
	prefer(world, "k3", 0);
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
	prefer(world, "k2", 0);
	EXPECT_EQ(rule_of(world.plan()), "S-04") << "its node is there, it is named again";
}

TEST(SentinelPriority, WithOnlyZerosTheMasterIsNotReplaced) {
	for (const bool released : {false, true}) {
		World world = World::running();
		prefer(world, "k2", 0);
		prefer(world, "k3", 0);
		if (released) {
			world.release("k1");
			const SentinelDecision decision = world.plan();
			EXPECT_EQ(rule_of(decision), "S-07");
			EXPECT_NE(decision.reasons.back().text.find("failoverPriority is 0"),
			          std::string::npos);
			continue;
		}
		world.pass(seconds(60));
		EXPECT_FALSE(world.plan().write);
		world.beat_unfit("k1");
		EXPECT_FALSE(world.plan().write);
	}
}

TEST(SentinelPriority, AnOldMasterIsNamedAgainWhateverItsPriority) {
	World world = World::running();
	prefer(world, "k1", 0);
	world.open_election();
	world.vote("k2", at(1, 0x1000000));
	world.vote("k3", at(1, 0x1000000));
	EXPECT_EQ(world.plan().data.master, world.db("k1"));
}

TEST(SentinelPriority, AMasterIsNotReplacedForItsPriority) {
	World world = World::running();
	prefer(world, "k1", 0);
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelPriority, ALateStandbyWithZeroIsAskedOnlyBesideOthers) {
	World world = World::running();
	prefer(world, "k3", 0);
	const KeeperInfo away = world.info("k3");
	world.in.infos.erase(KeeperUid{"k3"});
	world.open_election();
	world.vote("k2", at(1, 0x1000000));
	world.in.infos[KeeperUid{"k3"}] = away;
	EXPECT_EQ(rule_of(world.plan()), "S-04") << "not S-14";
}

TEST(SentinelPriority, ChoosesTheFirstMaster) {
	World world = World::uninitialised();
	prefer(world, "k1", 0);
	world.add_blank_node("k1");
	EXPECT_FALSE(world.plan().write);
	world.add_blank_node("k2");
	world.add_blank_node("k3");
	EXPECT_EQ(world.plan().data.master_keeper()->uid.value, "k2");
	prefer(world, "k3", 200);
	EXPECT_EQ(world.plan().data.master_keeper()->uid.value, "k3");
}

Switchover switchover_to(const char *keeper) {
	Switchover switchover;
	switchover.id = "00000000000000aa";
	switchover.to = KeeperUid{keeper};
	switchover.timeout = seconds(10);
	return switchover;
}

TEST(SentinelPriority, ZeroIsNoTargetOfASwitchover) {
	World world = World::running();
	prefer(world, "k2", 0);
	world.in.data.switchover = switchover_to("k2");
	const SentinelDecision refused = world.plan();
	EXPECT_EQ(refused.data.switchover->phase, SwitchoverPhase::Refused);
	EXPECT_NE(refused.data.switchover->reason.find("failoverPriority 0"), std::string::npos);
	world.in.data.switchover = switchover_to("");
	EXPECT_EQ(world.plan().data.switchover->target, world.db("k3"));
}

TEST(SentinelPriority, ChoosesAmongEquallyCloseTargets) {
	World world = World::running();
	prefer(world, "k3", 200);
	world.in.data.switchover = switchover_to("");
	EXPECT_EQ(world.plan().data.switchover->target, world.db("k3"));
	world.info("k3").replayed = Lsn{0x4FFFFFF};
	EXPECT_EQ(world.plan().data.switchover->target, world.db("k2"));
}

}  // namespace
}  // namespace stolon::core
