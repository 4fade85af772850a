// What `stolonctl init --from-keeper` makes of the data that are left, and what it refuses.
#include "stolonctl/rebuild.h"

#include <gtest/gtest.h>

namespace stolon::ctl {
namespace {

using core::KeeperUid;

core::WalPosition at(std::uint32_t timeline, std::uint64_t lsn) {
	return {core::Timeline{timeline}, core::Lsn{lsn}};
}

class Rebuild : public ::testing::Test {
protected:
	ClusterView view_;

	core::NodeInfo &add_node(const std::string &uid, std::uint64_t epoch,
	                         core::WalPosition position) {
		core::NodeInfo node;
		node.uid = KeeperUid{uid};
		node.host = "10.0.0.1";
		node.port = 5432;
		node.db = core::DbUid{"0000000" + uid.substr(1)};
		node.system_id = "7000000000000000001";
		node.cluster_uid = "0123456789abcdef";
		node.epoch = core::Epoch{epoch};
		node.position = position;
		node.position_is_end = position.lsn.valid();
		return view_.nodes[node.uid] = node;
	}

	core::KeeperInfo &add_info(const std::string &uid, std::uint64_t epoch,
	                           core::WalPosition position) {
		core::KeeperInfo info;
		info.uid = KeeperUid{uid};
		info.db = view_.nodes.at(info.uid).db;
		info.generation = 70;
		info.epoch = core::Epoch{epoch};
		info.position = position;
		return view_.infos[info.uid] = info;
	}

	core::Result<Rebuilt> from(const std::string &uid, bool force = false) const {
		return rebuild_from(view_, KeeperUid{uid}, core::ClusterSpec{}, force,
		                    {core::DbUid{"aaaaaaaa"}, core::DbUid{"00000001"}});
	}

