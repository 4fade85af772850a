// The sentinel plan replaces a master that says it is unfit (S-16): by whom, when, and that nobody
// is asked or named while the old lease may run.
#include <gtest/gtest.h>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

/// k1 has said that it is unfit, and the election of epoch 4 was opened 2 s after that beat.
World unfit_and_opened() {
	World world = World::running();
	world.beat_unfit("k1");
	world.pass(seconds(2));
	world.apply(world.plan());
	return world;
}

TEST(SentinelUnfit, AnElectionIsOpenedWhileTheLeaseRuns) {
	World world = World::running();
	world.beat_unfit("k1");
	world.pass(seconds(2));
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-16");
	EXPECT_NE(decision.reasons.back().text.find("WAL flushes hang"), std::string::npos);
	EXPECT_TRUE(decision.write_master) << "or its next beats would be put";
	EXPECT_EQ(decision.guard_beat_of, KeeperUid{"k1"});
	EXPECT_EQ(decision.guard_beat_revision, world.beat_of("k1").mod_revision);
	EXPECT_TRUE(decision.data.master.empty());
	ASSERT_TRUE(decision.data.election.has_value());
	EXPECT_EQ(decision.data.election->lease_runs_for, seconds(5))
	    << "its validity, not what is left";
	EXPECT_EQ(decision.data.election->last_known, at(1, 0x5000000));
	EXPECT_TRUE(decision.data.election->voters.empty())
	    << "whoever freezes now would not receive what is still acknowledged";
}

TEST(SentinelUnfit, AFitBeatChangesNothing) {
	World world = World::running();
	world.beat_unfit("k1");
	world.beat("k1", at(1, 0x5000000));
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_TRUE(decision.reasons.empty());
}

TEST(SentinelUnfit, NobodyIsAskedOrNamedBeforeTheLeaseIsOver) {
	World world = unfit_and_opened();
	for (const char *name : {"k2", "k3"}) {
		world.vote(name, at(1, 0x5000000));
	}
	const Instant over_at = world.beat_of("k1").seen_at + seconds(5);
	SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-03");
	EXPECT_EQ(decision.wake_at, over_at);
	world.in.data.election->voters = {world.db("k2"), world.db("k3")};
	world.in.now = over_at - Duration(1);
	decision = world.plan();
	EXPECT_FALSE(decision.write) << "nor are votes counted that are there already";
	EXPECT_EQ(decision.wake_at, over_at);
	world.in.now = over_at;
	decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(decision.data.master, world.db("k2"));
}

TEST(SentinelUnfit, WhenTheLeaseIsOverTheStandbysAreAskedAndOneIsNamed) {
	World world = unfit_and_opened();
	world.pass(seconds(3));
	SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-14");
	EXPECT_FALSE(decision.write_master);
	EXPECT_EQ(decision.data.election->voters, (std::vector<DbUid>{world.db("k2"), world.db("k3")}));
	world.apply(decision);
	world.vote("k2", at(1, 0x5000100));
	world.vote("k3", at(1, 0x5000200));
	world.pass(milliseconds(20));
	decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-03");
	EXPECT_EQ(decision.data.master, world.db("k3"));
	ASSERT_TRUE(decision.event.has_value());
	EXPECT_EQ(decision.event->duration_ms, 3020) << "from the opening, not from the asking";
}

TEST(SentinelUnfit, AYieldEndsTheWaiting) {
	World world = unfit_and_opened();
	world.yield("k1");
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-14");
}

TEST(SentinelUnfit, AReleaseEndsTheWaiting) {
	World world = unfit_and_opened();
	world.beat_of("k1").beat.released = true;
	EXPECT_EQ(rule_of(world.plan()), "S-14");
}

TEST(SentinelUnfit, AYieldOfSomebodyElseEndsNothing) {
	World world = unfit_and_opened();
	world.yield("k1");
	world.beat_of("k1").beat.db = DbUid{"0000ffff"};
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_EQ(decision.wake_at, world.in.data_seen_at + seconds(5));
}

TEST(SentinelUnfit, ALeaderThatNeverSawTheLastBeatWaitsFromTheOpening) {
	World world = unfit_and_opened();
	world.in.beats.clear();
	EXPECT_EQ(world.plan().wake_at, world.in.data_seen_at + seconds(5));
	world.pass(seconds(5) - Duration(1));
	EXPECT_FALSE(world.plan().write);
	world.pass(Duration(1));
	EXPECT_TRUE(world.plan().write);
}

