// The keeper plan: every rule, and the promises that an election rests on.
#include "core/plan/keeper_plan.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

const DbUid own_db{"aaaaaaaa"};
const DbUid other_db{"bbbbbbbb"};
const KeeperUid own_keeper{"k1"};
const KeeperUid other_keeper{"k2"};

// Two keepers, k2's db is master of epoch 3, ours follows it.
KeeperInputs standby_of_other() {
	KeeperInputs inputs;
	inputs.uid = own_keeper;
	inputs.cluster_name = "c";
	ClusterData data = initial_clusterdata(ClusterSpec(), "0123456789abcdef");
	data.phase = ClusterPhase::Normal;
	data.generation = 12;
	data.epoch = Epoch{3};
	data.master = other_db;
	data.keepers[own_keeper] = Keeper{own_keeper, own_db, "10.0.0.1", 5432, {}};
	data.keepers[other_keeper] = Keeper{other_keeper, other_db, "10.0.0.2", 5433, {}};
	Db own;
	own.uid = own_db;
	own.keeper = own_keeper;
	own.follow = other_db;
	Db other;
	other.uid = other_db;
	other.keeper = other_keeper;
	data.dbs[own_db] = own;
	data.dbs[other_db] = other;
	inputs.data = data;
	inputs.master = MasterKey{Epoch{3}, other_db};
	inputs.master_revision = 100;
	inputs.local.state.cluster_uid = data.cluster_uid;
	inputs.local.state.keeper = own_keeper;
	inputs.local.state.db = own_db;
	inputs.local.state.epoch = Epoch{3};
	inputs.local.position = WalPosition{Timeline{1}, Lsn{0x5000060}};
	inputs.local.replayed = Lsn{0x5000000};
	return inputs;
}

KeeperInputs named_master() {
	KeeperInputs inputs = standby_of_other();
	inputs.data->epoch = Epoch{4};
	inputs.data->master = own_db;
	inputs.data->dbs[own_db].follow = {};
	inputs.data->dbs[other_db].follow = own_db;
	inputs.master = MasterKey{Epoch{4}, own_db};
	inputs.master_revision = 200;
	inputs.local.lease_won = true;
	return inputs;
}

KeeperInputs in_election() {
	KeeperInputs inputs = standby_of_other();
	inputs.data->epoch = Epoch{4};
	inputs.data->master = {};
	Election election;
	election.epoch = Epoch{4};
	election.old_master = other_db;
	election.voters = {own_db};
	inputs.data->election = election;
	inputs.master = MasterKey{Epoch{4}, {}};
	return inputs;
}

void freeze(KeeperInputs &inputs) {
	inputs.local.config_known = true;
	inputs.local.electing = true;
	inputs.local.target = {};
	inputs.local.quiet = true;
	inputs.local.state.epoch = inputs.data->epoch;
}

TEST(KeeperPlan, WithoutAViewNothingChanges) {
	KeeperInputs inputs = standby_of_other();
	inputs.data.reset();
	const auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.reason.rule, "K-01");
	EXPECT_FALSE(decision.act_as_master);
	EXPECT_FALSE(
	    decision.lost);  // C-8: what was a mandate stays one until the store says otherwise
	EXPECT_FALSE(decision.target);
}

TEST(KeeperPlan, AnotherClustersViewIsNotFollowed) {
	KeeperInputs inputs = named_master();
	inputs.local.state.cluster_uid = "fedcba9876543210";
	const auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.reason.rule, "K-01");
	EXPECT_FALSE(decision.act_as_master);
	EXPECT_FALSE(decision.target);
	EXPECT_NE(decision.message.find("stolon.cluster_name"), std::string::npos);
}

TEST(KeeperPlan, ReplacedDataHaveNoMandateAndFollowNobodyNew) {
	KeeperInputs inputs = standby_of_other();
	inputs.data->keepers[own_keeper].db = DbUid{"cccccccc"};
	const auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.reason.rule, "K-02");
	EXPECT_TRUE(decision.lost);
	EXPECT_EQ(decision.successor, other_keeper);
	EXPECT_FALSE(decision.promote);
}

TEST(KeeperPlan, AnOlderEpochThanTheOneOnDiskIsIgnored) {
	KeeperInputs inputs = named_master();
	inputs.local.state.epoch = Epoch{5};
	const auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.reason.rule, "K-03");
	EXPECT_FALSE(decision.act_as_master);
	EXPECT_FALSE(decision.promote);
}

