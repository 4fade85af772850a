// The sentinel program against the in-memory store: races, lost answers, outages, damaged values.
#include "tests/sentinel/sentinel_lab.h"

namespace stolon::sentinel::testing {
namespace {

TEST(SentinelProgram, AReleaseLeadsToAnElectionAndTheMostAdvancedWins) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	lab.release("k1");
	lab.turn();
	ASSERT_TRUE(lab.data().election.has_value()) << "without any time passing";
	lab.put_standby("k2", 0x5000000, true);
	lab.put_standby("k3", 0x5000100, true);
	lab.turn();
	EXPECT_EQ(lab.data().master, lab.db("k3"));
	EXPECT_EQ(lab.data().epoch.value, 2u);
	const auto master = parse_master_key(lab.get(lab.keys.master()).value);
	ASSERT_TRUE(master.ok());
	EXPECT_EQ(*master, (MasterKey{Epoch{2}, lab.db("k3")}));
}

TEST(SentinelProgram, NobodyIsElectedWhileTheMasterBeats) {
	Lab lab;
	lab.add("s1");
	lab.add("s2");
	lab.run(milliseconds(500));
	lab.make_cluster();
	const auto before = lab.get(lab.keys.clusterdata()).mod_revision;
	lab.run_beating("k1", seconds(60));
	EXPECT_EQ(lab.get(lab.keys.clusterdata()).mod_revision, before);
}

TEST(SentinelProgram, SilenceLeadsToAnElectionWhenTheBeatHasExpiredAndNotBefore) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	ASSERT_TRUE(lab.put_beat("k1"));
	lab.turn();
	lab.run(milliseconds(4990));
	EXPECT_FALSE(lab.data().election.has_value());
	lab.run(milliseconds(20));
	EXPECT_TRUE(lab.data().election.has_value());
}

TEST(SentinelProgram, WhicheverComesFirstOfBeatAndElectionTheOtherFails) {
	int elected = 0;
	int beaten = 0;
	for (int offset = 0; offset < 40; ++offset) {
		Lab lab;
		lab.add("s1", milliseconds(10));
		lab.run(seconds(2));
		lab.make_cluster();
		Beat late = lab.next_beat("k1");
		ASSERT_TRUE(lab.put_beat("k1"));
		lab.run(milliseconds(50), milliseconds(1));
		lab.run(milliseconds(4900), milliseconds(50));
		lab.run(milliseconds(30 + offset), milliseconds(1));
		const bool put = lab.txn(
		    {{{store::Compare::Field::ModRevision, lab.keys.master(), late.master_revision}},
		     {store::Op::put(lab.keys.beat(KeeperUid{"k1"}), beat_to_text(late))},
		     {}});
		lab.run(milliseconds(200), milliseconds(1));
		EXPECT_EQ(put, !lab.data().election.has_value()) << offset;
		put ? ++beaten : ++elected;
	}
	EXPECT_GT(elected, 0);
	EXPECT_GT(beaten, 0);
}

TEST(SentinelProgram, AnElectionWhoseAnswerWasLostIsNotHeldTwice) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	lab.members[0].frozen = true;
	lab.release("k1");
	lab.cluster.lose_next_answer();
	lab.members[0].frozen = false;
	lab.run(seconds(5));
	EXPECT_EQ(lab.data().epoch.value, 2u);
	ASSERT_TRUE(lab.data().election.has_value());
	lab.put_standby("k2", 0x5000000, true);
	lab.put_standby("k3", 0x5000000, true);
	lab.run(milliseconds(100));
	EXPECT_EQ(lab.data().master, lab.db("k2"));
	EXPECT_EQ(lab.data().epoch.value, 2u);
}

