#include "core/model/clusterdata.h"

#include <algorithm>
#include <set>

#include "core/model/fields.h"

namespace stolon::core {
namespace {

constexpr std::array<std::string_view, 2> phase_names = {"initializing", "normal"};
constexpr std::array<std::string_view, 3> init_names = {"new", "resync", "none"};
constexpr std::size_t max_master_key_bytes = 4096;

Error bad(const std::string &what) {
	return invalid("clusterdata: " + what);
}

bool is_cluster_uid(std::string_view text) {
	return text.size() == 16 && std::all_of(text.begin(), text.end(), [](char c) {
		       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
	       });
}

bool is_system_id(std::string_view text) {
	return text.size() <= 20 &&
	       std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Status check_format_version(const Json &object) {
	const Json version = object.get("formatVersion");
	if (!version.is_integer() || version.as_integer() < 1)
		return bad("formatVersion is missing or not a version");
	if (version.as_integer() > clusterdata_format_version)
		return bad("it was written by a newer version (format " +
		           std::to_string(version.as_integer()) + ", this version knows " +
		           std::to_string(clusterdata_format_version) + "); upgrade this program");
	return {};
}

/// Who wrote an election without it did not know that a lease may still run, or lost the field:
/// then it may run for as long as any lease can. That costs waiting, never a second master, and is
/// over by itself; refusing the value would leave the cluster without anybody who decides.
Duration read_lease_runs_for(FieldReader &in) {
	return in.has("leaseRunsForMs") ? in.ms("leaseRunsForMs", SpecLimits::max_fail_interval)
	                                : SpecLimits::max_fail_interval;
}

Election read_election(const Json &value, FieldReader &outer) {
	FieldReader in(value, "clusterdata.election");
	in.require("epoch");
	Election election;
	election.epoch = in.epoch("epoch");
	election.old_master = in.uid<DbTag>("oldMaster");
	election.last_known = in.position("lastKnown");
	election.history = in.history("history", election.last_known.timeline);
	election.lease_runs_for = read_lease_runs_for(in);
	for (const Json &voter : in.list("voters", ModelLimits::max_dbs)) {
		election.voters.push_back(in.uid_of<DbTag>(voter, "voters"));
		if (election.voters.back().empty())
			in.fail("voters", "has an empty entry");
	}
	election.reason = in.text("reason", ValueLimits::max_message);
	outer.adopt(in);
	return election;
}

Json write_election(const Election &election) {
	Json object = Json::object();
	put_number(object, "epoch", election.epoch.value);
	put_text(object, "oldMaster", election.old_master.value);
	put_position(object, "lastKnown", election.last_known);
	put_history(object, "history", election.history);
	object.set("leaseRunsForMs", Json::integer(to_ms(election.lease_runs_for)));
	Json voters = Json::array();
	for (const DbUid &voter : election.voters)
		voters.push(Json::string(voter.value));
	object.set("voters", std::move(voters));
	put_message(object, "reason", election.reason);
	return object;
}

TimelineHistory read_master_history(const Json &value, FieldReader &outer) {
	FieldReader in(value, "clusterdata.masterHistory");
	in.require("timeline");
	TimelineHistory history;
	history.timeline = in.timeline("timeline");
	history.history = in.history("history", history.timeline);
	outer.adopt(in);
	return history;
}

Json write_master_history(const TimelineHistory &history) {
	Json object = Json::object();
	put_number(object, "timeline", history.timeline.value);
	put_history(object, "history", history.history);
	return object;
}

ResumePermit read_resume(const Json &value, FieldReader &outer) {
	FieldReader in(value, "clusterdata.resume");
	in.require("db");
	const ResumePermit permit{in.uid<DbTag>("db"), in.integer("beatRevision")};
	outer.adopt(in);
	return permit;
}

Json write_resume(const ResumePermit &permit) {
	Json object = Json::object();
	object.set("db", Json::string(permit.db.value));
	object.set("beatRevision", Json::integer(permit.beat_revision));
	return object;
}

Keeper read_keeper(const KeeperUid &uid, const Json &value, FieldReader &outer) {
	FieldReader in(value, "clusterdata.keepers." + uid.value);
	for (const char *key : {"host", "port"})
		in.require(key);
	Keeper keeper;
	keeper.uid = uid;
	keeper.db = in.uid<DbTag>("db");
	keeper.host = in.host("host");
	keeper.port = in.port("port");
	keeper.extra = in.unknown();
	outer.adopt(in);
	return keeper;
}

Json write_keeper(const Keeper &keeper) {
	Json object = Json::object();
	put_text(object, "db", keeper.db.value);
	object.set("host", Json::string(keeper.host));
	object.set("port", Json::integer(keeper.port));
	put_unknown(object, keeper.extra);
	return object;
}

Db read_db(const DbUid &uid, const Json &value, FieldReader &outer) {
	FieldReader in(value, "clusterdata.dbs." + uid.value);
	for (const char *key : {"keeper", "init"})
		in.require(key);
	Db db;
	db.uid = uid;
	db.keeper = in.uid<KeeperTag>("keeper");
	db.generation = static_cast<std::uint64_t>(in.integer("generation"));
	db.init = in.choice<DbInit>("init", init_names);
	db.clone_anew = in.boolean("cloneAnew");
	db.follow = in.uid<DbTag>("follow");
	db.handed_over = in.boolean("handedOver");
	db.replaces = in.uid<DbTag>("replaces");
	db.repairs = static_cast<std::uint64_t>(in.integer("repairs"));
	db.extra = in.unknown();
	outer.adopt(in);
	return db;
}

Json write_db(const Db &db) {
	Json object = Json::object();
	object.set("keeper", Json::string(db.keeper.value));
	put_number(object, "generation", db.generation);
	object.set("init", Json::string(init_names[static_cast<std::size_t>(db.init)]));
	if (db.clone_anew)
		object.set("cloneAnew", Json::boolean(true));
	put_text(object, "follow", db.follow.value);
	if (db.handed_over)
		object.set("handedOver", Json::boolean(true));
	put_text(object, "replaces", db.replaces.value);
	if (db.repairs != 0)
		put_number(object, "repairs", db.repairs);
	put_unknown(object, db.extra);
	return object;
}

/// A map of entries by uid; `read` makes one of them.
template <typename Tag, typename Entry>
std::map<Uid<Tag>, Entry> read_map(FieldReader &in, std::string_view key, std::size_t max_size,
                                   Entry (*read)(const Uid<Tag> &, const Json &, FieldReader &)) {
	std::map<Uid<Tag>, Entry> entries;
	const Json object = in.raw(key);
	if (!object.is_missing() && !object.is_object())
		in.fail(key, "must be an object");
	if (object.size() > max_size)
		in.fail(key, "has " + std::to_string(object.size()) + " entries; " +
		                 std::to_string(max_size) + " are allowed");
	if (in.error())
		return entries;
	for (const std::string &name : object.keys()) {
		const auto uid = Uid<Tag>::parse(name);
		if (!uid) {
			in.fail(key, uid.error().message);
			return entries;
		}
		entries.emplace(*uid, read(*uid, object.get(name), in));
	}
	return entries;
}

Status check_keepers(const ClusterData &data) {
	for (const auto &[uid, keeper] : data.keepers) {
		if (keeper.db.empty())
			continue;
		const Db *db = data.find_db(keeper.db);
		if (db == nullptr)
			return bad("keeper " + uid.value + " has the db " + keeper.db.value +
			           ", which is not among the dbs");
		if (db->keeper != uid)
			return bad("keeper " + uid.value + " has the db " + keeper.db.value +
			           ", which belongs to keeper " + db->keeper.value);
	}
	for (const auto &[uid, db] : data.dbs) {
		if (data.find_keeper(db.keeper) == nullptr)
			return bad("db " + uid.value + " belongs to keeper " + db.keeper.value +
			           ", which is not among the keepers");
		if (db.follow == uid)
			return bad("db " + uid.value + " follows itself");
	}
	return {};
}

Status check_master(const ClusterData &data) {
	if (data.election && !data.master.empty())
		return bad("there are both a master (" + data.master.value + ") and an open election");
	if (data.election && data.election->epoch != data.epoch)
		return bad("the open election is of epoch " + std::to_string(data.election->epoch.value) +
		           ", but the epoch is " + std::to_string(data.epoch.value));
	if (data.election) {
		const auto &voters = data.election->voters;
		if (std::set<DbUid>(voters.begin(), voters.end()).size() != voters.size())
			return bad("a voter of the open election is named twice");
	}
	if (data.master.empty())
		return {};
	const Db *db = data.find_db(data.master);
	if (db == nullptr)
		return bad("the master " + data.master.value + " is not among the dbs");
	if (data.db_of(db->keeper) != db)
		return bad("the master " + data.master.value + " is not the current db of its keeper " +
		           db->keeper.value);
	return {};
}

Status read_head(FieldReader &in, ClusterData &data) {
	in.require("clusterUID");
	in.require("phase");
	data.cluster_uid = in.text("clusterUID", ValueLimits::max_name);
	data.system_id = in.text("systemID", ValueLimits::max_name);
	data.generation = static_cast<std::uint64_t>(in.integer("generation"));
	data.epoch = in.epoch("epoch");
	data.phase = in.choice<ClusterPhase>("phase", phase_names);
	data.master = in.uid<DbTag>("master");
	data.named_at = in.position("namedAt");
	if (in.error())
		return *in.error();
	if (!is_cluster_uid(data.cluster_uid))
		return bad("clusterUID must have 16 lower-case hexadecimal digits");
	if (!is_system_id(data.system_id))
		return bad("systemID must be a number of at most 20 digits");
	return {};
}

Status read_spec(FieldReader &in, ClusterData &data) {
	const Json object = in.raw("spec");
	auto spec = parse_spec(object.is_missing() ? Json::object() : object);
	if (!spec)
		return bad("spec: " + spec.error().message);
	data.spec = std::move(*spec);
	return {};
}

}  // namespace

const Db *ClusterData::find_db(const DbUid &uid) const {
	const auto found = dbs.find(uid);
	return found == dbs.end() ? nullptr : &found->second;
}

const Keeper *ClusterData::find_keeper(const KeeperUid &uid) const {
	const auto found = keepers.find(uid);
	return found == keepers.end() ? nullptr : &found->second;
}

const Db *ClusterData::db_of(const KeeperUid &uid) const {
	const Keeper *keeper = find_keeper(uid);
	return keeper == nullptr || keeper->db.empty() ? nullptr : find_db(keeper->db);
}

const Keeper *ClusterData::reachable_keeper_of(const DbUid &uid) const {
	const Db *db = find_db(uid);
	const Keeper *keeper = db == nullptr ? nullptr : find_keeper(db->keeper);
	return keeper == nullptr || keeper->host.empty() || keeper->port == 0 ? nullptr : keeper;
}

const Keeper *ClusterData::master_keeper() const {
	const Db *db = master.empty() ? nullptr : find_db(master);
	return db == nullptr ? nullptr : find_keeper(db->keeper);
}

Result<ClusterData> parse_clusterdata(std::string_view text) {
	const auto object = parse_object(text, "clusterdata", ModelLimits::max_value_bytes);
	if (!object)
		return object.error();
	if (const Status status = check_format_version(*object); !status)
		return status.error();

	FieldReader in(*object, "clusterdata");
	ClusterData data;
	data.format_version = static_cast<int>(in.integer("formatVersion"));
	if (const Status status = read_head(in, data); !status)
		return status.error();
	if (const Json history = in.raw("masterHistory"); !history.is_missing())
		data.master_history = read_master_history(history, in);
	if (const Json election = in.raw("election"); !election.is_missing())
		data.election = read_election(election, in);
	if (const Json resume = in.raw("resume"); !resume.is_missing())
		data.resume = read_resume(resume, in);
	if (const Json switchover = in.raw("switchover"); !switchover.is_missing())
		data.switchover = read_switchover(switchover, in);
	data.keepers =
	    read_map<KeeperTag, Keeper>(in, "keepers", ModelLimits::max_keepers, read_keeper);
	data.dbs = read_map<DbTag, Db>(in, "dbs", ModelLimits::max_dbs, read_db);
	if (in.error())
		return *in.error();
	if (const Status status = read_spec(in, data); !status)
		return status.error();
	if (const Status status = check_keepers(data); !status)
		return status.error();
	if (const Status status = check_master(data); !status)
		return status.error();
	data.extra = in.unknown();
	return data;
}

std::string clusterdata_to_text(const ClusterData &data) {
	Json object = Json::object();
	object.set("formatVersion", Json::integer(data.format_version));
	object.set("clusterUID", Json::string(data.cluster_uid));
	put_text(object, "systemID", data.system_id);
	put_number(object, "generation", data.generation);
	put_number(object, "epoch", data.epoch.value);
	object.set("phase", Json::string(phase_names[static_cast<std::size_t>(data.phase)]));
	put_text(object, "master", data.master.value);
	put_position(object, "namedAt", data.named_at);
	if (data.master_history)
		object.set("masterHistory", write_master_history(*data.master_history));
	if (data.election)
		object.set("election", write_election(*data.election));
	if (data.resume)
		object.set("resume", write_resume(*data.resume));
	if (data.switchover)
		object.set("switchover", write_switchover(*data.switchover));
	Json keepers = Json::object();
	for (const auto &[uid, keeper] : data.keepers)
		keepers.set(uid.value, write_keeper(keeper));
	object.set("keepers", std::move(keepers));
	Json dbs = Json::object();
	for (const auto &[uid, db] : data.dbs)
		dbs.set(uid.value, write_db(db));
	object.set("dbs", std::move(dbs));
	object.set("spec", spec_to_stored_json(data.spec));
	put_unknown(object, data.extra);
	return object.dump();
}

Result<MasterKey> parse_master_key(std::string_view text) {
	const auto object = parse_object(text, "master key", max_master_key_bytes);
	if (!object)
		return object.error();
	FieldReader in(*object, "master key");
	in.require("epoch");
	const MasterKey key{in.epoch("epoch"), in.uid<DbTag>("db")};
	if (in.error())
		return *in.error();
	return key;
}

std::string master_key_to_text(const MasterKey &key) {
	Json object = Json::object();
	put_number(object, "epoch", key.epoch.value);
	object.set("db", Json::string(key.db.value));
	return object.dump();
}

ClusterData initial_clusterdata(ClusterSpec spec, std::string cluster_uid) {
	ClusterData data;
	data.spec = std::move(spec);
	data.cluster_uid = std::move(cluster_uid);
	return data;
}

}  // namespace stolon::core