TEST(KeeperPlan, TheWinnerSavesTheEpochThenActsAndPromotes) {
	const auto decision = plan_keeper(named_master());
	EXPECT_EQ(decision.reason.rule, "K-04");
	EXPECT_EQ(decision.save_epoch, Epoch{4});
	EXPECT_TRUE(decision.act_as_master);
	EXPECT_EQ(decision.master_revision, 200);
	EXPECT_EQ(decision.valid, seconds(5));
	EXPECT_EQ(decision.health, health_limits(ClusterSpec()));
	EXPECT_TRUE(decision.promote);
	EXPECT_EQ(decision.create_slots, (std::vector<NewSlot>{{"stolon_bbbbbbbb", ""}}));
}

TEST(KeeperPlan, APromotionWaitsForTheFirstBeat) {
	KeeperInputs inputs = named_master();
	inputs.local.lease_won = false;
	const auto decision = plan_keeper(inputs);
	EXPECT_TRUE(decision.act_as_master);
	EXPECT_FALSE(decision.promote);
}

TEST(KeeperPlan, APromotionUnderWayIsNotAskedForAgain) {
	KeeperInputs inputs = named_master();
	inputs.local.promoting = true;
	EXPECT_FALSE(plan_keeper(inputs).promote);
	inputs.local.in_recovery = false;
	inputs.local.promoting = false;
	EXPECT_FALSE(plan_keeper(inputs).promote);
	EXPECT_TRUE(plan_keeper(inputs).act_as_master);
}

TEST(KeeperPlan, WithoutTheMasterKeysAgreementThereIsNoMandate) {
	for (const auto &master :
	     {std::optional<MasterKey>(), std::optional(MasterKey{Epoch{4}, other_db}),
	      std::optional(MasterKey{Epoch{3}, own_db}), std::optional(MasterKey{Epoch{4}, {}})}) {
		KeeperInputs inputs = named_master();
		inputs.master = master;
		const auto decision = plan_keeper(inputs);
		EXPECT_EQ(decision.reason.rule, "K-05");
		EXPECT_FALSE(decision.act_as_master);
		EXPECT_FALSE(decision.promote);
	}
}

// no vote before the walreceiver is gone for good, and none before the promise is on disk.
TEST(KeeperPlan, AVoterThatCouldNotBePromotedIsFrozenAndSilent) {
	KeeperInputs inputs = in_election();
	freeze(inputs);
	inputs.local.inconsistent = true;
	auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.reason.rule, "K-06");
	EXPECT_TRUE(decision.freeze);
	EXPECT_FALSE(decision.vote);
	inputs.local.inconsistent = false;
	EXPECT_TRUE(plan_keeper(inputs).vote);
}

TEST(KeeperPlan, AVoterFreezesAndVotesOnlyWhenQuietAndTheEpochIsSaved) {
	KeeperInputs inputs = in_election();
	auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.reason.rule, "K-06");
	EXPECT_EQ(decision.target, FollowTarget{});
	EXPECT_TRUE(decision.electing);
	EXPECT_EQ(decision.save_epoch, Epoch{4});
	EXPECT_FALSE(decision.vote);

	freeze(inputs);
	decision = plan_keeper(inputs);
	ASSERT_TRUE(decision.vote);
	EXPECT_EQ(decision.vote->epoch, Epoch{4});
	EXPECT_EQ(decision.vote->position, inputs.local.position);
	EXPECT_EQ(decision.vote->replayed, inputs.local.replayed);

	for (auto spoil : {+[](KeeperInputs &i) { i.local.quiet = false; },
	                   +[](KeeperInputs &i) { i.local.config_known = false; },
	                   +[](KeeperInputs &i) { i.local.electing = false; },
	                   +[](KeeperInputs &i) { i.local.target.db = other_db; },
	                   +[](KeeperInputs &i) { i.local.state.epoch = Epoch{3}; }}) {
		KeeperInputs spoiled = inputs;
		spoil(spoiled);
		EXPECT_FALSE(plan_keeper(spoiled).vote);
	}
}

TEST(KeeperPlan, AnElectionTakesTheMandateFromEverybody) {
	KeeperInputs inputs = in_election();
	inputs.local.in_recovery = false;  // the old master itself
	auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.reason.rule, "K-07");
	EXPECT_TRUE(decision.lost);
	EXPECT_FALSE(decision.act_as_master);
	EXPECT_FALSE(decision.vote);

	inputs = in_election();
	inputs.data->election->voters.clear();
	freeze(inputs);
	decision = plan_keeper(inputs);
	EXPECT_EQ(decision.reason.rule, "K-07");
	EXPECT_FALSE(decision.vote);
}

TEST(KeeperPlan, AStandbyFollowsTheMasterByItsPresentAddress) {
	KeeperInputs inputs = standby_of_other();
	auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.reason.rule, "K-08");
	EXPECT_EQ(decision.target, (FollowTarget{other_db, "10.0.0.2", 5433}));
	EXPECT_FALSE(decision.electing);
	EXPECT_EQ(decision.generation, 12u);
	inputs.data->keepers[other_keeper].port = 5555;
	EXPECT_EQ(plan_keeper(inputs).target->port, 5555);
}

