// The sentinel plan opens elections: S-05, S-06, S-07, S-08, and who is asked.
#include <gtest/gtest.h>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

TEST(SentinelExpiry, ABeatIsExpiredExactlyAtItsOwnValidity) {
	World world = World::running();
	world.in.beats.at(KeeperUid{"k1"}).beat.valid = seconds(3);
	world.in.data.spec.fail_interval = seconds(60);
	world.pass(seconds(3) - Duration(1));
	SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_EQ(decision.wake_at, world.in.now + Duration(1));
	world.pass(Duration(1));
	decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-05");
	EXPECT_TRUE(decision.write_master);
	EXPECT_EQ(decision.guard_beat_of, KeeperUid{"k1"});
	EXPECT_EQ(decision.guard_beat_revision, world.in.beats.at(KeeperUid{"k1"}).mod_revision);
	EXPECT_EQ(decision.data.epoch, world.in.data.epoch.next());
	EXPECT_TRUE(decision.data.master.empty());
	ASSERT_TRUE(decision.data.election.has_value());
	EXPECT_EQ(decision.data.election->epoch, decision.data.epoch);
	EXPECT_EQ(decision.data.election->old_master, world.db("k1"));
	EXPECT_EQ(decision.data.election->last_known, at(1, 0x5000000));
	EXPECT_EQ(decision.data.election->voters, (std::vector<DbUid>{world.db("k2"), world.db("k3")}));
	EXPECT_EQ(decision.data.generation, world.in.data.generation + 1);
}

TEST(SentinelExpiry, AStoreOutageIsNotTheMastersDeath) {  // E-4
	World world = World::running();
	world.pass(seconds(60));
	world.in.contact_since = world.in.now;
	EXPECT_FALSE(world.plan().write);
	world.pass(seconds(5) - Duration(1));
	EXPECT_FALSE(world.plan().write);
	world.pass(Duration(1));
	EXPECT_TRUE(world.plan().write);
}

TEST(SentinelExpiry, WithoutAnyContactNothingExpiresAndNothingWraps) {
	World world = World::running();
	world.in.contact_since = Instant{Duration::max()};
	world.pass(seconds(100000));
	SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	world.in.beats.clear();
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelExpiry, ABeatWithAnUnbelievablyShortValidityIsNotExpiredAtOnce) {
	World world = World::running();
	world.in.beats.at(KeeperUid{"k1"}).beat.valid = Duration(0);
	world.pass(seconds(1) - Duration(1));
	EXPECT_FALSE(world.plan().write);
	world.pass(Duration(1));
	EXPECT_TRUE(world.plan().write);
}

TEST(SentinelExpiry, NobodyEligibleLeavesTheMasterNamed) {
	World world = World::running();
	world.in.infos.erase(KeeperUid{"k2"});
	world.in.infos.erase(KeeperUid{"k3"});
	world.pass(seconds(3600));
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	ASSERT_FALSE(decision.reasons.empty());
	EXPECT_EQ(decision.reasons.front().rule, "S-05");
	EXPECT_FALSE(decision.wake_at.has_value()) << "only an observation can change this";
}

TEST(SentinelExpiry, AWinnerThatNeverBeatIsReplacedAfterItsGrace) {
	World world = World::running();
	world.elect_and_name("k2");
	world.vanish("k1");
	world.pass(seconds(10) - Duration(1));
	EXPECT_FALSE(world.plan().write);
	world.pass(Duration(1));
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-08");
	EXPECT_EQ(decision.guard_beat_of, KeeperUid{"k2"});
	EXPECT_EQ(decision.guard_beat_revision, 0) << "no beat of it may exist";
	EXPECT_EQ(decision.data.election->last_known, at(1, 0x5000000))
	    << "the vote that it was named with";
	EXPECT_EQ(decision.data.election->voters, std::vector<DbUid>{world.db("k3")});
}

TEST(SentinelExpiry, ABeatOfAnEarlierEpochOfTheSameKeeperDoesNotCountForTheWinner) {
	World world = World::running();
	BeatObservation old;
	old.beat.db = DbUid{"0000aaaa"};
	old.beat.epoch = Epoch{1};
	old.beat.valid = seconds(5);
	old.beat.released = true;
	old.mod_revision = 17;
	old.seen_at = Instant{seconds(900)};
	world.in.beats[KeeperUid{"k2"}] = old;
	world.elect_and_name("k2");
	EXPECT_FALSE(world.plan().write && rule_of(world.plan()) != "S-09");
	world.pass(seconds(10));
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-08");
	EXPECT_EQ(decision.guard_beat_revision, 17);
}

