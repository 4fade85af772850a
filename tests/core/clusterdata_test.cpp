#include "core/model/clusterdata.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

constexpr std::string_view full = R"({"formatVersion":1,"clusterUID":"0123456789abcdef",
	"systemID":"7123456789012345678","generation":12,"epoch":3,"phase":"normal",
	"namedAt":{"timeline":2,"lsn":"0/3000000"},
	"masterHistory":{"timeline":2,"history":[{"timeline":1,"end":"0/3000000"}]},
	"election":{"epoch":3,"oldMaster":"aaaaaaaa","lastKnown":{"timeline":2,"lsn":"0/5000060"},
		"history":[{"timeline":1,"end":"0/3000000"}],"leaseRunsForMs":1500,"voters":["bbbbbbbb"],"reason":"expired"},
	"resume":{"db":"aaaaaaaa","beatRevision":77},
	"switchover":{"id":"00000000000000aa","to":"k2","timeoutMs":1500,
		"at":"2026-05-01T20:30:00.250Z","phase":"stop","cancel":true,"epoch":2,
		"generation":11,"from":"aaaaaaaa","target":"bbbbbbbb","reason":"why"},
	"keepers":{"k1":{"db":"aaaaaaaa","host":"10.0.0.1","port":5432,"rack":[1.5,null]},
		"k2":{"db":"bbbbbbbb","host":"db2.example","port":5433},
		"k3":{"host":"::1","port":65535}},
	"dbs":{"aaaaaaaa":{"keeper":"k1","generation":1,"init":"none","later":{"x":0.25}},
		"bbbbbbbb":{"keeper":"k2","generation":2,"init":"resync","follow":"aaaaaaaa"},
		"cccccccc":{"keeper":"k2","generation":2,"init":"none","follow":"aaaaaaaa"}},
	"spec":{"failInterval":"2s","someThing":-1e-7},"future":[true]})";

Json full_json() {
	return *Json::parse(full);
}

/// `full` with the value at `path` replaced; a missing value erases it.
Json with(Json object, const std::vector<std::string> &path, Json value, std::size_t depth = 0) {
	if (depth + 1 == path.size())
		object.set(path[depth], std::move(value));
	else
		object.set(path[depth], with(object.get(path[depth]), path, std::move(value), depth + 1));
	return object;
}

std::string refusal(const Json &object) {
	const auto data = parse_clusterdata(object.dump());
	return data.ok() ? "" : data.error().message;
}

TEST(ClusterDataText, IsReadCompletely) {
	const auto data = parse_clusterdata(full);
	ASSERT_TRUE(data.ok()) << data.error().message;
	EXPECT_EQ(data->cluster_uid, "0123456789abcdef");
	EXPECT_EQ(data->system_id, "7123456789012345678");
	EXPECT_EQ(data->generation, 12u);
	EXPECT_EQ(data->epoch, Epoch{3});
	EXPECT_EQ(data->phase, ClusterPhase::Normal);
	EXPECT_TRUE(data->master.empty());
	EXPECT_EQ(data->named_at, (WalPosition{Timeline{2}, Lsn{0x3000000}}));
	EXPECT_EQ(data->master_history,
	          (TimelineHistory{Timeline{2}, {{Timeline{1}, Lsn{0x3000000}}}}));
	ASSERT_TRUE(data->election.has_value());
	EXPECT_EQ(data->election->old_master, DbUid{"aaaaaaaa"});
	EXPECT_EQ(data->election->last_known, (WalPosition{Timeline{2}, Lsn{0x5000060}}));
	ASSERT_EQ(data->election->history.size(), 1u);
	EXPECT_EQ(data->election->history[0].end, Lsn{0x3000000});
	EXPECT_EQ(data->election->voters, std::vector<DbUid>{DbUid{"bbbbbbbb"}});
	EXPECT_EQ(data->election->lease_runs_for, milliseconds(1500));
	EXPECT_EQ(data->election->reason, "expired");
	EXPECT_EQ(data->resume->beat_revision, 77);
	ASSERT_TRUE(data->switchover.has_value());
	EXPECT_EQ(data->switchover->id, "00000000000000aa");
	EXPECT_EQ(data->switchover->to, KeeperUid{"k2"});
	EXPECT_EQ(data->switchover->timeout, milliseconds(1500));
	EXPECT_EQ(data->switchover->phase, SwitchoverPhase::Stop);
	ASSERT_TRUE(data->switchover->at.has_value());
	EXPECT_EQ(format_wall_time(*data->switchover->at), "2026-05-01T20:30:00.250Z");
	EXPECT_TRUE(data->switchover->cancel);
	EXPECT_EQ(data->switchover->epoch, Epoch{2});
	EXPECT_EQ(data->switchover->generation, 11u);
	EXPECT_EQ(data->switchover->from, DbUid{"aaaaaaaa"});
	EXPECT_EQ(data->switchover->target, DbUid{"bbbbbbbb"});
	EXPECT_EQ(data->switchover->reason, "why");
	EXPECT_EQ(data->spec.fail_interval, seconds(2));
	const Db &db = data->dbs.at(DbUid{"bbbbbbbb"});
	EXPECT_EQ(db.keeper, KeeperUid{"k2"});
	EXPECT_EQ(db.init, DbInit::Resync);
	EXPECT_EQ(db.follow, DbUid{"aaaaaaaa"});
	EXPECT_EQ(data->db_of(KeeperUid{"k2"}), &db);
	EXPECT_EQ(data->db_of(KeeperUid{"k3"}), nullptr);
	EXPECT_EQ(data->db_of(KeeperUid{"k4"}), nullptr);
	EXPECT_EQ(data->master_keeper(), nullptr);
	EXPECT_EQ(data->find_keeper(KeeperUid{"k3"})->port, 65535);
}