TEST(SentinelUnfit, ALeaderThatSawTheLastBeatLaterWaitsFromThere) {
	World world = unfit_and_opened();
	world.pass(seconds(1));
	world.beat_of("k1").seen_at = world.in.now;
	EXPECT_EQ(world.plan().wake_at, world.in.now + seconds(5));
}

TEST(SentinelUnfit, AnElectionWithoutAWordOnTheLeaseWaitsForTheLongestOne) {
	World world = unfit_and_opened();
	world.in.data.election->lease_runs_for = SpecLimits::max_fail_interval;
	EXPECT_EQ(world.plan().wake_at, world.beat_of("k1").seen_at + SpecLimits::max_fail_interval);
}

TEST(SentinelUnfit, TheOldMasterIsNamedAgainWhenNobodyCanWinAndGetsSomeTime) {
	World world = unfit_and_opened();
	world.yield("k1");
	world.apply(world.plan());
	for (const char *name : {"k2", "k3"}) {
		world.vote(name, at(1, 0x1000));
	}
	SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-04");
	EXPECT_EQ(decision.data.master, world.db("k1"));
	EXPECT_EQ(decision.data.epoch, Epoch{5});
	EXPECT_FALSE(decision.data.resume.has_value()) << "its processes live: nothing to start again";
	world.apply(decision);

	for (const char *name : {"k2", "k3"}) {
		world.info(name).vote.reset();
		world.info(name).streaming = true;
		world.info(name).position = at(1, 0x5000000);
	}
	world.beat_unfit("k1");
	decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_EQ(decision.reasons.front().rule, "S-16");
	EXPECT_EQ(decision.wake_at, world.in.now + seconds(5)) << "when this beat expires";
	world.pass(seconds(8));
	world.beat_unfit("k1");
	EXPECT_EQ(world.plan().wake_at, world.in.master_seen_at + seconds(10));
	world.pass(seconds(2) - Duration(1));
	EXPECT_FALSE(world.plan().write);
	world.pass(Duration(1));
	EXPECT_EQ(rule_of(world.plan()), "S-16");
	EXPECT_TRUE(world.plan().write);
}

TEST(SentinelUnfit, WithoutContactNothingIsDecided) {
	World world = World::running();
	world.in.contact_since = Instant{Duration::max()};
	world.beat_unfit("k1");
	EXPECT_FALSE(world.plan().write);
	world.in.contact_since = world.in.now - seconds(10);
	EXPECT_TRUE(world.plan().write);
}

TEST(SentinelUnfit, NobodyCloseLeavesItMasterAndSaysWhy) {
	World world = World::running();
	world.beat_unfit("k1");
	world.vanish("k3");
	world.info("k2").streaming = false;
	world.info("k2").position = at(1, 0x4700000);
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	ASSERT_FALSE(decision.reasons.empty());
	EXPECT_EQ(decision.reasons.front().rule, "S-16");
	const std::string &text = decision.reasons.front().text;
	EXPECT_NE(text.find("00000002 on k2: it neither keeps up"), std::string::npos);
	EXPECT_NE(text.find("00000003 on k3: its keeper is not present"), std::string::npos);
	EXPECT_EQ(decision.wake_at, world.in.now + seconds(5));
	world.pass(seconds(1));
	world.beat_unfit("k1", at(1, 0x5000100));
	world.beat_of("k1").beat.unfit += " still";
	EXPECT_EQ(world.plan().reasons.front().text, text) << "each change of it is a line in the log";
}

struct Follower {
	const char *what;
	bool streaming;
	const char *upstream;
	WalPosition position;
	bool close;
};

