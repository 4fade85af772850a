// What an operator reads: the judgement of a cluster and its text, from snapshots of the store.
#include <gtest/gtest.h>

#include "stolonctl/status.h"
#include "stolonctl/table.h"

namespace stolon::ctl {
namespace {

using core::ClusterData;
using core::DbUid;
using core::Epoch;
using core::KeeperUid;
using core::Lsn;
using core::Timeline;
using core::WalPosition;

const core::Keys keys("stolon/cluster", "lab");

store::KeyValue kv(std::string key, std::string value, std::int64_t lease = 7) {
	store::KeyValue result;
	result.key = std::move(key);
	result.value = std::move(value);
	result.lease = lease;
	return result;
}

core::KeeperInfo info(const char *uid, const char *db, core::PgRole role, std::uint64_t lsn) {
	core::KeeperInfo result;
	result.uid = KeeperUid{uid};
	result.db = DbUid{db};
	result.epoch = Epoch{2};
	result.role = role;
	result.position = WalPosition{Timeline{2}, Lsn{lsn}};
	if (role == core::PgRole::Primary) {
		result.writable = true;
		result.writable_epoch = Epoch{2};
	} else {
		result.streaming = true;
		result.upstream = DbUid{"aaaaaaaa"};
	}
	return result;
}

/// Keeper one is the writable master of epoch 2, keeper two streams 1 MiB behind.
class Status : public testing::Test {
protected:
	Status() {
		data = core::initial_clusterdata({}, "0123456789abcdef");
		data.phase = core::ClusterPhase::Normal;
		data.system_id = "7300000000000000001";
		data.epoch = Epoch{2};
		data.generation = 9;
		data.master = DbUid{"aaaaaaaa"};
		add("one", "aaaaaaaa", "");
		add("two", "bbbbbbbb", "aaaaaaaa");
		infos = {info("one", "aaaaaaaa", core::PgRole::Primary, 0x5000000),
		         info("two", "bbbbbbbb", core::PgRole::Standby, 0x4f00000)};
	}

	void add(const char *keeper, const char *db, const char *follow) {
		core::Db entry;
		entry.uid = DbUid{db};
		entry.keeper = KeeperUid{keeper};
		entry.follow = DbUid{follow};
		data.dbs[entry.uid] = entry;
		core::Keeper host;
		host.uid = KeeperUid{keeper};
		host.db = entry.uid;
		host.host = "127.0.0.1";
		host.port = 5432;
		data.keepers[host.uid] = host;
		core::NodeInfo node;
		node.uid = host.uid;
		node.phase = core::NodePhase::Running;
		node.host = host.host;
		node.port = host.port;
		node.db = entry.uid;
		nodes.push_back(node);
	}

	ClusterView view() {
		std::vector<store::KeyValue> kvs;
		kvs.push_back(kv(keys.clusterdata(), core::clusterdata_to_text(data), 0));
		for (const core::KeeperInfo &one : infos) {
			kvs.push_back(kv(keys.keeper_info(one.uid), core::keeper_info_to_text(one)));
		}
		for (const core::NodeInfo &node : nodes) {
			kvs.push_back(kv(keys.node(node.uid), core::node_info_to_text(node)));
		}
		if (beat) {
			kvs.push_back(kv(keys.beat(KeeperUid{"one"}), core::beat_to_text(*beat), 0));
		}
		if (sentinel) {
			const core::SentinelInfo one{core::SentinelUid{"s1"}, "host1", 42};
			kvs.push_back(kv(keys.sentinel_leader(), "s1"));
			kvs.push_back(kv(keys.sentinel_info(one.uid), core::sentinel_info_to_text(one)));
		}
		core::Result<ClusterView> made = make_view(keys, kvs);
		EXPECT_TRUE(made.ok()) << made.error().message;
		return made.ok() ? *made : ClusterView{};
	}

	StatusReport report() { return make_report(view()); }

