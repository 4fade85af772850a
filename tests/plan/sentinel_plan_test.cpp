// The sentinel plan: every rule fires, does not fire, and holds at its boundaries.
#include "core/plan/sentinel_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

// ---------------------------------------------------------------- S-01, S-02: the first master

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

// ---------------------------------------------------------------- S-05, S-08: expiry

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

// ---------------------------------------------------------------- S-06, S-07: release

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

// ---------------------------------------------------------------- who may vote

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

// ---------------------------------------------------------------- S-03: deciding

TEST(SentinelDecision, TheMostAdvancedWinsAndEverythingFollowsIt) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000100));
	EXPECT_FALSE(world.plan().write) << "k3 has not voted";
	world.vote("k3", at(1, 0x5000101));
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-03");
	EXPECT_TRUE(decision.write_master);
	EXPECT_EQ(decision.data.epoch, world.in.data.epoch) << "named in the election's epoch";
	EXPECT_FALSE(decision.data.election.has_value());
	EXPECT_EQ(decision.data.master, world.db("k3"));
	EXPECT_EQ(decision.data.named_at, at(1, 0x5000101));
	const Db *winner = decision.data.find_db(world.db("k3"));
	EXPECT_EQ(winner->init, DbInit::None);
	EXPECT_TRUE(winner->follow.empty());
	EXPECT_EQ(winner->generation, decision.data.generation);
	const Db *other = decision.data.find_db(world.db("k2"));
	EXPECT_EQ(other->follow, world.db("k3"));
	EXPECT_EQ(other->generation, decision.data.generation);
	// The old master's keeper has a new incarnation, and the old one is forgotten.
	EXPECT_EQ(decision.data.find_db(world.db("k1")), nullptr);
	const Db *fresh = decision.data.db_of(KeeperUid{"k1"});
	ASSERT_NE(fresh, nullptr);
	EXPECT_EQ(fresh->init, DbInit::Resync);
	EXPECT_EQ(fresh->follow, world.db("k3"));
	ASSERT_TRUE(decision.event.has_value());
	EXPECT_EQ(decision.event->kind, "failover");
	EXPECT_EQ(decision.event->from.value, "k1");
	EXPECT_EQ(decision.event->to.value, "k3");
	EXPECT_EQ(decision.event->last_known, at(1, 0x5000000));
	EXPECT_EQ(decision.event->chosen, at(1, 0x5000101));
}

TEST(SentinelDecision, TheOrderOfArrivalDoesNotMatter) {
	const std::vector<std::pair<const char *, Lsn>> votes = {{"k2", Lsn{0x5000300}},
	                                                         {"k3", Lsn{0x5000200}}};
	for (const bool reversed : {false, true}) {
		World world = World::running();
		world.open_election();
		auto order = votes;
		if (reversed) {
			std::reverse(order.begin(), order.end());
		}
		for (const auto &[keeper, lsn] : order) {
			EXPECT_FALSE(world.plan().write);
			world.vote(keeper, {Timeline{1}, lsn});
		}
		EXPECT_EQ(world.plan().data.master, world.db("k2"));
	}
}

TEST(SentinelDecision, EqualsAreDecidedByTheLowerKeeper) {
	World world = World::running();
	world.open_election();
	world.vote("k3", at(1, 0x5000100));
	world.vote("k2", at(1, 0x5000100));
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
}

TEST(SentinelDecision, WhatHasBeenReplayedDoesNotMatter) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000100), Lsn{0x5000100});
	world.vote("k3", at(1, 0x5000200), Lsn{0x4000000});
	EXPECT_EQ(world.plan().data.master, world.db("k3"));
}

TEST(SentinelDecision, PatienceIsCountedFromWhenTheElectionWasSeen) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000100));
	world.pass(seconds(1) - Duration(1));
	SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_EQ(decision.wake_at, world.in.now + Duration(1));
	world.in.contact_since = world.in.now;
	world.pass(Duration(1));
	EXPECT_FALSE(world.plan().write) << "votes could not arrive while the store was away";
	world.pass(seconds(1));
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
}