TEST(SentinelUnfit, OnlyAStandbyThatFollowsCloselyIsWorthIt) {
	const std::uint64_t lag = ClusterSpec().max_standby_lag;
	const Follower cases[] = {
	    {"it streams", true, "00000001", at(1, 0x5000000), true},
	    {"it streams; positions are published seldom", true, "00000001", at(1, 0x1000), true},
	    {"its upstream is gone, it has nearly everything", false, "", at(1, 0x5000000 - lag), true},
	    {"its upstream is gone, it has too little", false, "", at(1, 0x5000000 - lag - 1), false},
	    {"it is elsewhere", false, "", at(2, 0x5000000), false},
	    {"it streams from somebody else", true, "00000003", at(2, 0x5000000), false},
	};
	for (const Follower &follower : cases) {
		World world = World::running();
		world.vanish("k3");
		world.info("k2").streaming = follower.streaming;
		world.info("k2").upstream = DbUid{follower.upstream};
		world.info("k2").position = follower.position;
		world.beat_unfit("k1");
		EXPECT_EQ(world.plan().data.election.has_value(), follower.close) << follower.what;
	}
}

TEST(SentinelUnfit, AStandbyThatIsUnfitTooIsNotWorthIt) {
	World world = World::running();
	world.vanish("k3");
	world.info("k2").unfit = "its disk is full";
	world.beat_unfit("k1");
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	ASSERT_FALSE(decision.reasons.empty());
	EXPECT_NE(decision.reasons.front().text.find("it is unfit, too: its disk is full"),
	          std::string::npos);
}

TEST(SentinelUnfit, AnotherUnfitOneDoesNotTakeItsPlaceWhileAFitOneMay) {
	for (const bool fit_one_is_close : {true, false}) {
		World world = unfit_and_opened();
		world.yield("k1");
		world.apply(world.plan());
		world.info("k2").unfit = "its disk is full";
		world.vote("k2", at(1, 0x5000200));
		world.vote("k3", at(1, fit_one_is_close ? 0x5000100 : 0x1000));
		EXPECT_EQ(world.plan().data.master, world.db(fit_one_is_close ? "k3" : "k2"));
	}
}

TEST(SentinelUnfit, WhatAMasterInRecoveryTellsIsNotHowFarItHadCome) {
	World world = World::running();
	world.vanish("k3");
	world.info("k2").streaming = false;
	world.info("k2").position = at(1, 0x2000000);
	world.beat_unfit("k1", at(1, 0x2000000));
	world.beat_of("k1").beat.writable = false;
	world.beat_of("k1").furthest = at(1, 0x5000000);
	EXPECT_EQ(rule_of(world.plan()), "S-26") << "no election: 48 MiB would be lost";
	// A sentinel that did not see those beats knows at least where it was named.
	world.beat_of("k1").furthest = {};
	world.in.data.named_at = at(1, 0x4000000);
	EXPECT_FALSE(world.plan().write);
	world.info("k2").position = at(1, 0x4000000);
	EXPECT_EQ(world.plan().data.election->last_known, at(1, 0x4000000));
}

TEST(SentinelUnfit, ItsExpiryAndItsReleaseOpenAsEver) {
	World expired = World::running();
	expired.beat_unfit("k1");
	expired.in.master_seen_at = expired.in.now;
	expired.pass(seconds(5));
	SentinelDecision decision = expired.plan();
	EXPECT_EQ(rule_of(decision), "S-05");
	EXPECT_EQ(decision.data.election->lease_runs_for, Duration(0));
	EXPECT_EQ(decision.data.election->voters.size(), 2u);

	World released = World::running();
	released.release("k1");
	released.beat_of("k1").beat.unfit = "WAL flushes hang";
	decision = released.plan();
	EXPECT_EQ(rule_of(decision), "S-06");
	EXPECT_EQ(decision.data.election->lease_runs_for, Duration(0));
	EXPECT_EQ(decision.data.election->voters.size(), 2u);
}

TEST(SentinelUnfit, ALeaseOfAnEarlierTermIsWaitedForToo) {
	World world = World::running();
	// Named again (S-04) it does not beat; its last beat is of the term before and long valid.
	world.beat_of("k1").beat.epoch = Epoch{1};
	world.beat_of("k1").beat.valid = seconds(60);
	world.in.master_seen_at = world.in.now;
	world.pass(seconds(10));
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-08");
	EXPECT_EQ(decision.data.election->lease_runs_for, seconds(60));
	world.apply(decision);
	EXPECT_EQ(world.plan().wake_at, world.beat_of("k1").seen_at + seconds(60));
}

TEST(SentinelUnfit, TheFirstMasterCannotBeReplaced) {
	World world = World::running();
	world.in.data.phase = ClusterPhase::Initializing;
	world.beat_unfit("k1");
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write && decision.data.election);
}

}  // namespace
}  // namespace stolon::core