	ClusterData data;
	std::vector<core::KeeperInfo> infos;
	std::vector<core::NodeInfo> nodes;
	std::optional<core::Beat> beat;
	bool sentinel = true;
};

TEST_F(Status, WritableMasterAndStreamingStandbyAreGood) {
	const StatusReport result = report();
	EXPECT_EQ(result.health, Health::Good);
	EXPECT_EQ(result.headline, "one is the master and can be written to; 1 of 1 standbys stream");
	EXPECT_TRUE(result.warnings.empty());
	ASSERT_EQ(result.keepers.size(), 2u);
	EXPECT_EQ(result.keepers[1].lag_bytes, std::optional<std::uint64_t>(0x100000));
	EXPECT_FALSE(result.keepers[0].lag_bytes);
}

TEST_F(Status, StandbyThatDoesNotStreamDegrades) {
	infos[1].streaming = false;
	EXPECT_EQ(report().health, Health::Degraded);
}

TEST_F(Status, StandbyOfAnotherThanTheMasterDegradesAndIsNamed) {
	infos[1].upstream = DbUid{"cccccccc"};
	const StatusReport result = report();
	EXPECT_EQ(result.health, Health::Degraded);
	EXPECT_FALSE(result.keepers[1].streaming);
	ASSERT_EQ(result.warnings.size(), 1u);
	EXPECT_EQ(result.warnings[0], "keeper two: streams from db cccccccc, which is not the master");
}

TEST_F(Status, StandbyThatIsNotConsistentYetIsNamedSo) {
	infos[1].inconsistent = true;
	EXPECT_NE(status_text("lab", view(), report()).find("not consistent yet"), std::string::npos);
}

TEST_F(Status, StandbyAheadOfTheMastersLastReportHasNoLag) {
	infos[1].position.lsn = Lsn{0x6000000};
	EXPECT_EQ(report().keepers[1].lag_bytes, std::optional<std::uint64_t>(0));
}

TEST_F(Status, MissingSentinelDegradesAndIsNamed) {
	sentinel = false;
	const StatusReport result = report();
	EXPECT_EQ(result.health, Health::Degraded);
	ASSERT_EQ(result.warnings.size(), 1u);
	EXPECT_EQ(result.warnings[0], "no sentinel runs: nobody would fail over");
}

TEST_F(Status, MasterThatIsWritableInAnOlderEpochIsNotWritable) {
	infos[0].writable_epoch = Epoch{1};
	EXPECT_EQ(report().health, Health::NotWritable);
}

TEST_F(Status, SilentMasterIsNotWritable) {
	infos.erase(infos.begin());
	const StatusReport result = report();
	EXPECT_EQ(result.health, Health::NotWritable);
	EXPECT_EQ(result.headline, "one is named master of epoch 2 and does not report");
}

TEST_F(Status, ReleasedMasterIsNotWritableWhateverItsKeeperSaidLast) {
	beat = core::Beat{};
	beat->epoch = Epoch{2};
	beat->db = data.master;
	beat->valid = core::seconds(5);
	beat->master_revision = 3;
	beat->position = infos[0].position;
	beat->released = true;
	beat->reason = "the postmaster was ended by signal 9";
	StatusReport result = report();
	EXPECT_EQ(result.health, Health::NotWritable);
	EXPECT_EQ(
	    result.headline,
	    "one is named master of epoch 2 and has ended (the postmaster was ended by signal 9)");
	beat->epoch = Epoch{1};
	EXPECT_EQ(report().health, Health::Good);
}

TEST_F(Status, MasterThatSaysItIsUnfitIsPointedOutWithItsReason) {
	beat = core::Beat{};
	beat->epoch = Epoch{2};
	beat->db = data.master;
	beat->valid = core::seconds(5);
	beat->master_revision = 3;
	beat->unfit = "WAL flushes have been hanging";
	const ClusterView seen = view();
	const StatusReport result = make_report(seen);
	EXPECT_EQ(result.health, Health::Degraded);
	ASSERT_EQ(result.warnings.size(), 1u);
	EXPECT_EQ(result.warnings[0],
	          "keeper one: this master says that it is unfit: WAL flushes have been hanging");
	const std::string text = status_text("lab", seen, result);
	EXPECT_NE(text.find("unfit: WAL flushes have been hanging"), std::string::npos) << text;
	const core::Json json = status_json("lab", seen, result);
	EXPECT_EQ(json.get("keepers").at(0).get("unfit").as_string(), "WAL flushes have been hanging");
	EXPECT_TRUE(json.get("keepers").at(1).get("unfit").is_null());
	// What was said in a term that is over counts no more.
	beat->epoch = Epoch{1};
	EXPECT_EQ(report().health, Health::Good);
}

TEST_F(Status, ElectionThatWaitsForTheOldLeaseSaysSo) {
	data.epoch = Epoch{3};
	data.master = DbUid{};
	data.election = core::Election{};
	data.election->epoch = Epoch{3};
	data.election->old_master = DbUid{"aaaaaaaa"};
	data.election->lease_runs_for = core::seconds(5);
	data.election->reason = "its disk is full";
	EXPECT_EQ(report().headline,
	          "the election of epoch 3 is open, nobody has been asked yet, as the old master may "
	          "still hold its lease (its disk is full)");
}

TEST_F(Status, OpenElectionCountsOnlyVotesOfItsEpochAndItsVoters) {
	data.epoch = Epoch{3};
	data.master = DbUid{};
	data.election = core::Election{};
	data.election->epoch = Epoch{3};
	data.election->old_master = DbUid{"aaaaaaaa"};
	data.election->voters = {DbUid{"bbbbbbbb"}};
	data.election->reason = "the beat has expired";
	infos[0].vote = core::Vote{Epoch{3}, infos[0].position, {}};
	infos[1].vote = core::Vote{Epoch{2}, infos[1].position, {}};
	StatusReport result = report();
	EXPECT_EQ(result.health, Health::NoMaster);
	EXPECT_EQ(result.headline,
	          "the election of epoch 3 is open, 0 of 1 voters have voted (the beat has expired)");
	infos[1].vote->epoch = Epoch{3};
	result = report();
	EXPECT_EQ(result.headline,
	          "the election of epoch 3 is open, 1 of 1 voters have voted (the beat has expired)");
}

TEST_F(Status, PrimaryThatIsNotTheMasterIsPointedOut) {
	infos[1].role = core::PgRole::Primary;
	const StatusReport result = report();
	EXPECT_EQ(result.health, Health::Degraded);
	ASSERT_EQ(result.warnings.size(), 1u);
	EXPECT_EQ(result.warnings[0],
	          "keeper two: runs as a primary and is not the master (it is fenced)");
}

TEST_F(Status, RefusingLauncherIsPointedOutWithItsReason) {
	nodes[1].phase = core::NodePhase::Refusing;
	nodes[1].message = "the data directory belongs to another cluster";
	infos.pop_back();
	const ClusterView seen = view();
	const StatusReport result = make_report(seen);
	EXPECT_EQ(result.health, Health::Degraded);
	const std::string text = status_text("lab", seen, result);
	EXPECT_NE(text.find("REFUSING"), std::string::npos) << text;
	EXPECT_NE(text.find("launcher: the data directory belongs to another cluster"),
	          std::string::npos)
	    << text;
}

TEST_F(Status, NodeWithoutAnEntryInTheViewIsListed) {
	core::NodeInfo node;
	node.uid = KeeperUid{"three"};
	node.host = "127.0.0.1";
	node.port = 5434;
	nodes.push_back(node);
	EXPECT_EQ(report().keepers.size(), 3u);
}

TEST_F(Status, TextMarksTheLeaderAndShowsWhereWalIs) {
	const ClusterView seen = view();
	const std::string text = status_text("lab", seen, make_report(seen));
	EXPECT_EQ(text.rfind("GOOD: ", 0), 0u) << text;
	EXPECT_NE(text.find("0/4F00000"), std::string::npos) << text;
	EXPECT_NE(text.find("1 MB"), std::string::npos) << text;
	EXPECT_NE(text.find("leader"), std::string::npos) << text;
}

TEST_F(Status, JsonHoldsWhatTheTextSays) {
	const ClusterView seen = view();
	const core::Json json = status_json("lab", seen, make_report(seen));
	EXPECT_EQ(json.get("health").as_string(), "good");
	EXPECT_EQ(json.get("master").get("keeper").as_string(), "one");
	EXPECT_TRUE(json.get("election").is_null());
	ASSERT_EQ(json.get("keepers").size(), 2u);
	EXPECT_EQ(json.get("keepers").at(1).get("lagBytes").as_integer(), 0x100000);
	EXPECT_TRUE(json.get("sentinels").at(0).get("leader").as_boolean());
}

TEST_F(Status, ControlCharactersFromTheStoreDoNotReachTheTerminal) {
	infos[1].message = "evil";
	nodes[1].message = "x\x1b[2Jy";
	const ClusterView seen = view();
	const std::string text = status_text("lab", seen, make_report(seen));
	EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(View, DamagedInfoIsAProblemAndNotAnError) {
	core::Result<ClusterView> view = make_view(
	    keys, {kv(keys.keeper_info(KeeperUid{"one"}), "{"), kv(keys.nodes() + "UPPER!", "{}")});
	ASSERT_TRUE(view.ok());
	EXPECT_EQ(view->problems.size(), 2u);
	EXPECT_TRUE(view->infos.empty());
}

TEST(View, DamagedClusterdataIsAnErrorThatNamesTheKey) {
	core::Result<ClusterView> view = make_view(keys, {kv(keys.clusterdata(), "[1,2", 0)});
	ASSERT_FALSE(view.ok());
	EXPECT_EQ(view.error().message.rfind("stolon/cluster/lab/clusterdata is damaged: ", 0), 0u)
	    << view.error().message;
}

TEST(View, LastEventIsTheOneWithTheHighestNumber) {
	core::HistoryEvent event;
	event.kind = "failover";
	event.time = "2026-01-31T10:00:00Z";
	std::vector<store::KeyValue> kvs;
	for (std::uint64_t number : {9, 10, 11}) {
		event.number = number;
		kvs.push_back(kv(keys.history(number), core::history_event_to_text(event), 0));
	}
	core::Result<ClusterView> view = make_view(keys, kvs);
	ASSERT_TRUE(view.ok());
	ASSERT_TRUE(view->last_event) << (view->problems.empty() ? "" : view->problems[0]);
	EXPECT_EQ(view->last_event->number, 11u);
}

TEST(Bytes, AreShortAndReadable) {
	EXPECT_EQ(format_bytes(0), "0 B");
	EXPECT_EQ(format_bytes(1023), "1023 B");
	EXPECT_EQ(format_bytes(1024), "1 kB");
	EXPECT_EQ(format_bytes(1536), "1.5 kB");
	EXPECT_EQ(format_bytes(20 * 1024 * 1024), "20 MB");
	EXPECT_EQ(format_bytes(UINT64_MAX), "15 EB");
}

}  // namespace
}  // namespace stolon::ctl