TEST(SentinelExpiry, SomethingElsePutOverTheMastersBeatDoesNotShortenItsValidity) {
	World world = World::running();
	world.in.beats.at(KeeperUid{"k1"}).beat.epoch = Epoch{1};
	EXPECT_FALSE(world.plan().write);
	world.pass(seconds(10) - Duration(1));
	EXPECT_FALSE(world.plan().write);
	world.pass(Duration(1));
	EXPECT_EQ(rule_of(world.plan()), "S-08");
}

TEST(SentinelExpiry, ABeatUnderAnOtherMasterRevisionIsWaitedOutForLonger) {
	World world = World::running();
	world.in.master_revision += 5;  // somebody rewrote the key
	world.in.beats.at(KeeperUid{"k1"}).beat.valid = seconds(30);
	world.pass(seconds(40) - Duration(1));
	EXPECT_FALSE(world.plan().write);
	world.pass(Duration(1));
	EXPECT_TRUE(world.plan().write);
}

TEST(SentinelRelease, AnElectionIsOpenedAtOnceAndGuardedByTheRelease) {
	World world = World::running();
	world.release("k1");
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-06");
	EXPECT_TRUE(decision.write_master);
	EXPECT_EQ(decision.guard_beat_of, KeeperUid{"k1"});
	EXPECT_EQ(decision.guard_beat_revision, world.in.beats.at(KeeperUid{"k1"}).mod_revision);
}

TEST(SentinelRelease, AReleaseOfAnotherEpochOrDbIsNobodysRelease) {
	World world = World::running();
	world.release("k1");
	World other_epoch = world;
	other_epoch.in.beats.at(KeeperUid{"k1"}).beat.epoch = Epoch{99};
	EXPECT_FALSE(other_epoch.plan().write);
	World other_db = world;
	other_db.in.beats.at(KeeperUid{"k1"}).beat.db = DbUid{"0000aaaa"};
	EXPECT_FALSE(other_db.plan().write);
	World standby = World::running();
	standby.release("k2");
	EXPECT_FALSE(standby.plan().write);
}

TEST(SentinelRelease, WithoutAnybodyEligibleARestartInPlaceIsPermittedOncePerRelease) {
	World world = World::running();
	world.vanish("k2");
	world.vanish("k3");
	world.release("k1");
	SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-07");
	EXPECT_FALSE(decision.write_master);
	ASSERT_TRUE(decision.data.resume.has_value());
	EXPECT_EQ(decision.data.resume->db, world.db("k1"));
	const auto revision = world.in.beats.at(KeeperUid{"k1"}).mod_revision;
	EXPECT_EQ(decision.data.resume->beat_revision, revision);
	EXPECT_EQ(decision.guard_beat_revision, revision);
	world.apply(decision);
	EXPECT_FALSE(world.plan().write) << "once is enough";
	world.pass(seconds(3600));
	EXPECT_FALSE(world.plan().write);
	world.release("k1");
	decision = world.plan();
	ASSERT_TRUE(decision.write) << "a second crash needs a second permit";
	EXPECT_NE(decision.data.resume->beat_revision, revision);
}

namespace {

World restarting_world() {
	World world = World::running();
	world.in.data.spec.on_master_crash = OnMasterCrash::Restart;
	return world;
}

}  // namespace

TEST(SentinelOnMasterCrash, RestartIsPreferredToAFailover) {
	World world = restarting_world();
	world.release("k1");
	SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-07");
	ASSERT_TRUE(decision.data.resume.has_value());
	EXPECT_EQ(decision.data.resume->beat_revision, decision.guard_beat_revision);
	ASSERT_TRUE(decision.event.has_value());
	EXPECT_EQ(decision.event->kind, "restart");
	world.apply(decision);
	decision = world.plan();
	EXPECT_FALSE(decision.write);
	ASSERT_TRUE(decision.wake_at.has_value());
	world.in.now = *decision.wake_at;
	EXPECT_EQ(rule_of(world.plan()), "S-06") << "the start takes too long";
}

TEST(SentinelOnMasterCrash, ASecondCrashSoonAfterLeadsToAFailover) {
	World world = restarting_world();
	world.release("k1");
	world.apply(world.plan());
	world.beat("k1", at(1, 0x5000000));
	world.pass(seconds(59));
	world.beat("k1", at(1, 0x5000000));
	World later = world;
	world.release("k1");
	EXPECT_EQ(rule_of(world.plan()), "S-06");
	later.pass(seconds(1));
	later.release("k1");
	EXPECT_EQ(rule_of(later.plan()), "S-07");
}

