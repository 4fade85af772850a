// Data that have been a primary's although nobody had named it: they follow nobody until they have
// been looked at, and lose to others in an election. Its timeline may have the number of another.
#include <gtest/gtest.h>

#include "core/plan/keeper_plan.h"
#include "core/plan/launcher_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using testing::at;
using testing::rule_of;
using testing::World;

/// k2 has begun timeline 2 itself, where timeline 1 of the others was at `fork`.
void promote_by_hand(World &world, std::uint64_t fork, std::uint64_t lsn) {
	KeeperInfo &info = world.info("k2");
	info.position = at(2, lsn);
	info.replayed = Lsn{lsn};
	info.history = {{Timeline{1}, Lsn{fork}}};
	info.streaming = false;
	info.was_primary = true;
}

const KeeperUid k2{"k2"};

TEST(PromotedByHand, ItsDataAreMadeAnewAlsoWhenTheLinesLookAlike) {
	World world = testing::on_second_timeline();
	promote_by_hand(world, 0x4800000, 0x4800100);
	World innocent = world;
	innocent.info("k2").was_primary = false;
	EXPECT_NE(rule_of(innocent.plan()), "S-11");
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-11");
	EXPECT_EQ(decision.data.db_of(k2)->init, DbInit::Resync);
	EXPECT_TRUE(decision.data.db_of(k2)->clone_anew) << "no rewind tells these timelines apart";
}

TEST(PromotedByHand, ATimelineThatTheMasterDoesNotHaveCanBeRewound) {
	World world = World::running();
	promote_by_hand(world, 0x4FFFF00, 0x5000000);
	const SentinelDecision decision = world.plan();
	ASSERT_TRUE(decision.write);
	EXPECT_EQ(rule_of(decision), "S-11");
	EXPECT_FALSE(decision.data.db_of(k2)->clone_anew);
}

