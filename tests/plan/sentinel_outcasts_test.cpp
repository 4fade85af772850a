// Who gets a new incarnation when a winner is named: everybody who is not known to be on its line.
// Two masters that were promoted at the same place on the same timeline begin timelines of the same
// number, and nothing that PostgreSQL compares tells them apart.
#include <gtest/gtest.h>

#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;

constexpr std::uint64_t fork = 0x5000000;

void follow_onto_second_timeline(World &world, const std::string &keeper) {
	KeeperInfo &info = world.info(keeper);
	info.position = at(2, fork + 0x40);
	info.replayed = info.position.lsn;
	info.history = {{Timeline{1}, Lsn{fork}}};
	info.streaming = true;
	info.vote.reset();
}

/// k1 died on timeline 1 with all standbys at the fork; k2 has won and begun timeline 2, where k4
/// followed it, but k3 did not; and k2 is gone before it was ever seen writable.
World early_death_of_a_winner() {
	World world = World::running();
	world.add_standby("k4");
	world.open_election();
	for (const char *name : {"k2", "k3", "k4"}) {
		world.vote(name, at(1, fork));
	}
	world.apply(world.plan());
	EXPECT_EQ(world.in.data.master, world.db("k2"));
	follow_onto_second_timeline(world, "k4");
	world.vanish("k1");
	world.vanish("k2");
	return world;
}

void open_next(World &world) {
	world.pass(seconds(20));
	world.apply(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
}

/// Whether the keeper's incarnation was replaced by one that is to be cloned from the new master.
bool made_anew(const World &world, const SentinelDecision &decision, const std::string &keeper) {
	const Db *before = world.in.data.db_of(KeeperUid{keeper});
	const Db *after = decision.data.db_of(KeeperUid{keeper});
	if (!before || !after || before->uid == after->uid) {
		return false;
	}
	EXPECT_EQ(after->init, DbInit::Resync);
	EXPECT_EQ(after->follow, decision.data.master);
	EXPECT_EQ(decision.data.find_db(before->uid), nullptr);
	return true;
}

TEST(SentinelOutcasts, AStandbyOnATimelineThatTheWinnerWillBeginAgainIsMadeAnew) {
	struct Case {
		const char *what;
		void (*change)(World &);
	};
	const Case cases[] = {
	    {"away when the election is opened",
	     [](World &world) {
		     world.vanish("k4");
		     open_next(world);
	     }},
	    {"its keeper goes away afterwards",
	     [](World &world) {
		     open_next(world);
		     world.in.infos.erase(KeeperUid{"k4"});
	     }},
	    {"it votes too late",
	     [](World &world) {
		     // Its published position is older than the promotion.
		     world.info("k4").position = at(1, fork);
		     world.info("k4").history.clear();
		     open_next(world);
	     }},
	};
	for (const auto &test : cases) {
		World world = early_death_of_a_winner();
		test.change(world);
		world.vote("k3", at(1, fork));
		world.pass(seconds(10));
		const SentinelDecision decision = world.plan();
		ASSERT_TRUE(decision.write) << test.what;
		ASSERT_EQ(decision.data.master, world.db("k3")) << test.what;
		EXPECT_TRUE(made_anew(world, decision, "k4")) << test.what;
		EXPECT_TRUE(made_anew(world, decision, "k2")) << test.what << ": the old master";
		EXPECT_TRUE(made_anew(world, decision, "k1")) << test.what << ": may be a clone of it";
		EXPECT_NE(decision.reasons.back().text.find("Made anew"), std::string::npos) << test.what;
	}
}

TEST(SentinelOutcasts, TheSilentStayOnlyIfTheOldMasterWasWritableOnTheWinnersTimeline) {
	struct Case {
		const char *what;
		WalPosition beat;
		bool writable;
		std::uint64_t epochs_ago;
		bool stays;
	};
	const Case cases[] = {
	    {"writable there", at(1, fork), true, 0, true},
	    {"not writable yet", at(1, fork), false, 0, false},
	    {"writable on the next", at(2, fork + 0x40), true, 0, false},
	    {"writable there in an earlier epoch", at(1, fork), true, 1, false},
	};
	for (const auto &test : cases) {
		for (const bool asked : {true, false}) {
			World world = World::running();
			world.add_standby("k4");
			world.beat("k1", test.beat);
			world.in.beats.at(KeeperUid{"k1"}).beat.writable = test.writable;
			if (!asked) {
				world.vanish("k4");
			}
			open_next(world);
			world.in.beats.at(KeeperUid{"k1"}).beat.epoch.value -= test.epochs_ago;
			world.in.data.election->last_known = at(1, fork);
			world.vote("k2", at(1, fork));
			world.vote("k3", at(1, fork));
			world.in.infos.erase(KeeperUid{"k4"});
			world.pass(seconds(10));
			const SentinelDecision decision = world.plan();
			ASSERT_EQ(decision.data.master, world.db("k2")) << test.what;
			EXPECT_EQ(made_anew(world, decision, "k4"), !test.stays) << test.what << asked;
			EXPECT_FALSE(made_anew(world, decision, "k3")) << test.what << ": it has voted";
		}
	}
}

TEST(SentinelOutcasts, ADeletedBeatProvesNothing) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, fork));
	world.in.infos.erase(KeeperUid{"k3"});
	world.in.beats.clear();
	world.pass(seconds(10));
	EXPECT_TRUE(made_anew(world, world.plan(), "k3"));
}