TEST(ClusterDataText, AnElectionThatDoesNotTellOfTheLeaseWaitsForTheLongestOne) {
	const auto absent =
	    parse_clusterdata(with(full_json(), {"election", "leaseRunsForMs"}, Json{}).dump());
	ASSERT_TRUE(absent.ok()) << absent.error().message;
	EXPECT_EQ(absent->election->lease_runs_for, SpecLimits::max_fail_interval);
	// "It is over" is always said, so that it is never taken for silence.
	ClusterData over = *absent;
	over.election->lease_runs_for = Duration(0);
	EXPECT_EQ(*parse_clusterdata(clusterdata_to_text(over)), over);
	for (const std::string_view damaged : {"-1", "600001", "1.5", "\"5s\"", "true"})
		EXPECT_NE(refusal(with(full_json(), {"election", "leaseRunsForMs"}, *Json::parse(damaged))),
		          "")
		    << damaged;
}

TEST(ClusterDataText, UnknownFieldsAtEveryLevelSurviveAChange) {
	auto data = parse_clusterdata(full);
	ASSERT_TRUE(data.ok());
	data->generation++;
	data->spec.max_standbys = 3;
	data->keepers.at(KeeperUid{"k1"}).port = 1;
	data->dbs.at(DbUid{"aaaaaaaa"}).init = DbInit::Resync;
	const Json written = *Json::parse(clusterdata_to_text(*data));
	const Json before = full_json();
	EXPECT_EQ(written.get("future"), before.get("future"));
	EXPECT_EQ(written.get("spec").get("someThing"), before.get("spec").get("someThing"));
	EXPECT_EQ(written.get("keepers").get("k1").get("rack"),
	          before.get("keepers").get("k1").get("rack"));
	EXPECT_EQ(written.get("dbs").get("aaaaaaaa").get("later"),
	          before.get("dbs").get("aaaaaaaa").get("later"));
	EXPECT_EQ(written.get("spec").get("maxStandbys").as_integer(), 3);
	EXPECT_EQ(written.get("keepers").get("k1").get("port").as_integer(), 1);
}

TEST(ClusterDataText, WhatIsWrittenIsReadBackTheSame) {
	const auto data = parse_clusterdata(full);
	ASSERT_TRUE(data.ok());
	const std::string text = clusterdata_to_text(*data);
	EXPECT_EQ(*Json::parse(text), full_json());
	const auto again = parse_clusterdata(text);
	ASSERT_TRUE(again.ok()) << again.error().message;
	EXPECT_EQ(*data, *again);
	EXPECT_EQ(text, clusterdata_to_text(*again));
}

TEST(ClusterDataText, ANewClusterIsReadBack) {
	const ClusterData data = initial_clusterdata(ClusterSpec{}, "0123456789abcdef");
	EXPECT_EQ(data.phase, ClusterPhase::Initializing);
	EXPECT_EQ(data.epoch, Epoch{0});
	EXPECT_TRUE(data.master.empty());
	const auto again = parse_clusterdata(clusterdata_to_text(data));
	ASSERT_TRUE(again.ok()) << again.error().message;
	EXPECT_EQ(data, *again);
}

