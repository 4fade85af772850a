// What an election knows about those that are silent, late or gone: S-03, S-14, S-28, S-26.
#include <gtest/gtest.h>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

TEST(SentinelKnowledge, AVoterThatIsPresentAndAheadIsWaitedForUpToFailInterval) {
	struct Case {
		WalPosition published;
		bool waited_for;
	};
	for (const auto &test :
	     {Case{at(1, 0x5000200), true}, Case{at(1, 0x5000100), false},
	      Case{at(1, 0x4000000), false}, Case{at(9, 0x9000000), false}, Case{{}, false}}) {
		World world = World::running();
		world.open_election();
		world.vote("k2", at(1, 0x5000100));
		world.info("k3").position = test.published;
		world.pass(seconds(1));
		const SentinelDecision decision = world.plan();
		EXPECT_EQ(decision.write, !test.waited_for) << test.published.to_string();
		if (test.waited_for) {
			EXPECT_EQ(decision.wake_at, world.in.now + seconds(4));
			World late = world;
			late.vote("k3", at(1, 0x5000300));
			EXPECT_EQ(late.plan().data.master, world.db("k3"));
			world.vanish("k3");
			EXPECT_EQ(world.plan().data.master, world.db("k2")) << "only who is present";
			world.pass(seconds(4));
		}
		EXPECT_EQ(world.plan().data.master, world.db("k2"));
	}
}

TEST(SentinelKnowledge, AStandbyThatComesLateAndIsAheadIsAskedBeforeALesserOneWins) {
	for (const std::uint64_t published : {0x5000200, 0x5000100}) {
		World world = World::running();
		const KeeperInfo away = world.info("k3");
		world.in.infos.erase(KeeperUid{"k3"});
		world.open_election();
		world.vote("k2", at(1, 0x5000100));
		world.in.infos[KeeperUid{"k3"}] = away;
		world.info("k3").position = at(1, published);
		SentinelDecision decision = world.plan();
		if (published == 0x5000100) {
			EXPECT_EQ(decision.data.master, world.db("k2"));
			continue;
		}
		EXPECT_EQ(rule_of(decision), "S-14");
		world.apply(decision);
		EXPECT_FALSE(world.plan().write);
		World silent = world;
		silent.pass(seconds(5));
		EXPECT_EQ(silent.plan().data.master, world.db("k2")) << "it is asked only once";
		world.vote("k3", at(1, 0x5000200));
		EXPECT_EQ(world.plan().data.master, world.db("k3"));
	}
}