	std::string refusal(const std::string &uid, bool force = false) const {
		const auto rebuilt = from(uid, force);
		return rebuilt.ok() ? "" : rebuilt.error().message;
	}
};

TEST_F(Rebuild, TheKeeperBecomesTheMasterOfANewEpochAndTheOthersFollowIt) {
	add_node("k1", 4, at(2, 0x5000000));
	add_node("k2", 4, at(2, 0x4000000));
	const auto rebuilt = from("k1");
	ASSERT_TRUE(rebuilt.ok()) << rebuilt.error().message;
	const core::ClusterData &data = rebuilt->data;
	EXPECT_EQ(data.cluster_uid, "0123456789abcdef");
	EXPECT_EQ(data.system_id, "7000000000000000001");
	EXPECT_EQ(data.phase, core::ClusterPhase::Normal) << "nothing is initialised again";
	EXPECT_EQ(data.epoch, core::Epoch{5});
	EXPECT_EQ(data.master, core::DbUid{"00000001"});
	EXPECT_EQ(data.named_at, at(2, 0x5000000));
	ASSERT_NE(data.db_of(KeeperUid{"k2"}), nullptr);
	EXPECT_EQ(data.db_of(KeeperUid{"k2"})->follow, data.master);
	EXPECT_EQ(data.db_of(KeeperUid{"k2"})->init, core::DbInit::None)
	    << "its data are not made anew";
	const auto parsed = core::parse_clusterdata(core::clusterdata_to_text(data));
	EXPECT_TRUE(parsed.ok()) << parsed.error().message;
}

TEST_F(Rebuild, WhoMayHaveNewerDataHasToBeGivenUpByName) {
	add_node("k1", 4, at(2, 0x4000000));
	core::NodeInfo &other = add_node("k2", 5, at(2, 0x3000000));
	EXPECT_NE(refusal("k1").find("keeper k2 has honoured a later epoch (epoch 5"),
	          std::string::npos);
	other.epoch = core::Epoch{4};
	EXPECT_EQ(refusal("k1"), "");
	other.position = at(2, 0x4000001);
	EXPECT_NE(refusal("k1"), "");
	other.position = at(3, 0x3000000);
	EXPECT_NE(refusal("k1"), "");
	const auto forced = from("k1", true);
	ASSERT_TRUE(forced.ok());
	other.epoch = core::Epoch{9};
	EXPECT_EQ(from("k1", true)->data.epoch, core::Epoch{10})
	    << "later than what anybody has honoured";
}

TEST_F(Rebuild, AVoteInALaterEpochProvesNoNewerData) {
	// k1 was the master; k2 lacks much of what it acknowledged, has voted, and could not win.
	add_node("k1", 5, at(2, 0x5000000));
	core::NodeInfo &voter = add_node("k2", 6, at(2, 0x3000000));
	EXPECT_NE(refusal("k2").find("keeper k1 may have newer data"), std::string::npos);
	const std::string why = refusal("k1");
	EXPECT_NE(why.find("has honoured a later epoch"), std::string::npos) << why;
	EXPECT_EQ(why.find("Name that one"), std::string::npos) << "it has less";
	const auto forced = from("k1", true);
	ASSERT_TRUE(forced.ok());
	EXPECT_EQ(forced->data.epoch, core::Epoch{7});
	// That epoch has had a master.
	voter.position = at(3, 0x3000000);
	EXPECT_EQ(refusal("k2"), "");
	EXPECT_NE(refusal("k1").find("keeper k2 may have newer data"), std::string::npos);
	// Without an end that is known it may be either way.
	voter.position = at(2, 0x3000000);
	view_.nodes.at(KeeperUid{"k1"}).position = at(2, 0x2000000);
	view_.nodes.at(KeeperUid{"k1"}).position_is_end = false;
	EXPECT_NE(refusal("k2").find("it cannot be told whether keeper k1"), std::string::npos);
}

TEST_F(Rebuild, WhatIsNotKnownToBeAPartOfTheChosenDataIsCopiedAnew) {
	add_node("k1", 7, at(2, 0x5000000));
	core::NodeInfo &other = add_node("k2", 6, at(2, 0x4000000));
	const auto init_of_k2 = [&](bool force) {
		const auto rebuilt = from("k1", force);
		EXPECT_TRUE(rebuilt.ok());
		const core::Db *db = rebuilt->data.db_of(KeeperUid{"k2"});
		EXPECT_EQ(db->clone_anew, db->init == core::DbInit::Resync);
		EXPECT_EQ(db->uid.value, db->clone_anew ? "aaaaaaaa" : "00000002");
		EXPECT_EQ(db->follow, rebuilt->data.master);
		return db->init;
	};
	EXPECT_EQ(init_of_k2(false), core::DbInit::Resync)
	    << "its timeline 2 may be another one, which the lost view knew";
	other.epoch = core::Epoch{7};
	EXPECT_EQ(init_of_k2(false), core::DbInit::None);
	other.position = at(2, 0x5000001);
	EXPECT_EQ(init_of_k2(true), core::DbInit::Resync);
	other.position = at(1, 0x9000000);
	EXPECT_EQ(init_of_k2(false), core::DbInit::None) << "the histories tell where they part";
	other.position = {};
	EXPECT_EQ(init_of_k2(true), core::DbInit::Resync);
}

TEST_F(Rebuild, ACrashedMasterIsNotRefusedForItsOldCheckpoint) {
	core::NodeInfo &crashed = add_node("k1", 4, at(2, 0x3000000));
	core::NodeInfo &standby = add_node("k2", 4, at(2, 0x5000000));
	crashed.position_is_end = false;
	const std::string why = refusal("k1");
	EXPECT_EQ(why.find("may have newer data"), std::string::npos) << why;
	EXPECT_NE(why.find("it cannot be told whether keeper k2 has newer data"), std::string::npos);
	EXPECT_EQ(why.find("Name that one"), std::string::npos) << "which may have less";
	EXPECT_NE(why.find("WAL up to timeline 2 at 0/3000000 at least"), std::string::npos) << why;
	EXPECT_NE(refusal("k2").find("it cannot be told whether keeper k1 has newer data"),
	          std::string::npos)
	    << "nor the other way round";
	EXPECT_EQ(refusal("k1", true), "");
	standby.position = at(2, 0x3000000);
	EXPECT_EQ(refusal("k1"), "") << "it has that at least";
	// What the launcher has found when it has read all.
	crashed.position = at(2, 0x6000000);
	crashed.position_is_end = true;
	standby.position = at(2, 0x5000000);
	EXPECT_EQ(refusal("k1"), "");
	EXPECT_NE(refusal("k2").find("keeper k1 may have newer data"), std::string::npos);
}

TEST_F(Rebuild, ARunningServerTellsItsOwnEpochAndPosition) {
	add_node("k1", 4, at(2, 0x4000000));
	add_node("k2", 2, {});
	add_info("k2", 4, at(2, 0x4000001));
	EXPECT_NE(refusal("k1"), "");
	EXPECT_EQ(refusal("k2"), "");
	EXPECT_EQ(from("k2")->data.generation, 71u);
}

TEST_F(Rebuild, ALeaseOfBeforeIsWaitedForAsFarAsItIsKnown) {
	core::ClusterSpec spec;
	spec.fail_interval = core::seconds(2);
	EXPECT_EQ(longest_lease(view_, spec), core::ClusterSpec().fail_interval);
	add_node("k1", 4, {}).fail_interval = core::seconds(40);
	EXPECT_EQ(longest_lease(view_, spec), core::seconds(40));
	spec.fail_interval = core::seconds(60);
	EXPECT_EQ(longest_lease(view_, spec), core::seconds(60));
}

TEST_F(Rebuild, AWritableMasterElsewhereIsNeverOverruled) {
	add_node("k1", 4, at(2, 0x4000000));
	add_node("k2", 4, at(2, 0x4000000));
	add_info("k2", 4, at(2, 0x4000000)).writable = true;
	EXPECT_NE(refusal("k1", true).find("keeper k2 says that it is a writable master"),
	          std::string::npos);
	EXPECT_EQ(refusal("k2"), "");
}

TEST_F(Rebuild, DataOfAnotherClusterAreLeftOut) {
	add_node("k1", 4, at(2, 0x4000000));
	add_node("k2", 9, at(9, 0x4000000)).system_id = "7000000000000000002";
	add_node("k3", 9, at(9, 0x4000000)).cluster_uid = "fedcba9876543210";
	const auto rebuilt = from("k1");
	ASSERT_TRUE(rebuilt.ok()) << rebuilt.error().message;
	EXPECT_EQ(rebuilt->data.keepers.size(), 1u);
	EXPECT_EQ(rebuilt->notes.size(), 2u);
	EXPECT_EQ(rebuilt->data.epoch, core::Epoch{5});
}

TEST_F(Rebuild, AKeeperWithoutDataIsRefusedAndTheOthersAreNamed) {
	add_node("k1", 4, at(2, 0x4000000));
	add_node("k2", 0, {}).db = {};
	EXPECT_EQ(refusal("k2"),
	          "keeper k2 reports no data of a cluster; these report data:\n"
	          "  k1: epoch 4, WAL up to timeline 2 at 0/4000000, its server is down");
	EXPECT_NE(refusal("k3").find("the launcher of keeper k3 is not present"), std::string::npos);
	view_.nodes.clear();
	EXPECT_EQ(refusal("k3"),
	          "the launcher of keeper k3 is not present; no launcher that is present reports data");
}

}  // namespace
}  // namespace stolon::ctl