TEST(SentinelProgram, AnUnfitMasterIsReplacedWhenItsLeaseIsOverOrYielded) {
	for (const bool yields : {false, true}) {
		Lab lab;
		lab.add("s1");
		lab.run(milliseconds(500));
		lab.make_cluster();
		lab.run_beating("k1", seconds(12));
		ASSERT_TRUE(lab.put_beat("k1", [](Beat &beat) { beat.unfit = "its disk is full"; }));
		Beat last = lab.next_beat("k1");
		lab.turn();
		ASSERT_TRUE(lab.data().election.has_value());
		EXPECT_EQ(lab.data().election->lease_runs_for, seconds(5));
		EXPECT_NE(lab.get(lab.keys.master()).mod_revision, last.master_revision)
		    << "the guard of its beats";
		lab.run(milliseconds(yields ? 1000 : 4900));
		EXPECT_TRUE(lab.data().election->voters.empty());
		if (yields) {
			last.yielded = true;
			lab.put(lab.keys.beat(KeeperUid{"k1"}), beat_to_text(last));
			lab.turn();
		} else {
			lab.run(milliseconds(150));
		}
		EXPECT_EQ(lab.data().election->voters.size(), 2u);
		lab.put_standby("k2", 0x5000000, true);
		lab.put_standby("k3", 0x5000000, true);
		lab.turn();
		EXPECT_EQ(lab.data().master, lab.db("k2"));
	}
}

TEST(SentinelProgram, ABeatThatCannotBeReadDoesNotGoOnSayingUnfit) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	// Not yet long enough named to be thrown out.
	ASSERT_TRUE(lab.put_beat("k1", [](Beat &beat) { beat.unfit = "its disk is full"; }));
	lab.turn();
	lab.put(lab.keys.beat(KeeperUid{"k1"}), "{}");
	lab.run(seconds(60));
	EXPECT_FALSE(lab.data().election.has_value());
}

TEST(SentinelProgram, AStandbyThatHasBeenAwayDoesNotOvertakeARecoveringMaster) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	lab.run_beating("k1", seconds(12));
	for (const char *keeper : {"k2", "k3"}) {
		lab.erase(lab.keys.keeper_info(KeeperUid{keeper}));
	}
	lab.turn();
	const auto recovering = [](Beat &beat) {
		beat.position.lsn = Lsn{0x2000000};
		beat.writable = false;
		beat.unfit = "recovery takes too long";
	};
	ASSERT_TRUE(lab.put_beat("k1", recovering));
	lab.turn();
	KeeperInfo stale;
	stale.uid = KeeperUid{"k2"};
	stale.db = lab.db("k2");
	stale.role = PgRole::Standby;
	stale.position = {Timeline{1}, Lsn{0x2000000}};
	lab.put(lab.keys.keeper_info(stale.uid), keeper_info_to_text(stale));
	lab.turn();
	ASSERT_TRUE(lab.put_beat("k1", recovering));
	lab.run(seconds(2));
	EXPECT_FALSE(lab.data().election.has_value()) << "48 MiB that were acknowledged would be lost";
	lab.put_standby("k3", 0x5000000);
	lab.turn();
	EXPECT_TRUE(lab.data().election.has_value());
}

TEST(SentinelProgram, ADeletedBeatIsReliedOnUntilItsEnd) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	lab.run_beating("k1", seconds(20));
	lab.erase(lab.keys.beat(KeeperUid{"k1"}));
	lab.run(milliseconds(4400));
	EXPECT_FALSE(lab.data().election.has_value());
	lab.run(milliseconds(200));
	EXPECT_TRUE(lab.data().election.has_value());
}

TEST(SentinelProgram, ABeatThatCannotBeReadIsNotTheMastersDeath) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	lab.put(lab.keys.beat(KeeperUid{"k1"}), "{\"epoch\":");
	lab.run(seconds(599), milliseconds(100));
	EXPECT_FALSE(lab.data().election.has_value());
	lab.run(seconds(2), milliseconds(100));
	EXPECT_TRUE(lab.data().election.has_value()) << "longer than a beat can be valid";
}

TEST(SentinelProgram, AStoreOutageIsNotTheMastersDeath) {  // E-4
	Lab lab;
	lab.add("s1");
	lab.add("s2");
	lab.run(milliseconds(500));
	lab.make_cluster();
	lab.cluster.set_available(false);
	lab.run(seconds(30));
	lab.cluster.set_available(true);
	lab.run(seconds(1));
	lab.run_beating("k1", seconds(10));
	EXPECT_EQ(lab.data().epoch.value, 1u);
	EXPECT_NE(lab.leader(), "") << "a lost lease is granted again, and somebody leads";
	lab.run(seconds(6));
	EXPECT_EQ(lab.data().epoch.value, 2u) << "and they work again";
}

