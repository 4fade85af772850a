// Everything goes down and comes back: the last master goes on, as it has at least what the others
// have, unless somebody has outlived it.
#include <gtest/gtest.h>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

/// The servers of all standbys run since before the last beat of k1.
World before_the_outage() {
	World world = World::running();
	for (const char *keeper : {"k2", "k3"})
		world.in.running_since[KeeperUid{keeper}] = world.in.now - seconds(1);
	return world;
}

/// The launcher of k1 was started and has found its server down.
void come_back(World &world) {
	const Instant last_beat = world.beat_of("k1").beaten_at;
	world.release("k1");
	BeatObservation &seen = world.beat_of("k1");
	seen.beaten_at = last_beat;
	seen.beat.found_down = true;
}

void restart(World &world, const std::string &keeper) {
	world.in.running_since[KeeperUid{keeper}] = world.in.now;
	world.info(keeper).streaming = false;
}

/// All servers were down, and all are back.
World after_the_outage() {
	World world = before_the_outage();
	world.pass(seconds(3));
	restart(world, "k2");
	restart(world, "k3");
	come_back(world);
	return world;
}

TEST(SentinelOutage, TheLastMasterGoesOnWhenAllOthersWereStartedAfterItsEnd) {
	World world = after_the_outage();
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-07");
	EXPECT_FALSE(decision.write_master);
	world.apply(decision);
	EXPECT_FALSE(world.plan().write) << "it gets time to start";
	world.pass(seconds(60));
	SentinelDecision election = world.plan();
	EXPECT_EQ(rule_of(election), "S-06") << "one chance, not more";
	world.apply(election);
	for (const char *keeper : {"k2", "k3"})
		world.vote(keeper, at(1, 0x5000000));
	EXPECT_EQ(rule_of(world.plan()), "S-03");
}

TEST(SentinelOutage, AMasterThatWaitsForTheLeaseOfItsFormerStartGetsTimeToBeat) {
	for (const bool started_again : {false, true}) {
		World world = World::running();
		Beat &last = world.beat_of("k1").beat;
		last.instance = "00000000000000a1";
		world.info("k1").instance = started_again ? "00000000000000b2" : last.instance;
		world.pass(last.valid);
		EXPECT_EQ(world.plan().write, !started_again);
		world.pass(world.in.data.spec.fail_interval);
		EXPECT_EQ(rule_of(world.plan()), "S-05") << "it has to be able to, too";
		world.in.infos.erase(KeeperUid{"k1"});
		EXPECT_EQ(rule_of(world.plan()), "S-05");
	}
}

TEST(SentinelOutage, AStandbyThatHasOutlivedTheMasterTakesOverAtOnce) {
	World world = before_the_outage();
	world.pass(seconds(3));
	restart(world, "k2");
	come_back(world);
	EXPECT_EQ(rule_of(world.plan()), "S-06");
}

TEST(SentinelOutage, AMasterWhosePostmasterCrashedAloneIsReplaced) {
	World world = after_the_outage();
	world.beat_of("k1").beat.found_down = false;
	EXPECT_EQ(rule_of(world.plan()), "S-06");
}

TEST(SentinelOutage, AnUnfitMasterIsReplacedByWhoeverIsThere) {
	World world = after_the_outage();
	world.beat_of("k1").beat.unfit = "the disk is full";
	EXPECT_EQ(rule_of(world.plan()), "S-06");
}

TEST(SentinelOutage, TheOldMasterIsNamedAgainWhenThoseWhoSeemedToBeThereWereDownAsWell) {
	World world = before_the_outage();
	world.pass(milliseconds(500));
	come_back(world);
	SentinelDecision decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-06");
	world.apply(decision);
	for (const char *keeper : {"k2", "k3"}) {
		restart(world, keeper);
		world.vote(keeper, at(1, 0x5000000));
	}
	decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-04");
	EXPECT_EQ(decision.data.master, World::db("k1"));
	EXPECT_EQ(decision.data.epoch, world.in.data.epoch.next());
	EXPECT_TRUE(decision.data.resume.has_value()) << "it may start again";
}

TEST(SentinelOutage, OneVoterThatHasOutlivedTheMasterMakesItAnElectionAsUsual) {
	World world = before_the_outage();
	world.pass(milliseconds(500));
	come_back(world);
	world.apply(world.plan());
	restart(world, "k2");
	world.vote("k2", at(1, 0x5000000));
	world.vote("k3", at(1, 0x5000000));
	const SentinelDecision decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-03");
}

TEST(SentinelOutage, WithoutTheOldMasterTheOthersGoOn) {
	World world = before_the_outage();
	world.pass(milliseconds(500));
	come_back(world);
	world.apply(world.plan());
	for (const char *keeper : {"k2", "k3"}) {
		restart(world, keeper);
		world.vote(keeper, at(1, 0x5000000));
	}
	world.vanish("k1");
	EXPECT_EQ(rule_of(world.plan()), "S-03");
}

}  // namespace
}  // namespace stolon::core