TEST(ClusterDataText, TheNamedMasterIsFound) {
	Json object = with(full_json(), {"election"}, Json{});
	object = with(object, {"master"}, Json::string("bbbbbbbb"));
	const auto data = parse_clusterdata(object.dump());
	ASSERT_TRUE(data.ok()) << data.error().message;
	EXPECT_EQ(data->master_keeper(), data->find_keeper(KeeperUid{"k2"}));
}

struct Damage {
	std::vector<std::string> path;
	const char *value;  ///< JSON, or "" to erase
	const char *message;
};

TEST(ClusterDataRefusals, NameThePlaceAndTheProblem) {
	const Damage cases[] = {
	    {{"formatVersion"}, "", "clusterdata: formatVersion is missing or not a version"},
	    {{"formatVersion"}, "0", "clusterdata: formatVersion is missing or not a version"},
	    {{"formatVersion"}, "\"1\"", "clusterdata: formatVersion is missing or not a version"},
	    {{"formatVersion"},
	     "2",
	     "clusterdata: it was written by a newer version (format 2, this version knows 1); "
	     "upgrade this program"},
	    {{"clusterUID"}, "", "clusterdata.clusterUID: is missing"},
	    {{"clusterUID"},
	     "\"xyz\"",
	     "clusterdata: clusterUID must have 16 lower-case hexadecimal digits"},
	    {{"systemID"}, "\"12a\"", "clusterdata: systemID must be a number of at most 20 digits"},
	    {{"systemID"}, "7", "clusterdata.systemID: must be a string"},
	    {{"phase"}, "", "clusterdata.phase: is missing"},
	    {{"phase"}, "\"paused\"", "clusterdata.phase: \"paused\" is not known to this version"},
	    {{"generation"},
	     "-1",
	     "clusterdata.generation: must be an integer from 0 to 9223372036854775807"},
	    {{"generation"},
	     "1.5",
	     "clusterdata.generation: must be an integer from 0 to 9223372036854775807"},
	    {{"master"},
	     "\"bbbbbbbb\"",
	     "clusterdata: there are both a master (bbbbbbbb) and an open election"},
	    {{"master"},
	     "\"BBBBBBBB\"",
	     "clusterdata.master: db uid \"BBBBBBBB\" is not valid; it has 8 lower-case hexadecimal "
	     "digits"},
	    {{"master"}, "7", "clusterdata.master: must be a string"},
	    {{"epoch"}, "4", "clusterdata: the open election is of epoch 3, but the epoch is 4"},
	    {{"switchover", "id"},
	     "\"zz\"",
	     "clusterdata.switchover.id: must have 16 lower-case hexadecimal digits"},
	    {{"switchover", "timeoutMs"},
	     "1",
	     "clusterdata.switchover.timeoutMs: must be at least 100"},
	    {{"switchover", "phase"},
	     "\"flight\"",
	     "clusterdata.switchover.phase: \"flight\" is not known to this version"},
	    {{"switchover", "at"},
	     "\"2026-05-01 20:30\"",
	     "clusterdata.switchover.at: \"2026-05-01 20:30\" is not a time: it has no zone; "
	     "write for example \"2026-05-01 22:30\" or \"2026-05-01T22:30:00Z\""},
	    {{"switchover", "target"},
	     "",
	     "clusterdata.switchover.phase: needs both \"from\" and \"target\""},
	    {{"election"}, "[]", "clusterdata.election: must be an object"},
	    {{"election", "epoch"}, "", "clusterdata.election.epoch: is missing"},
	    {{"election", "voters"},
	     "[\"bbbbbbbb\",\"bbbbbbbb\"]",
	     "clusterdata: a voter of the open election is named twice"},
	    {{"election", "voters"}, "[\"\"]", "clusterdata.election.voters: has an empty entry"},
	    {{"election", "voters"}, "{}", "clusterdata.election.voters: must be an array"},
	    {{"election", "lastKnown"},
	     "{\"timeline\":4294967296,\"lsn\":\"0/1\"}",
	     "clusterdata.election.lastKnown.timeline: must be an integer from 0 to 4294967295"},
	    {{"election", "lastKnown", "lsn"},
	     "\"5\"",
	     "clusterdata.election.lastKnown.lsn: \"5\" is not a WAL location; write for example "
	     "\"0/16B3740\""},
	    {{"election", "history"},
	     "[{\"timeline\":2,\"end\":\"0/1\"}]",
	     "clusterdata.election.history: has a timeline that is not older than the position's"},
	    {{"resume", "db"}, "", "clusterdata.resume.db: is missing"},
	    {{"keepers"}, "[]", "clusterdata.keepers: must be an object"},
	    {{"keepers", "K9"},
	     "{}",
	     "clusterdata.keepers: keeper uid \"K9\" is not valid; use 1 to 40 lower-case letters, "
	     "digits and '_'"},
	    {{"keepers", "k3"}, "7", "clusterdata.keepers.k3: must be an object"},
	    {{"keepers", "k3", "host"}, "", "clusterdata.keepers.k3.host: is missing"},
	    {{"keepers", "k3", "host"},
	     "\"a b\"",
	     "clusterdata.keepers.k3.host: is no host name or address (1 to 255 printable characters "
	     "without spaces, quotes and backslashes)"},
	    {{"keepers", "k3", "port"},
	     "65536",
	     "clusterdata.keepers.k3.port: must be an integer from 1 to 65535"},
	    {{"keepers", "k3", "port"},
	     "0",
	     "clusterdata.keepers.k3.port: must be an integer from 1 to 65535"},
	    {{"keepers", "k3", "db"},
	     "\"dddddddd\"",
	     "clusterdata: keeper k3 has the db dddddddd, which is not among the dbs"},
	    {{"keepers", "k3", "db"},
	     "\"aaaaaaaa\"",
	     "clusterdata: keeper k3 has the db aaaaaaaa, which belongs to keeper k1"},
	    {{"keepers", "k2"},
	     "",
	     "clusterdata: db bbbbbbbb belongs to keeper k2, which is not among the keepers"},
	    {{"dbs", "aaaaaaaa"},
	     "",
	     "clusterdata: keeper k1 has the db aaaaaaaa, which is not among the dbs"},
	    {{"dbs", "xxxxxxxx"},
	     "{}",
	     "clusterdata.dbs: db uid \"xxxxxxxx\" is not valid; it has 8 lower-case hexadecimal "
	     "digits"},
	    {{"dbs", "aaaaaaaa", "keeper"}, "", "clusterdata.dbs.aaaaaaaa.keeper: is missing"},
	    {{"dbs", "aaaaaaaa", "init"}, "", "clusterdata.dbs.aaaaaaaa.init: is missing"},
	    {{"dbs", "aaaaaaaa", "init"},
	     "\"pitr\"",
	     "clusterdata.dbs.aaaaaaaa.init: \"pitr\" is not known to this version"},
	    {{"dbs", "cccccccc", "follow"}, "\"cccccccc\"", "clusterdata: db cccccccc follows itself"},
	    {{"spec"}, "[]", "clusterdata: spec: cluster spec: must be an object"},
	    {{"spec", "failInterval"},
	     "\"5\"",
	     "clusterdata: spec: failInterval: \"5\" is not a duration; write for example \"5s\" or "
	     "\"1m30s\""},
	};
	for (const Damage &damage : cases) {
		const Json value = *damage.value == '\0' ? Json{} : *Json::parse(damage.value);
		EXPECT_EQ(refusal(with(full_json(), damage.path, value)), damage.message);
	}
}