TEST(SentinelProgram, AFrozenLeaderIsReplacedAndChangesNothingWhenItWakesUp) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	lab.add("s2");
	lab.run_beating("k1", seconds(2));
	ASSERT_EQ(lab.leader(), "s1");
	lab.members[0].frozen = true;
	lab.run_beating("k1", seconds(10));
	ASSERT_EQ(lab.leader(), "s2");
	const auto before = lab.get(lab.keys.clusterdata()).mod_revision;
	lab.members[0].frozen = false;
	lab.members[1].frozen = true;
	lab.turn();
	EXPECT_EQ(lab.get(lab.keys.clusterdata()).mod_revision, before)
	    << "the beats it missed are not missing";
	lab.members[1].frozen = false;
	lab.run_beating("k1", seconds(5));
	EXPECT_EQ(lab.get(lab.keys.clusterdata()).mod_revision, before);
	EXPECT_EQ(lab.leader(), "s2");
}

TEST(SentinelProgram, ALeaderThatLeavesHandsOverAtOnce) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.add("s2");
	lab.run(milliseconds(500));
	ASSERT_EQ(lab.leader(), "s1");
	lab.members[0].sentinel->stop(lab.now);
	lab.run(milliseconds(20));
	EXPECT_EQ(lab.leader(), "s2");
	EXPECT_TRUE(lab.members[0].sentinel->stopped(lab.now));
}

TEST(SentinelProgram, WhicheverOfTheFirstAnswersIsLostItStillLeads) {
	for (int offset = 0; offset < 26; offset += 1) {
		Lab lab;
		lab.add("s1", milliseconds(10));
		lab.run(milliseconds(offset), milliseconds(1));
		lab.cluster.lose_next_answer();  // of the grant, its entry, the campaign, clusterdata
		lab.run(seconds(6));
		EXPECT_EQ(lab.leader(), "s1") << offset;
		lab.put_node("k1", false);
		lab.run(seconds(2));
		EXPECT_FALSE(lab.data().master.empty()) << offset << ": it leads";
	}
}

TEST(SentinelProgram, ACampaignWhoseAnswerWasLostIsStillWon) {
	Lab lab;
	lab.add("s1", milliseconds(10));
	lab.run(seconds(1));
	const auto term = lab.get(lab.keys.sentinel_leader()).create_revision;
	lab.erase(lab.keys.sentinel_leader());
	lab.cluster.lose_next_answer();
	lab.run(milliseconds(300));
	ASSERT_GT(lab.get(lab.keys.sentinel_leader()).create_revision, term);
	lab.put_node("k1", false);
	lab.run(milliseconds(200));
	EXPECT_TRUE(lab.data().master.empty()) << "it does not know yet";
	lab.run(seconds(3));
	EXPECT_FALSE(lab.data().master.empty()) << "it leads";
}

TEST(SentinelProgram, WhatAnOperatorWroteMeanwhileSurvives) {
	const auto spec = parse_spec(*Json::parse(R"({"maxStandbys": 7})"));
	ASSERT_TRUE(spec.ok());
	for (int offset = 0; offset < 30; ++offset) {
		Lab lab;
		lab.add("s1", milliseconds(20));
		lab.run(seconds(2));
		lab.make_cluster();
		lab.put_node("k4", false);
		ClusterData mine = lab.data();
		const auto read_at = lab.get(lab.keys.clusterdata()).mod_revision;
		lab.run(milliseconds(offset), milliseconds(1));
		mine.spec = *spec;
		const bool written =
		    lab.txn({{{store::Compare::Field::ModRevision, lab.keys.clusterdata(), read_at}},
		             {store::Op::put(lab.keys.clusterdata(), clusterdata_to_text(mine))},
		             {}});
		lab.run(seconds(1));
		EXPECT_EQ(lab.data().spec.max_standbys == 7, written) << offset;
		EXPECT_EQ(lab.data().keepers.size(), 4u) << offset;
	}
}