TEST(SentinelOnMasterCrash, APermitThatDidNotHelpLeadsToAFailoverHoweverLateThatShows) {
	World slow = restarting_world();
	slow.in.data.spec.fail_interval = seconds(40);
	slow.release("k1");
	slow.apply(slow.plan());
	const auto until = slow.plan().wake_at;
	ASSERT_TRUE(until.has_value());
	slow.in.now = *until;
	EXPECT_EQ(rule_of(slow.plan()), "S-06")
	    << "its time was longer than the pause between restarts";

	World alone = restarting_world();
	const World before = alone;
	alone.vanish("k2");
	alone.vanish("k3");
	alone.release("k1");
	alone.apply(alone.plan());
	alone.pass(seconds(300));
	EXPECT_FALSE(alone.plan().write);
	alone.in.infos = before.in.infos;
	EXPECT_EQ(rule_of(alone.plan()), "S-06") << "somebody has come";
}

TEST(SentinelOnMasterCrash, WhatIsNoCrashOfAFitServerLeadsToAFailover) {
	World stopped = restarting_world();
	stopped.release("k1");
	World unfit = stopped, recovering = stopped, away = stopped;
	stopped.beat_of("k1").beat.clean = true;
	EXPECT_EQ(rule_of(stopped.plan()), "S-06");
	unfit.beat_of("k1").beat.unfit = "the disk is full";
	EXPECT_EQ(rule_of(unfit.plan()), "S-06");
	recovering.beat_of("k1").beat.writable = false;
	EXPECT_EQ(rule_of(recovering.plan()), "S-06");
	away.in.nodes.erase(KeeperUid{"k1"});
	EXPECT_EQ(rule_of(away.plan()), "S-06") << "its launcher has left with it";
}

TEST(SentinelRelease, AStandbyThatComesDuringTheRestartWaitsItsGraceOut) {
	World world = World::running();
	World away = world;
	world.vanish("k2");
	world.vanish("k3");
	world.release("k1");
	world.apply(world.plan());
	world.in.infos = away.in.infos;
	SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	ASSERT_TRUE(decision.wake_at.has_value());
	world.in.now = *decision.wake_at;
	decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-06");
	EXPECT_FALSE(decision.data.resume.has_value()) << "the permit ends with the election";
}

TEST(SentinelRelease, AHostThatWentAwayGetsNoGrace) {
	World world = World::running();
	World away = world;
	world.vanish("k2");
	world.vanish("k3");
	world.release("k1");
	world.apply(world.plan());
	world.in.infos = away.in.infos;
	world.in.nodes.erase(KeeperUid{"k1"});
	EXPECT_EQ(rule_of(world.plan()), "S-06");
}

TEST(SentinelElectorate, OnlyRunningStandbysOfTheCurrentIncarnationAreAsked) {
	struct Case {
		const char *what;
		void (*change)(KeeperInfo &);
	};
	const Case cases[] = {
	    {"another incarnation", [](KeeperInfo &info) { info.db = DbUid{"0000bbbb"}; }},
	    {"a primary", [](KeeperInfo &info) { info.role = PgRole::Primary; }},
	    {"unknown role", [](KeeperInfo &info) { info.role = PgRole::Unknown; }},
	    {"no position", [](KeeperInfo &info) { info.position = {}; }},
	    {"hopeless without an upstream",
	     [](KeeperInfo &info) {
		     info.streaming = false;
		     info.position.lsn = Lsn{0x5000000 - (1024 * 1024) - 1};
	     }},
	};
	for (const auto &test : cases) {
		World world = World::running();
		test.change(world.info("k2"));
		world.release("k1");
		const SentinelDecision decision = world.plan();
		ASSERT_TRUE(decision.write) << test.what;
		EXPECT_EQ(decision.data.election->voters, std::vector<DbUid>{world.db("k3")}) << test.what;
	}
}

TEST(SentinelElectorate, LagAsLastPublishedDoesNotExcludeAStreamingStandby) {
	World world = World::running();
	world.info("k2").position.lsn = Lsn{0x1000000};
	world.release("k1");
	EXPECT_EQ(world.plan().data.election->voters.size(), 2u);
}

}  // namespace
}  // namespace stolon::core