TEST(SentinelDecision, AVoterThatVanishedIsWaitedForLikeASilentOne) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000100));
	world.in.infos.erase(KeeperUid{"k3"});
	EXPECT_FALSE(world.plan().write);
	world.pass(seconds(1));
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
}

TEST(SentinelDecision, AWinnerMustStillBePresent) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000100));
	world.vote("k3", at(1, 0x5000200));
	world.in.infos.erase(KeeperUid{"k3"});
	world.pass(seconds(1));
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
}

TEST(SentinelDecision, VotesOfOtherEpochsAndOfStrangersDoNotCount) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000100));
	world.vote("k3", at(1, 0x9000000));
	world.info("k3").vote->epoch.value -= 1;
	world.pass(seconds(1));
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
	world.info("k3").vote->epoch.value += 2;
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
	world.info("k3").vote->epoch.value -= 1;
	world.info("k3").db = DbUid{"0000cccc"};
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
	world.info("k3").db = world.db("k3");
	EXPECT_EQ(world.plan().data.master, world.db("k3"));
	world.info("k3").role = PgRole::Primary;
	EXPECT_EQ(world.plan().data.master, world.db("k2")) << "promoted by hand";
}

TEST(SentinelDecision, AStandbyThatWasNotAskedDoesNotWin) {
	World world = World::running();
	KeeperInfo away = world.info("k3");
	world.in.infos.erase(KeeperUid{"k3"});
	world.open_election();
	world.in.infos[KeeperUid{"k3"}] = away;
	world.vote("k2", at(1, 0x5000100));
	world.vote("k3", at(1, 0x5000900));
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
}

TEST(SentinelDecision, MaxStandbyLagIsMeasuredAgainstTheLastKnownPosition) {
	const std::uint64_t known = 0x5000000;
	const std::uint64_t max = 1024 * 1024;
	struct Case {
		std::uint64_t lsn;
		bool wins;
	};
	for (const auto &test : {Case{known - max, true}, Case{known - max - 1, false},
	                         Case{known, true}, Case{known + 5 * max, true}, Case{1, false}}) {
		World world = World::running();
		world.open_election();
		world.vote("k2", at(1, test.lsn));
		world.in.infos.erase(KeeperUid{"k3"});
		world.pass(seconds(1));
		const SentinelDecision decision = world.plan();
		EXPECT_EQ(decision.data.master == world.db("k2"), test.wins) << test.lsn;
	}
}

TEST(SentinelDecision, MoreWalOnALineThatLeftBeforeTheLastKnownPositionDoesNotWin) {  // C-2
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000000));
	world.vote("k3", at(9, 0x9000000));
	world.info("k3").history = {{Timeline{1}, Lsn{0x4FFFFFF}}};
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
	world.info("k3").history = {{Timeline{1}, Lsn{0x5000000}}};
	EXPECT_EQ(world.plan().data.master, world.db("k3")) << "it left exactly there";
}

/// The master is on timeline 2, which began at 0x4800000 of timeline 1.
World on_second_timeline() {
	World world = World::running();
	const std::vector<HistoryEntry> history = {{Timeline{1}, Lsn{0x4800000}}};
	for (auto &[uid, info] : world.in.infos) {
		info.position.timeline = Timeline{2};
		info.history = history;
	}
	world.in.beats.at(KeeperUid{"k1"}).beat.position.timeline = Timeline{2};
	return world;
}

TEST(SentinelDecision, AStandbyOnAnAncestorIsPlacedByTheMastersHistory) {
	struct Case {
		std::uint64_t lsn;
		std::uint64_t max_lag;
		bool wins;
	};
	for (const auto &test : {Case{0x4800000, 0x800000, true}, Case{0x4800001, 0x800000, false},
	                         Case{0x4800000, 0x7FFFFF, false}}) {
		World world = on_second_timeline();
		world.in.data.spec.max_standby_lag = test.max_lag;
		world.open_election();
		world.in.infos.erase(KeeperUid{"k1"});
		world.in.infos.erase(KeeperUid{"k3"});
		world.info("k2").history.clear();
		world.vote("k2", at(1, test.lsn));
		world.pass(seconds(1));
		EXPECT_EQ(world.plan().data.master == world.db("k2"), test.wins) << test.lsn;
	}
}