TEST(PromotedByHand, WhatItHasWrittenItselfDoesNotWin) {
	World world = World::running();
	world.release("k1");
	promote_by_hand(world, 0x5000000, 0x5900000);
	world.apply(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
	world.vote("k2", at(2, 0x5900000), Lsn{0x5900000});
	world.vote("k3", at(1, 0x5000000), Lsn{0x5000000});
	const SentinelDecision decision = world.plan();
	EXPECT_EQ(decision.data.master, world.db("k3"));
	EXPECT_TRUE(decision.data.db_of(k2)->clone_anew);
}

TEST(PromotedByHand, AloneItWinsWithWhatItHasOfTheOldMaster) {
	World world = World::running();
	world.vanish("k3");
	world.release("k1");
	promote_by_hand(world, 0x5000000, 0x5900000);
	world.apply(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
	world.vote("k2", at(2, 0x5900000), Lsn{0x5900000});
	world.pass(seconds(60));
	EXPECT_EQ(world.plan().data.master, world.db("k2"));
}

TEST(PromotedByHand, ItsTimelineIsNotTakenForTheOldMasters) {
	World world = testing::on_second_timeline();
	world.vanish("k3");
	world.release("k1");
	promote_by_hand(world, 0x4800000, 0x5900000);
	world.apply(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
	world.vote("k2", at(2, 0x5900000), Lsn{0x5900000});
	world.pass(seconds(60));
	EXPECT_NE(world.plan().data.master, world.db("k2"));
}

TEST(PromotedByHand, AMasterThatHandedOverIsNone) {
	World world = World::running();
	world.release("k1");
	BeatObservation &last = world.beat_of("k1");
	last.beat.clean = true;
	world.apply(world.plan());
	world.vote("k2", at(1, 0x5000000), Lsn{0x5000000});
	world.vote("k3", at(1, 0x5000000), Lsn{0x5000000});
	const SentinelDecision decision = world.plan();
	ASSERT_EQ(decision.data.master, world.db("k2"));
	ASSERT_NE(decision.data.find_db(world.db("k1")), nullptr);
	EXPECT_TRUE(decision.data.find_db(world.db("k1"))->handed_over);
	world.apply(decision);
	world.beat("k2", at(2, 0x5000100));
	KeeperInfo &winner = world.info("k2");
	winner.role = PgRole::Primary;
	winner.writable = true;
	winner.writable_epoch = world.in.data.epoch;
	winner.position = at(2, 0x5000100);
	winner.history = {{Timeline{1}, Lsn{0x5000000}}};
	KeeperInfo &former = world.info("k1");
	former.role = PgRole::Standby;
	former.writable = false;
	former.was_primary = true;
	former.upstream = {};
	EXPECT_NE(rule_of(world.plan()), "S-11");
	former.was_primary = false;
	former.streaming = true;
	former.upstream = world.db("k2");
	for (int step = 0; step < 3 && world.plan().write; ++step)
		world.apply(world.plan());
	EXPECT_FALSE(world.in.data.find_db(world.db("k1"))->handed_over);
}

/// k1, a member that is no master; k2 is.
ClusterData view() {
	ClusterData data = World::running().in.data;
	data.master = World::db("k2");
	data.dbs.at(World::db("k1")).follow = data.master;
	data.dbs.at(data.master).follow = {};
	return data;
}

DataState state_of_k1(const ClusterData &data) {
	DataState state;
	state.cluster_name = "c1";
	state.cluster_uid = data.cluster_uid;
	state.keeper = KeeperUid{"k1"};
	state.db = World::db("k1");
	state.epoch = data.epoch;
	return state;
}

LauncherInputs down(const ClusterData &data) {
	LauncherInputs in;
	in.now = Instant{seconds(1000)};
	in.ended_at = Instant{seconds(990)};
	in.view_read_at = Instant{seconds(995)};
	in.uid = KeeperUid{"k1"};
	in.data = data;
	in.dir.kind = DataKind::Ours;
	in.dir.state = state_of_k1(data);
	in.dir.system_id = data.system_id;
	return in;
}

TEST(PromotedByHand, ItsLauncherNotesItAndLetsItFollowNobody) {
	LauncherInputs in = down(view());
	in.dir.is_standby = true;
	EXPECT_FALSE(plan_launcher(in).note_primary);
	EXPECT_EQ(plan_launcher(in).follow, World::db("k2"));
	in.dir.is_standby = false;
	LauncherDecision decision = plan_launcher(in);
	EXPECT_EQ(decision.action, LauncherAction::StartStandby);
	EXPECT_TRUE(decision.note_primary);
	EXPECT_TRUE(decision.follow.empty());
	in.dir.is_standby = true;
	in.dir.state.was_primary = true;
	decision = plan_launcher(in);
	EXPECT_FALSE(decision.note_primary);
	EXPECT_TRUE(decision.follow.empty());
}

TEST(PromotedByHand, WithTheStoreAwayItIsNotedToo) {
	LauncherInputs in = down(view());
	in.view_read_at = Instant{seconds(980)};
	EXPECT_TRUE(plan_launcher(in).note_primary);
	in.data.reset();
	EXPECT_TRUE(plan_launcher(in).note_primary);
}

TEST(PromotedByHand, TheOldMasterOfAnElectionAndOneThatHandedOverAreNot) {
	ClusterData data = view();
	data.dbs.at(World::db("k1")).handed_over = true;
	EXPECT_FALSE(plan_launcher(down(data)).note_primary);
	EXPECT_EQ(plan_launcher(down(data)).follow, World::db("k2"));
	data = view();
	data.master = {};
	data.election.emplace();
	data.election->epoch = data.epoch;
	data.election->old_master = World::db("k1");
	EXPECT_EQ(plan_launcher(down(data)).action, LauncherAction::StartStandby);
	EXPECT_FALSE(plan_launcher(down(data)).note_primary);
}

TEST(PromotedByHand, AMasterThatAStoreOfBeforeHasForgottenWasNamed) {
	LauncherInputs in = down(view());
	in.dir.state.epoch = in.data->epoch.next();
	EXPECT_EQ(plan_launcher(in).action, LauncherAction::StartStandby);
	EXPECT_FALSE(plan_launcher(in).note_primary);
}

KeeperInputs keeper_of(const ClusterData &data) {
	KeeperInputs in;
	in.uid = KeeperUid{"k1"};
	in.data = data;
	in.master = MasterKey{data.epoch, data.master};
	in.master_revision = 100;
	in.local.state = state_of_k1(data);
	in.local.state.was_primary = true;
	return in;
}

TEST(PromotedByHand, ItsKeeperFollowsNobodyUntilItIsTheMasterOrMadeAnew) {
	const KeeperDecision decision = plan_keeper(keeper_of(view()));
	EXPECT_EQ(decision.reason.rule, "K-12");
	EXPECT_EQ(decision.target, FollowTarget());
	EXPECT_FALSE(decision.forget_was_primary);
	ClusterData data = view();
	data.dbs.at(World::db("k1")).handed_over = true;
	EXPECT_EQ(plan_keeper(keeper_of(data)).target->db, World::db("k2"));
	EXPECT_TRUE(plan_keeper(keeper_of(data)).forget_was_primary);
	data.master = World::db("k1");
	KeeperInputs master = keeper_of(data);
	EXPECT_FALSE(plan_keeper(master).forget_was_primary);
	master.local.in_recovery = false;
	EXPECT_TRUE(plan_keeper(master).forget_was_primary);
}

}  // namespace
}  // namespace stolon::core