TEST(ClusterDataRefusals, AMasterMustBeTheCurrentDbOfItsKeeper) {
	const Json settled = with(full_json(), {"election"}, Json{});
	EXPECT_EQ(refusal(with(settled, {"master"}, Json::string("dddddddd"))),
	          "clusterdata: the master dddddddd is not among the dbs");
	EXPECT_EQ(refusal(with(settled, {"master"}, Json::string("cccccccc"))),
	          "clusterdata: the master cccccccc is not the current db of its keeper k2");
	EXPECT_EQ(refusal(with(settled, {"master"}, Json::string("aaaaaaaa"))), "");
}

TEST(ClusterDataRefusals, TextThatIsNoneIsNotRepaired) {
	for (const std::string_view text :
	     {"", "null", "[]", "{", "{}", "\"x\"", "{\"formatVersion\":1}"})
		EXPECT_FALSE(parse_clusterdata(text).ok()) << text;
	const std::string padding(ModelLimits::max_value_bytes, ' ');
	EXPECT_FALSE(parse_clusterdata(std::string(full) + padding).ok());
	EXPECT_TRUE(parse_clusterdata(std::string(full) + padding.substr(full.size())).ok());
}

std::string uid_text(std::size_t number) {
	const std::string digits = std::to_string(number);
	return std::string(8 - digits.size(), '0') + digits;
}