TEST(SentinelKnowledge, TheOldMastersUnseenPromotionCountsMoreThanWhatItDidNotHave) {
	World world = World::running();
	world.elect_and_name("k2");  // at 0x5000000
	world.vanish("k1");
	world.add_standby("k4");
	world.pass(seconds(10));
	world.apply(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
	// k3 has followed k2 onto timeline 2, where clients may have written already. k4 was away when
	// k2 won, and has more of timeline 1 than k2 had.
	world.vanish("k2");
	world.info("k3").history = {{Timeline{1}, Lsn{0x4FFFFC0}}};
	world.vote("k3", at(2, 0x5000040));
	world.vote("k4", at(1, 0x5000100));
	world.pass(seconds(1));
	SentinelDecision decision = world.plan();
	ASSERT_EQ(decision.data.master, world.db("k3"));
	EXPECT_NE(decision.data.db_of(KeeperUid{"k4"})->uid, world.db("k4"));
	world.info("k3").vote.reset();
	world.info("k3").position = at(2, 0x5000040);
	EXPECT_FALSE(world.plan().write) << "it is present and ahead";
	world.pass(seconds(5));
	EXPECT_EQ(world.plan().data.master, world.db("k4"));
}

TEST(SentinelKnowledge, TheMastersHistoryIsRecordedOnceItIsWritable) {
	World world = on_second_timeline();
	World quiet = world;
	quiet.info("k1").writable = false;
	EXPECT_FALSE(quiet.plan().write);
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-28");
	EXPECT_FALSE(decision.write_master);
	EXPECT_EQ(decision.data.master_history,
	          (TimelineHistory{Timeline{2}, {{Timeline{1}, Lsn{0x4800000}}}}));
	world.apply(decision);
	EXPECT_FALSE(world.plan().write) << "once";
	EXPECT_FALSE(World::running().plan().write) << "the first timeline has no history";
}

TEST(SentinelKnowledge, ARecordedHistoryPlacesAStandbyWhenNobodyPresentKnowsIt) {
	struct Case {
		std::uint64_t lsn;
		bool wins;
	};
	for (const auto &test : {Case{0x4800000, true}, Case{0x4800001, false}}) {
		World world = on_second_timeline();
		world.apply(world.plan());
		ASSERT_TRUE(world.in.data.master_history.has_value());
		world.vanish("k1");
		world.vanish("k3");
		world.pass(seconds(5));
		world.info("k2").history.clear();
		world.info("k2").position = at(1, test.lsn);
		world.in.data.spec.max_standby_lag = 0x10000000;
		world.apply(world.plan());
		ASSERT_TRUE(world.in.data.election.has_value());
		world.vote("k2", at(1, test.lsn));
		world.pass(seconds(1));
		EXPECT_EQ(world.plan().data.master == world.db("k2"), test.wins) << test.lsn;
	}
}

TEST(SentinelKnowledge, WhatWasRecordedCountsMoreThanWhatStandbysSay) {
	World world = on_second_timeline();
	world.apply(world.plan());
	world.vanish("k1");
	world.info("k2").history = {{Timeline{1}, Lsn{0x4700000}}};
	world.pass(seconds(5));
	world.apply(world.plan());
	world.vote("k2", at(2, 0x6000000));
	world.vote("k3", at(2, 0x5000000));
	EXPECT_EQ(world.plan().data.master, world.db("k3"));
}

TEST(SentinelKnowledge, AWinnersHistoryTakesThePlaceOfTheOldMasters) {
	World world = on_second_timeline();
	world.apply(world.plan());
	world.info("k2").history = {{Timeline{1}, Lsn{0x4800000}}};
	world.open_election();
	World first = world;
	for (const char *keeper : {"k2", "k3"}) {
		world.vote(keeper, at(2, 0x5000000));
	}
	EXPECT_EQ(world.plan().data.master_history->timeline, Timeline{2});
	first.vanish("k3");
	first.info("k2").history.clear();
	first.in.data.spec.max_standby_lag = 0x10000000;
	first.vote("k2", at(1, 0x4800000));
	first.pass(seconds(1));
	const SentinelDecision decision = first.plan();
	ASSERT_EQ(decision.data.master, world.db("k2"));
	EXPECT_FALSE(decision.data.master_history.has_value()) << "it is on timeline 1";
}

TEST(SentinelKnowledge, HowFarAMasterHadComeBeforeItsRecoveryIsNoted) {
	World world = World::running();
	EXPECT_FALSE(world.plan().write) << "it is writable";
	world.beat("k1", at(1, 0x2000000));
	world.beat_of("k1").beat.writable = false;
	world.beat_of("k1").furthest = at(1, 0x5000000);
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-26");
	EXPECT_FALSE(decision.write_master);
	EXPECT_EQ(decision.data.named_at, at(1, 0x5000000));
	world.apply(decision);
	EXPECT_FALSE(world.plan().write) << "once";
	// A sentinel that was started only now opens the election.
	world.beat_of("k1").furthest = at(1, 0x2000000);
	world.pass(seconds(5));
	EXPECT_EQ(world.plan().data.election->last_known, at(1, 0x5000000));
}

TEST(SentinelKnowledge, AWinnerInRecoveryHasNothingToNote) {
	World world = World::running();
	world.elect_and_name("k2");
	world.beat("k2", at(1, 0x4FFFFC0));
	world.beat_of("k2").beat.writable = false;
	world.beat_of("k2").furthest = at(1, 0x4FFFFC0);
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelKnowledge, APermitToStartAgainNotesHowFarTheMasterHadCome) {
	World world = World::running();
	world.vanish("k2");
	world.vanish("k3");
	world.release("k1");
	const SentinelDecision decision = world.plan();
	ASSERT_EQ(rule_of(decision), "S-07");
	EXPECT_EQ(decision.data.named_at, at(1, 0x5000000));
}

TEST(SentinelKnowledge, ALastBeatWithoutAPositionDoesNotHideTheOnesBefore) {
	World world = World::running();
	world.in.data.named_at = at(1, 0x1000000);
	world.release("k1");
	world.beat_of("k1").beat.position = {};
	world.beat_of("k1").furthest = at(1, 0x5000000);
	EXPECT_EQ(world.plan().data.election->last_known, at(1, 0x5000000));
}

TEST(SentinelKnowledge, AnOperatorsEditDoesNotBeginTheWaitForVotesAnew) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, 0x5000100));
	world.vanish("k3");
	world.pass(milliseconds(999));
	world.in.data_seen_at = world.in.now;
	world.pass(milliseconds(1));
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
}

}  // namespace
}  // namespace stolon::core