TEST(KeeperPlan, APrimaryThatWasReplacedHasNoMandateAndLeavesTheRestToTheLauncher) {
	KeeperInputs inputs = standby_of_other();
	inputs.local.in_recovery = false;
	const auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.reason.rule, "K-09");
	EXPECT_TRUE(decision.lost);
	EXPECT_EQ(decision.successor, other_keeper);
	EXPECT_FALSE(decision.target);
	EXPECT_EQ(decision.generation, 0u);
}

TEST(KeeperPlan, SlotsAreThoseOfTheMembersAndUsedOnesAreLeftAlone) {
	KeeperInputs inputs = named_master();
	for (const auto &[name, active] : {std::pair{"stolon_bbbbbbbb", true},
	                                   {"stolon_dddddddd", false},
	                                   {"stolon_eeeeeeee", true}}) {
		LocalSlot slot;
		slot.name = name;
		slot.active = active;
		inputs.local.slots.push_back(slot);
	}
	const auto decision = plan_keeper(inputs);
	EXPECT_TRUE(decision.create_slots.empty());
	EXPECT_EQ(decision.drop_slots, std::vector<std::string>{"stolon_dddddddd"});
}

TEST(KeeperPlan, TheMasterWritesTheCheckpointOfASwitchoverAndEverybodyTellsPositionsOften) {
	Switchover switchover;
	switchover.id = "00000000000000aa";
	switchover.phase = SwitchoverPhase::Checkpoint;
	switchover.epoch = Epoch{4};
	switchover.from = own_db;
	switchover.target = other_db;
	KeeperInputs inputs = named_master();
	inputs.local.in_recovery = false;
	EXPECT_FALSE(plan_keeper(inputs).publish_often);
	inputs.data->switchover = switchover;
	EXPECT_EQ(plan_keeper(inputs).checkpoint_for, switchover.id);
	EXPECT_EQ(plan_keeper(inputs).spared_slots, std::vector<std::string>{"stolon_bbbbbbbb"});
	inputs.data->dbs.at(other_db).init = DbInit::Resync;
	inputs.data->switchover->target = own_db;
	EXPECT_EQ(plan_keeper(inputs).spared_slots.size(), 2u) << "a clone is not cut off";
	inputs.data->switchover->target = other_db;
	EXPECT_TRUE(plan_keeper(inputs).publish_often);
	inputs.data->switchover->phase = SwitchoverPhase::Pause;
	EXPECT_TRUE(plan_keeper(inputs).checkpoint_for.empty());
	inputs.data->switchover->phase = SwitchoverPhase::Done;
	EXPECT_FALSE(plan_keeper(inputs).publish_often);
	KeeperInputs standby = standby_of_other();
	standby.data->switchover = switchover;
	EXPECT_TRUE(plan_keeper(standby).checkpoint_for.empty());
	EXPECT_TRUE(plan_keeper(standby).publish_often);
	standby.data->switchover->epoch = standby.data->epoch;
	standby.data->switchover->from = other_db;
	EXPECT_TRUE(plan_keeper(standby).checkpoint_for.empty()) << "another one is the target";
	standby.data->switchover->target = own_db;
	EXPECT_EQ(plan_keeper(standby).checkpoint_for, switchover.id);
	standby.data->switchover->phase = SwitchoverPhase::Pause;
	EXPECT_TRUE(plan_keeper(standby).checkpoint_for.empty());
}

TEST(KeeperPlan, AStopWouldWaitForStandbysThatStreamAndDoNotConfirm) {
	const std::vector<LocalSlot> slots = {{"stolon_aaaaaaaa", true, 11, Lsn{100}},
	                                      {"stolon_bbbbbbbb", true, 12, Lsn{99}},
	                                      {"stolon_cccccccc", false, 0, Lsn{10}},
	                                      {"stolon_dddddddd", true, 13, Lsn{0}}};
	const auto names = [](const std::vector<LocalSlot> &found) {
		std::string text;
		for (const LocalSlot &slot : found)
			text += slot.name + " ";
		return text;
	};
	EXPECT_EQ(names(stragglers(slots, Lsn{100}, {})), "stolon_bbbbbbbb stolon_dddddddd ");
	EXPECT_EQ(names(stragglers(slots, Lsn{100}, {"stolon_bbbbbbbb"})), "stolon_dddddddd ");
	EXPECT_EQ(names(stragglers(slots, Lsn{0}, {})), "");
}

}  // namespace
}  // namespace stolon::core