TEST(SentinelOutcasts, AVoterThatIsNotOnTheWinnersLineIsMadeAnew) {
	struct Case {
		const char *what;
		WalPosition vote;
		Lsn replayed;
		std::vector<HistoryEntry> history;
		PgRole role;
		bool anew;
	};
	const std::vector<HistoryEntry> winners = {{Timeline{1}, Lsn{0x4800000}}};
	const Case cases[] = {
	    {"behind", at(2, 0x4F00000), {}, winners, PgRole::Standby, false},
	    {"hopelessly behind", at(2, 0x4800001), {}, winners, PgRole::Standby, false},
	    {"on the ancestor", at(1, 0x4800000), {}, {}, PgRole::Standby, false},
	    {"with half a record beyond the fork",
	     at(1, 0x4800020),
	     Lsn{0x4800000},
	     {},
	     PgRole::Standby,
	     false},
	    {"with more of the ancestor", at(1, 0x4800020), Lsn{0x4800020}, {}, PgRole::Standby, true},
	    {"on another second timeline",
	     at(2, 0x5000000),
	     {},
	     {{Timeline{1}, Lsn{0x4700000}}},
	     PgRole::Standby,
	     true},
	    {"on a third timeline", at(3, 0x4F00000), {}, winners, PgRole::Standby, true},
	    {"promoted by hand", at(2, 0x4F00000), {}, winners, PgRole::Primary, true},
	    {"without a position", WalPosition{}, {}, winners, PgRole::Standby, true},
	};
	for (const auto &test : cases) {
		World world = on_second_timeline();
		world.open_election();
		world.vote("k2", at(2, 0x5000000));
		world.vote("k3", test.vote, test.replayed);
		world.info("k3").history = test.history;
		world.info("k3").role = test.role;
		const SentinelDecision decision = world.plan();
		ASSERT_EQ(decision.data.master, world.db("k2")) << test.what;
		EXPECT_EQ(made_anew(world, decision, "k3"), test.anew) << test.what;
	}
}

TEST(SentinelOutcasts, WithoutAFreshUidTheyGetTheirDbLater) {
	World world = World::running();
	world.open_election();
	world.vote("k2", at(1, fork));
	world.in.infos.erase(KeeperUid{"k3"});
	world.in.beats.clear();
	world.in.fresh_db_uids.resize(1);
	world.pass(seconds(10));
	const SentinelDecision decision = world.plan();
	ASSERT_EQ(decision.data.master, world.db("k2"));
	EXPECT_EQ(decision.data.find_db(world.db("k3")), nullptr);
	EXPECT_TRUE(decision.data.find_keeper(KeeperUid{"k3"})->db.empty());
}

}  // namespace
}  // namespace stolon::core