TEST(SentinelDecision, AStandbyOnAnAncestorIsNotGuessedWhenNobodyKnowsTheHistory) {
	World world = on_second_timeline();
	world.in.infos.erase(KeeperUid{"k1"});
	world.in.infos.erase(KeeperUid{"k3"});
	world.info("k2").history.clear();
	world.info("k2").position = at(1, 0x4800000);
	world.in.data.spec.max_standby_lag = 0x10000000;
	world.open_election();
	world.vote("k2", at(1, 0x4800000));
	world.pass(seconds(1));
	EXPECT_NE(world.plan().data.master, world.db("k2"));
}

TEST(SentinelDecision, TheSameTimelineNumberWithAnotherHistoryIsAnotherLine) {  // C-2
	World world = on_second_timeline();
	world.info("k2").history = {{Timeline{1}, Lsn{0x4700000}}};
	world.open_election();
	world.vote("k2", at(2, 0x6000000));
	world.vote("k3", at(2, 0x5000000));
	EXPECT_EQ(world.plan().data.master, world.db("k3"));
}

TEST(SentinelDecision, StandbysThatContradictEachOtherAboutTheMastersLineAreBothRefused) {
	World world = on_second_timeline();
	world.in.infos.erase(KeeperUid{"k1"});
	world.info("k2").history = {{Timeline{1}, Lsn{0x4700000}}};
	world.open_election();
	world.vote("k2", at(2, 0x6000000));
	world.vote("k3", at(2, 0x5000000));
	EXPECT_EQ(rule_of(world.plan()), "S-04") << "its node is there, it is named again";
}

TEST(SentinelDecision, AStandbyThatFollowedAWinnerWhichNeverBeatIsNotRefusedForAHalfRecord) {
	World world = World::running();
	world.elect_and_name("k2");  // at 0x5000000, but its promotion ends timeline 1 a little before
	world.vanish("k1");
	world.pass(seconds(10));
	world.apply(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
	world.info("k3").history = {{Timeline{1}, Lsn{0x4FFFFC0}}};
	world.vote("k3", at(2, 0x5000040));
	world.info("k2").vote.reset();
	EXPECT_EQ(world.plan().data.master, world.db("k3"));
	world.info("k3").history = {{Timeline{1}, Lsn{0x4000000}}};
	EXPECT_NE(world.plan().data.master, world.db("k3")) << "farther back than maxStandbyLag";
}

TEST(SentinelDecision, WithoutALastKnownPositionEverybodyHasToVote) {
	World world = World::running();
	world.open_election();
	world.in.data.election->last_known = {};
	world.in.nodes.erase(KeeperUid{"k1"});
	world.in.infos.erase(KeeperUid{"k1"});
	world.vote("k2", at(1, 0x5000100));
	world.pass(seconds(100));
	EXPECT_FALSE(world.plan().write);
	world.vote("k3", at(1, 0x5000200));
	EXPECT_EQ(world.plan().data.master, world.db("k3"));
}

TEST(SentinelDecision, WithoutAFreshUidTheOldMastersKeeperGetsItsDbLater) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000100));
	world.vote("k3", at(1, 0x5000100));
	world.in.fresh_db_uids = {world.db("k1")};  // taken
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(decision.data.db_of(KeeperUid{"k1"}), nullptr);
	EXPECT_EQ(decision.data.find_db(world.db("k1")), nullptr);
	world.apply(decision);
	world.beat("k2", at(1, 0x5000100));
	world.refill();
	const SentinelDecision later = world.plan();
	ASSERT_TRUE(later.write);
	EXPECT_EQ(rule_of(later), "S-09");
	EXPECT_EQ(later.data.db_of(KeeperUid{"k1"})->init, DbInit::Resync);
}

// ---------------------------------------------------------------- S-04, S-14: nobody may win

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

// ---------------------------------------------------------------- S-09 ... S-15: members

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
