// The keeper plan's slots: on every server, for every other member, kept as far back as it may
// need.
#include <gtest/gtest.h>

#include "core/plan/keeper_plan.h"

namespace stolon::core {
namespace {

const DbUid own_db{"aaaaaaaa"};
const DbUid master_db{"bbbbbbbb"};
const DbUid third_db{"cccccccc"};

void add(ClusterData &data, const std::string &keeper, const DbUid &uid, const DbUid &follow) {
	data.keepers[KeeperUid{keeper}] = Keeper{KeeperUid{keeper}, uid, "10.0.0.1", 5432, {}};
	Db db;
	db.uid = uid;
	db.keeper = KeeperUid{keeper};
	db.follow = follow;
	data.dbs[uid] = db;
}

MemberReport report(std::uint32_t timeline, std::uint64_t lsn, std::uint64_t redo) {
	return {WalPosition{Timeline{timeline}, Lsn{lsn}}, Lsn{redo}};
}

LocalSlot slot_of(const DbUid &db, std::uint64_t restart) {
	LocalSlot slot;
	slot.name = replication_name(db);
	slot.restart = Lsn{restart};
	return slot;
}

/// k1 is a standby of k2, k3 is the other one; all on timeline 2, which began at 0x3000000.
KeeperInputs standby() {
	KeeperInputs inputs;
	inputs.uid = KeeperUid{"k1"};
	ClusterData data = initial_clusterdata(ClusterSpec(), "0123456789abcdef");
	data.phase = ClusterPhase::Normal;
	data.epoch = Epoch{3};
	data.generation = 12;
	data.master = master_db;
	add(data, "k1", own_db, master_db);
	add(data, "k2", master_db, {});
	add(data, "k3", third_db, master_db);
	inputs.data = data;
	inputs.master = MasterKey{Epoch{3}, master_db};
	inputs.master_revision = 100;
	inputs.local.state.cluster_uid = data.cluster_uid;
	inputs.local.state.db = own_db;
	inputs.local.state.epoch = Epoch{3};
	inputs.local.position = WalPosition{Timeline{2}, Lsn{0x5000000}};
	inputs.local.replayed = Lsn{0x4ff0000};
	inputs.local.redo = Lsn{0x4200000};
	inputs.local.history = {{Timeline{1}, Lsn{0x3000000}}};
	inputs.local.slots = {slot_of(master_db, 0x3800000), slot_of(third_db, 0x3800000)};
	inputs.reports[master_db] = report(2, 0x5000000, 0x4000000);
	inputs.reports[third_db] = report(2, 0x4800000, 0x4100000);
	inputs.present = {KeeperUid{"k2"}, KeeperUid{"k3"}};
	return inputs;
}

KeeperInputs master() {
	KeeperInputs inputs = standby();
	inputs.data->master = own_db;
	inputs.data->dbs[own_db].follow = {};
	inputs.data->dbs[master_db].follow = inputs.data->dbs[third_db].follow = own_db;
	inputs.master = MasterKey{Epoch{3}, own_db};
	inputs.local.in_recovery = false;
	return inputs;
}

const SlotAdvance *advance_of(const KeeperDecision &decision, const DbUid &db) {
	for (const auto &advance : decision.advance_slots)
		if (advance.name == replication_name(db))
			return &advance;
	return nullptr;
}

TEST(KeeperSlots, OneThatKeepsNothingBecauseItWasHalfMadeIsMadeAnew) {
	for (KeeperInputs inputs : {standby(), master()}) {
		inputs.local.slots[1].restart = Lsn{};
		inputs.present.clear();
		EXPECT_EQ(plan_keeper(inputs).drop_slots, std::vector{inputs.local.slots[1].name});
		inputs.local.slots[1].active = true;
		EXPECT_TRUE(plan_keeper(inputs).drop_slots.empty());
	}
}

TEST(KeeperSlots, AStandbyHoldsOneForEachOtherMemberAlsoForTheMaster) {
	KeeperInputs inputs = standby();
	inputs.local.slots.clear();
	const auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.create_slots,
	          (std::vector<NewSlot>{{"stolon_bbbbbbbb", ""}, {"stolon_cccccccc", ""}}));
	EXPECT_TRUE(decision.drop_slots.empty());
}

TEST(KeeperSlots, AStandbyAdvancesThemToWhereTheOthersWouldRecoverFrom) {
	const auto decision = plan_keeper(standby());
	ASSERT_NE(advance_of(decision, master_db), nullptr);
	EXPECT_EQ(advance_of(decision, master_db)->to, Lsn{0x4000000});
	EXPECT_EQ(advance_of(decision, third_db)->to, Lsn{0x4100000});
}

TEST(KeeperSlots, NeverBeyondWhereThisServerWouldRecoverFrom) {
	KeeperInputs inputs = standby();
	inputs.local.redo = Lsn{0x3900000};
	EXPECT_EQ(advance_of(plan_keeper(inputs), third_db)->to, Lsn{0x3900000});
	inputs.local.redo = {};
	EXPECT_TRUE(plan_keeper(inputs).advance_slots.empty());
}

TEST(KeeperSlots, NeverBack) {
	KeeperInputs inputs = standby();
	inputs.local.slots = {slot_of(master_db, 0x4000000), slot_of(third_db, 0x4200000)};
	EXPECT_TRUE(plan_keeper(inputs).advance_slots.empty());
}

TEST(KeeperSlots, WhatAMemberTellsOfAnotherLineMovesNothing) {
	KeeperInputs inputs = standby();
	inputs.reports[third_db] = report(3, 0x4800000, 0x4100000);
	EXPECT_EQ(advance_of(plan_keeper(inputs), third_db), nullptr) << "a timeline not known here";
	inputs.reports[third_db] = report(1, 0x4800000, 0x4100000);
	EXPECT_EQ(advance_of(plan_keeper(inputs), third_db), nullptr) << "beyond the fork";
	inputs.reports[third_db] = report(1, 0x2f00000, 0x2e00000);
	inputs.local.slots = {slot_of(master_db, 0x4000000), slot_of(third_db, 0x2000000)};
	EXPECT_EQ(advance_of(plan_keeper(inputs), third_db)->to, Lsn{0x2e00000});
	inputs.reports.erase(third_db);
	EXPECT_EQ(advance_of(plan_keeper(inputs), third_db), nullptr);
	inputs.reports[third_db] = report(2, 0x4800000, 0);
	EXPECT_EQ(advance_of(plan_keeper(inputs), third_db), nullptr) << "an older version tells none";
}

TEST(KeeperSlots, OfAFormerMasterKeepNoDeadRows) {
	KeeperInputs inputs = standby();
	inputs.reports.clear();
	inputs.local.slots[1].holds_xmin = true;
	const auto decision = plan_keeper(inputs);
	ASSERT_EQ(decision.advance_slots.size(), 1u);
	EXPECT_EQ(decision.advance_slots[0], (SlotAdvance{"stolon_cccccccc", Lsn{0x3800000}}));
}

TEST(KeeperSlots, AMasterLeavesThemToItsWalsenders) {
	KeeperInputs inputs = master();
	inputs.local.slots[1].holds_xmin = true;
	EXPECT_TRUE(plan_keeper(inputs).advance_slots.empty());
}

TEST(KeeperSlots, OneInUseIsNotTouched) {
	KeeperInputs inputs = standby();
	for (auto &slot : inputs.local.slots)
		slot.active = slot.holds_xmin = true;
	inputs.local.slots.push_back(slot_of(DbUid{"dddddddd"}, 1));
	inputs.local.slots.back().active = true;
	const auto decision = plan_keeper(inputs);
	EXPECT_TRUE(decision.advance_slots.empty());
	EXPECT_TRUE(decision.drop_slots.empty());
}

TEST(KeeperSlots, OfMembersThatLeftAndItsOwnGo) {
	KeeperInputs inputs = master();
	inputs.local.slots.push_back(slot_of(DbUid{"dddddddd"}, 1));
	inputs.local.slots.push_back(slot_of(own_db, 1));
	EXPECT_EQ(plan_keeper(inputs).drop_slots,
	          (std::vector<std::string>{"stolon_dddddddd", "stolon_aaaaaaaa"}));
}

TEST(KeeperSlots, ANewIncarnationInheritsWhatWasKeptForTheOldOne) {
	KeeperInputs inputs = master();
	const DbUid fresh{"dddddddd"};
	inputs.data->dbs.erase(third_db);
	add(*inputs.data, "k3", fresh, own_db);
	inputs.data->dbs[fresh].replaces = third_db;
	const auto decision = plan_keeper(inputs);
	EXPECT_EQ(decision.create_slots,
	          (std::vector<NewSlot>{{"stolon_dddddddd", "stolon_cccccccc"}}));
	EXPECT_EQ(decision.drop_slots, std::vector<std::string>{"stolon_cccccccc"});

	inputs.local.slots[1].lost = true;
	EXPECT_EQ(plan_keeper(inputs).create_slots, (std::vector<NewSlot>{{"stolon_dddddddd", ""}}));
	inputs.local.slots.pop_back();
	EXPECT_EQ(plan_keeper(inputs).create_slots, (std::vector<NewSlot>{{"stolon_dddddddd", ""}}));
}

TEST(KeeperSlots, ALostOneIsMadeAnewOnceItsOwnerIsThere) {
	KeeperInputs inputs = master();
	inputs.local.slots[1].lost = true;
	EXPECT_EQ(plan_keeper(inputs).drop_slots, std::vector<std::string>{"stolon_cccccccc"});
	inputs.present.erase(KeeperUid{"k3"});
	EXPECT_TRUE(plan_keeper(inputs).drop_slots.empty());
	EXPECT_TRUE(plan_keeper(inputs).create_slots.empty());
}

}  // namespace
}  // namespace stolon::core