TEST(ClusterDataLimits, BoundTheMembers) {
	const auto keepers = [](std::size_t count) {
		Json object = Json::object();
		for (std::size_t i = 0; i < count; i++)
			object.set("n" + std::to_string(i), *Json::parse(R"({"host":"h","port":1})"));
		return with(with(with(full_json(), {"keepers"}, object), {"dbs"}, Json::object()),
		            {"election"}, Json{});
	};
	EXPECT_EQ(refusal(keepers(ModelLimits::max_keepers)), "");
	EXPECT_EQ(refusal(keepers(ModelLimits::max_keepers + 1)),
	          "clusterdata.keepers: has 101 entries; 100 are allowed");
	const auto dbs = [](std::size_t count) {
		Json object = full_json().get("dbs");
		while (object.size() < count)
			object.set(uid_text(object.size()), *Json::parse(R"({"keeper":"k2","init":"none"})"));
		return with(full_json(), {"dbs"}, object);
	};
	EXPECT_EQ(refusal(dbs(ModelLimits::max_dbs)), "");
	EXPECT_EQ(refusal(dbs(ModelLimits::max_dbs + 1)),
	          "clusterdata.dbs: has 201 entries; 200 are allowed");
}

Db full_db(const DbUid &uid, const KeeperUid &keeper) {
	Db db;
	db.uid = uid;
	db.keeper = keeper;
	db.generation = ~0ull >> 1;
	db.init = DbInit::Resync;
	db.clone_anew = true;
	db.handed_over = true;
	db.follow = db.replaces = DbUid{"ffffffff"};
	db.repairs = ~0ull >> 1;
	return db;
}

TEST(ClusterDataLimits, TheLargestThatTheModelAllowsFitsIntoTheBound) {
	ClusterData data = initial_clusterdata(ClusterSpec{}, "0123456789abcdef");
	data.phase = ClusterPhase::Normal;
	data.epoch = Epoch{9};
	data.election =
	    Election{Epoch{9}, DbUid{uid_text(0)},    {Timeline{99}, Lsn{~0ull}}, {}, Duration(0),
	             {},       std::string(5000, 'r')};
	for (std::size_t i = 0; i < ModelLimits::max_dbs; i++) {
		const std::size_t host = i % ModelLimits::max_keepers;
		const KeeperUid keeper{std::string(37, 'k') + std::to_string(100 + host)};
		const DbUid db{uid_text(i)};
		data.keepers[keeper] = Keeper{keeper, db, std::string(255, 'h'), 65535, {}};
		data.dbs[db] = full_db(db, keeper);
		data.election->voters.push_back(db);
	}
	const std::string text = clusterdata_to_text(data);
	const auto again = parse_clusterdata(text);
	ASSERT_TRUE(again.ok()) << again.error().message;
	EXPECT_EQ(again->election->reason.size(), 1024u) << "a reason is cut, not refused later";
	EXPECT_EQ(again->dbs, data.dbs);
	EXPECT_LT(text.size(), ModelLimits::max_value_bytes / 2);
}

TEST(MasterKeyText, IsReadBack) {
	for (const MasterKey &key : {MasterKey{Epoch{7}, DbUid{"0a1b2c3d"}}, MasterKey{Epoch{8}, {}}}) {
		const auto again = parse_master_key(master_key_to_text(key));
		ASSERT_TRUE(again.ok()) << again.error().message;
		EXPECT_EQ(*again, key);
	}
	EXPECT_EQ(master_key_to_text({Epoch{7}, DbUid{"0a1b2c3d"}}), R"({"epoch":7,"db":"0a1b2c3d"})");
	for (const std::string_view text : {"", "{}", R"({"db":"0a1b2c3d"})", R"({"epoch":-1,"db":""})",
	                                    R"({"epoch":1,"db":"x"})", R"({"epoch":"1","db":""})"})
		EXPECT_FALSE(parse_master_key(text).ok()) << text;
}

}  // namespace
}  // namespace stolon::core
