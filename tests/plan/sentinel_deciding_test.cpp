// The sentinel plan decides an open election: S-03.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

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
	world.pass(seconds(5));
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

// The last one left had not asked for the new timeline when its master died.
TEST(SentinelDecision, HalfARecordBehindTheForkNeitherExcludesAStandbyNorCounts) {
	struct Case {
		const char *what;
		std::uint64_t replayed;
		std::uint64_t max_lag;
		bool wins;
	};
	for (const auto &test : {Case{"replayed up to the fork", 0x4800000, 0x800000, true},
	                         Case{"and less", 0x47FFF00, 0x800000, true},
	                         Case{"the lag counts from the fork", 0x4800000, 0x7FFFFF, false},
	                         Case{"replayed behind the fork", 0x4800001, 0x800000, false},
	                         Case{"nobody knows what was replayed", 0, 0x800000, false}}) {
		World world = on_second_timeline();
		world.in.data.spec.max_standby_lag = test.max_lag;
		world.open_election();
		world.vanish("k1");
		world.vanish("k3");
		world.info("k2").history.clear();
		world.vote("k2", at(1, 0x4800050), Lsn{test.replayed});
		world.pass(seconds(1));
		EXPECT_EQ(world.plan().data.master == world.db("k2"), test.wins) << test.what;
	}
	World world = on_second_timeline();
	world.beat("k1", at(2, 0x4800030));
	world.open_election();
	world.info("k2").history.clear();
	world.vote("k2", at(1, 0x4800050), Lsn{0x4800000});
	world.vote("k3", at(2, 0x4800020));
	EXPECT_EQ(world.plan().data.master, world.db("k3")) << "what was cut off is not more";
	world.info("k3").vote.reset();
	world.pass(seconds(1));
	EXPECT_FALSE(world.plan().write) << "nor does it make waiting needless";
}

TEST(SentinelDecision, AStandbyThatCouldNotWriteLosesAgainstAnEqualOne) {
	for (const std::uint64_t lsn : {0x5000100, 0x50000ff}) {
		World world = World::running();
		world.open_election();
		world.info("k2").unfit = "its disk is full";
		world.vote("k2", at(1, 0x5000100));
		world.vote("k3", at(1, lsn));
		EXPECT_EQ(world.plan().data.master, world.db(lsn == 0x5000100 ? "k3" : "k2"))
		    << "what only it has would be lost";
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

TEST(SentinelDecision, WhoMayHaveTheWinnersNextTimelineNumberAlreadyStartsAnew) {  // C-2
	// k2 is named and may have promoted to timeline 2, k3 may have followed it there; then k2 is
	// gone, and k4, which knows nothing of it, wins and makes a timeline 2 of its own.
	for (const bool present : {false, true}) {
		World world = World::running();
		world.add_standby("k4");
		world.open_election();
		world.vote("k2", at(1, 0x5000100));
		world.vote("k3", at(1, 0x5000000));
		world.vote("k4", at(1, 0x5000100));
		world.apply(world.plan());
		ASSERT_EQ(world.in.data.master, world.db("k2"));
		world.vanish("k1");
		world.vanish("k2");
		world.pass(seconds(10));
		world.info("k4").streaming = world.info("k3").streaming = true;
		world.apply(world.plan());
		ASSERT_TRUE(world.in.data.election.has_value());
		world.vote("k4", at(1, 0x5000100));
		if (present) {
			world.vote("k3", at(1, 0x5000000));
		} else {
			world.vanish("k3");
			world.pass(seconds(1));
		}
		const SentinelDecision decision = world.plan();
		ASSERT_EQ(decision.data.master, world.db("k4"));
		const Db &k3 = *decision.data.db_of(KeeperUid{"k3"});
		EXPECT_EQ(k3.uid == world.db("k3"), present);
		EXPECT_EQ(k3.clone_anew, !present) << "pg_rewind would take one timeline 2 for the other";
		EXPECT_TRUE(decision.data.db_of(KeeperUid{"k2"})->clone_anew);
	}
}

TEST(SentinelDecision, DataThatMustNotBeRewoundAreNotRewoundAfterAnotherElectionEither) {  // C-2
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000100));
	world.vote("k3", at(1, 0x5000100));
	world.in.beats.at(KeeperUid{"k1"}).beat.writable = false;
	SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.data.db_of(KeeperUid{"k1"})->clone_anew);
	world.apply(decision);
	world.beat("k2", at(2, 0x5000200));
	world.in.beats.at(KeeperUid{"k2"}).beat.released = true;
	world.info("k3").position = at(2, 0x5000200);
	world.info("k3").history = {{Timeline{1}, Lsn{0x5000100}}};
	world.info("k3").streaming = true;
	world.apply(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
	world.vote("k3", at(2, 0x5000200));
	world.in.beats.at(KeeperUid{"k2"}).beat.writable = true;
	decision = world.plan();
	ASSERT_EQ(decision.data.master, world.db("k3"));
	EXPECT_FALSE(decision.data.db_of(KeeperUid{"k2"})->clone_anew) << "it was writable there";
	EXPECT_TRUE(decision.data.db_of(KeeperUid{"k1"})->clone_anew) << "the copy was not made yet";
}

TEST(SentinelDecision, ABeatBeforeThePromotionDoesNotTellOfIt) {  // C-2
	World world = World::running();
	world.elect_and_name("k2");
	world.vanish("k1");
	world.beat("k2", at(1, 0x5000000));  // the winner's first beat, still in recovery
	world.add_standby("k4");
	world.pass(seconds(5));
	world.info("k3").streaming = true;
	world.apply(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
	world.vote("k4", at(1, 0x5000000));
	world.vanish("k3");
	world.vanish("k2");
	world.pass(seconds(1));
	for (const bool told : {false, true}) {
		World one = world;
		one.in.beats.at(KeeperUid{"k2"}).beat.writable = told;
		const SentinelDecision decision = one.plan();
		ASSERT_EQ(decision.data.master, world.db("k4"));
		EXPECT_EQ(decision.data.db_of(KeeperUid{"k3"})->uid == world.db("k3"), told);
	}
}

TEST(SentinelDecision, AnAbsentStandbyKeepsItsDataAfterAnOrdinaryElection) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000100));
	world.vanish("k3");
	world.pass(seconds(1));
	const SentinelDecision decision = world.plan();
	ASSERT_EQ(decision.data.master, world.db("k2"));
	EXPECT_EQ(decision.data.db_of(KeeperUid{"k3"})->uid, world.db("k3"));
}

TEST(SentinelDecision, AVoterThatHasDivergedStartsAnewAtOnce) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000000));
	world.vote("k3", at(9, 0x9000000));
	world.info("k3").history = {{Timeline{1}, Lsn{0x4FFFFFF}}};
	const SentinelDecision decision = world.plan();
	ASSERT_EQ(decision.data.master, world.db("k2"));
	EXPECT_EQ(decision.data.find_db(world.db("k3")), nullptr);
	EXPECT_EQ(decision.data.db_of(KeeperUid{"k3"})->init, DbInit::Resync);
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

}  // namespace
}  // namespace stolon::core