TEST(SentinelProgram, ADamagedClusterdataIsLeftAlone) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	const std::string good = lab.get(lab.keys.clusterdata()).value;
	lab.put(lab.keys.clusterdata(), good.substr(0, good.size() / 2));
	lab.run(seconds(30));
	EXPECT_EQ(lab.get(lab.keys.clusterdata()).value, good.substr(0, good.size() / 2));
	lab.put(lab.keys.clusterdata(), good);
	lab.run(milliseconds(100));
	EXPECT_TRUE(lab.data().election.has_value()) << "the master has been silent for 30 s";
}

TEST(SentinelProgram, AVanishedClusterdataIsNotInitialisedAnew) {  // B-6
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	lab.erase(lab.keys.clusterdata());
	lab.run(seconds(30));
	EXPECT_EQ(lab.get(lab.keys.clusterdata()).value, "");
}

TEST(SentinelProgram, AnEmptyStoreIsWatchedBeforeAClusterIsMade) {  // B-6
	Lab lab;
	lab.initial_wait = seconds(10);
	lab.add("s1");
	lab.put_node("k4", false);
	lab.run(milliseconds(9900));
	EXPECT_EQ(lab.get(lab.keys.clusterdata()).value, "");
	lab.run(milliseconds(300));
	EXPECT_NE(lab.get(lab.keys.clusterdata()).value, "");
}

TEST(SentinelProgram, ALauncherThatComesLateWithDataIsHeardBeforeAClusterIsMade) {  // B-6
	Lab lab;
	lab.initial_wait = seconds(10);
	lab.add("s1");
	lab.put_node("k4", false);
	lab.run(seconds(8));
	NodeInfo node;
	node.uid = KeeperUid{"k1"};
	node.host = "10.0.0.1";
	node.port = 5432;
	node.phase = NodePhase::Refusing;
	node.system_id = "7000000000000000001";
	lab.put(lab.keys.node(node.uid), node_info_to_text(node));
	lab.run(seconds(60));
	EXPECT_EQ(lab.get(lab.keys.clusterdata()).value, "");
}

TEST(SentinelProgram, AnInfoUnderAnotherNameDoesNotCount) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	NodeInfo node;
	node.uid = KeeperUid{"k9"};
	node.host = "10.0.0.9";
	node.port = 5432;
	lab.put(lab.keys.node(KeeperUid{"k8"}), node_info_to_text(node));
	lab.run(seconds(1));
	EXPECT_EQ(lab.data().keepers.size(), 3u);
}

TEST(SentinelProgram, TheHistoryIsBounded) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	HistoryEvent event;
	event.kind = "failover";
	for (std::uint64_t number = 1; number <= 250; ++number) {
		event.number = number;
		lab.put(lab.keys.history(number), history_event_to_text(event));
	}
	lab.release("k1");
	lab.turn();
	lab.put_standby("k2", 0x5000000, true);
	lab.put_standby("k3", 0x5000000, true);
	lab.turn();
	const auto events = lab.list(lab.keys.histories());
	ASSERT_EQ(events.size(), max_history_events);
	EXPECT_EQ(events.back().key, lab.keys.history(251));
	const auto last = parse_history_event(events.back().value);
	ASSERT_TRUE(last.ok());
	EXPECT_EQ(last->to.value, "k2");
}

TEST(SentinelProgram, ACompactedOrBrokenWatchLosesNothing) {
	Lab lab;
	lab.add("s1");
	lab.run(milliseconds(500));
	lab.make_cluster();
	lab.members[0].frozen = true;
	lab.release("k1");
	lab.cluster.compact(lab.cluster.revision());
	lab.cluster.break_watches();
	lab.members[0].frozen = false;
	lab.run(seconds(2));
	EXPECT_TRUE(lab.data().election.has_value());
}

}  // namespace
}  // namespace stolon::sentinel::testing
