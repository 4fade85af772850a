#include "core/model/info.h"

#include <algorithm>

#include "core/model/clusterdata.h"
#include "core/model/fields.h"

namespace stolon::core {
namespace {

constexpr std::size_t max_info_bytes = 64 * 1024;

constexpr std::array<std::string_view, 3> role_names = {"unknown", "standby", "primary"};
constexpr std::array<std::string_view, 9> phase_names = {
    "waiting",  "initializing", "cloning",  "starting",  "running",
    "stopping", "stopped",      "refusing", "rewinding",
};

/// What all parse_* functions end with: the value, or the first error.
template <typename T>
Result<T> finish(T value, const FieldReader &in) {
	if (in.error())
		return *in.error();
	return value;
}

std::optional<Vote> read_vote(FieldReader &in) {
	if (!in.has("vote"))
		return std::nullopt;
	FieldReader inner(in.raw("vote"), "keeper info.vote");
	inner.require("epoch");
	const Vote vote{inner.epoch("epoch"), inner.position("position"), inner.lsn("replayed")};
	in.adopt(inner);
	return vote;
}

Json write_vote(const Vote &vote) {
	Json object = Json::object();
	put_number(object, "epoch", vote.epoch.value);
	put_position(object, "position", vote.position);
	put_lsn(object, "replayed", vote.replayed);
	return object;
}

}  // namespace

Result<Beat> parse_beat(std::string_view text) {
	const auto object = parse_object(text, "beat", max_info_bytes);
	if (!object)
		return object.error();
	FieldReader in(*object, "beat");
	for (const char *key : {"epoch", "db", "masterRevision"})
		in.require(key);
	Beat beat;
	beat.epoch = in.epoch("epoch");
	beat.db = in.uid<DbTag>("db");
	beat.master_revision = in.integer("masterRevision");
	beat.instance = in.text("instance", ValueLimits::max_name);
	beat.valid = in.ms("validMs", SpecLimits::max_fail_interval);
	beat.position = in.position("position");
	beat.writable = in.boolean("writable");
	beat.released = in.boolean("released");
	beat.reason = in.text("reason", ValueLimits::max_message);
	beat.unfit = in.text("unfit", ValueLimits::max_unfit);
	beat.yielded = in.boolean("yielded");
	beat.clean = in.boolean("clean");
	beat.found_down = in.boolean("foundDown");
	// A beat that is valid for no time would let an election begin while its sender believes in it.
	if (!beat.released && beat.valid <= Duration(0))
		in.fail("validMs", "must be above 0");
	return finish(std::move(beat), in);
}

std::string beat_to_text(const Beat &beat) {
	Json object = Json::object();
	put_number(object, "epoch", beat.epoch.value);
	object.set("db", Json::string(beat.db.value));
	object.set("masterRevision", Json::integer(beat.master_revision));
	put_text(object, "instance", beat.instance);
	object.set("validMs", Json::integer(to_ms(beat.valid)));
	put_position(object, "position", beat.position);
	put_flag(object, "writable", beat.writable);
	put_flag(object, "released", beat.released);
	put_message(object, "reason", beat.reason);
	put_message(object, "unfit", beat.unfit, ValueLimits::max_unfit);
	put_flag(object, "yielded", beat.yielded);
	put_flag(object, "clean", beat.clean);
	put_flag(object, "foundDown", beat.found_down);
	return object.dump();
}

Result<KeeperInfo> parse_keeper_info(std::string_view text) {
	const auto object = parse_object(text, "keeper info", max_info_bytes);
	if (!object)
		return object.error();
	FieldReader in(*object, "keeper info");
	in.require("uid");
	KeeperInfo info;
	info.uid = in.uid<KeeperTag>("uid");
	info.db = in.uid<DbTag>("db");
	info.instance = in.text("instance", ValueLimits::max_name);
	info.generation = static_cast<std::uint64_t>(in.integer("generation"));
	info.epoch = in.epoch("epoch");
	info.role = in.choice<PgRole>("role", role_names);
	info.writable = in.boolean("writable");
	info.writable_epoch = in.epoch("writableEpoch");
	info.position = in.position("position");
	info.replayed = in.lsn("replayed");
	info.redo = in.lsn("redo");
	info.streaming = in.boolean("streaming");
	info.catching_up = in.boolean("catchingUp");
	info.trouble = in.text("trouble", ValueLimits::max_unfit);
	info.trouble_since = in.text("troubleSince", ValueLimits::max_name);
	info.unreachable = in.boolean("unreachable");
	info.upstream = in.uid<DbTag>("upstream");
	info.history = in.history("history", info.position.timeline);
	info.checkpointed = in.timeline("checkpointed");
	info.vote = read_vote(in);
	info.message = in.text("message", ValueLimits::max_message);
	info.unfit = in.text("unfit", ValueLimits::max_unfit);
	info.was_primary = in.boolean("wasPrimary");
	info.inconsistent = in.boolean("inconsistent");
	info.replay_paused = in.boolean("replayPaused");
	info.replay_held = in.boolean("replayHeld");
	info.checkpointed_for = in.text("checkpointedFor", ValueLimits::max_name);
	info.extra = in.unknown();
	return finish(std::move(info), in);
}

bool KeeperInfo::is_well(const DbUid &master) const {
	return role == PgRole::Standby && streaming && !upstream.empty() && upstream == master &&
	       !inconsistent && trouble.empty();
}

std::string keeper_info_to_text(const KeeperInfo &info) {
	Json object = Json::object();
	object.set("uid", Json::string(info.uid.value));
	put_text(object, "db", info.db.value);
	put_text(object, "instance", info.instance);
	put_number(object, "generation", info.generation);
	put_number(object, "epoch", info.epoch.value);
	object.set("role", Json::string(role_names[static_cast<std::size_t>(info.role)]));
	put_flag(object, "writable", info.writable);
	if (info.writable_epoch.value != 0)
		put_number(object, "writableEpoch", info.writable_epoch.value);
	put_position(object, "position", info.position);
	put_lsn(object, "replayed", info.replayed);
	put_lsn(object, "redo", info.redo);
	put_flag(object, "streaming", info.streaming);
	put_flag(object, "catchingUp", info.catching_up);
	put_message(object, "trouble", info.trouble, ValueLimits::max_unfit);
	put_text(object, "troubleSince", info.trouble_since);
	put_flag(object, "unreachable", info.unreachable);
	put_text(object, "upstream", info.upstream.value);
	put_history(object, "history", info.history);
	if (info.checkpointed.valid())
		put_number(object, "checkpointed", info.checkpointed.value);
	if (info.vote)
		object.set("vote", write_vote(*info.vote));
	put_message(object, "message", info.message);
	put_message(object, "unfit", info.unfit, ValueLimits::max_unfit);
	put_flag(object, "wasPrimary", info.was_primary);
	put_flag(object, "inconsistent", info.inconsistent);
	put_flag(object, "replayPaused", info.replay_paused);
	put_flag(object, "replayHeld", info.replay_held);
	put_text(object, "checkpointedFor", info.checkpointed_for);
	put_unknown(object, info.extra);
	return object.dump();
}

Result<NodeInfo> parse_node_info(std::string_view text) {
	const auto object = parse_object(text, "node info", max_info_bytes);
	if (!object)
		return object.error();
	FieldReader in(*object, "node info");
	in.require("uid");
	NodeInfo info;
	info.uid = in.uid<KeeperTag>("uid");
	info.phase = in.choice<NodePhase>("phase", phase_names);
	info.message = in.text("message", ValueLimits::max_message);
	info.boot_id = in.text("bootID", ValueLimits::max_name);
	info.host = in.host("host");
	info.port = in.port("port");
	info.db = in.uid<DbTag>("db");
	info.system_id = in.text("systemID", ValueLimits::max_name);
	info.cluster_uid = in.text("clusterUID", ValueLimits::max_name);
	info.epoch = in.epoch("epoch");
	info.position = in.position("position");
	info.position_is_end = in.boolean("positionIsEnd");
	info.fail_interval = in.ms("failIntervalMs", SpecLimits::max_fail_interval);
	info.pg_version = static_cast<int>(in.integer("pgVersion", 0, 10'000'000));
	info.last_exit = in.text("lastExit", ValueLimits::max_message);
	for (const Json &entry : in.list("diverged", DivergedLimits::max_published)) {
		FieldReader inner(entry, "node info.diverged");
		info.diverged.push_back(read_diverged(inner));
		in.adopt(inner);
	}
	info.extra = in.unknown();
	return finish(std::move(info), in);
}

std::string node_info_to_text(const NodeInfo &info) {
	Json object = Json::object();
	object.set("uid", Json::string(info.uid.value));
	object.set("phase", Json::string(phase_names[static_cast<std::size_t>(info.phase)]));
	put_message(object, "message", info.message);
	put_text(object, "bootID", info.boot_id);
	put_text(object, "host", info.host);
	if (info.port != 0)
		object.set("port", Json::integer(info.port));
	put_text(object, "db", info.db.value);
	put_text(object, "systemID", info.system_id);
	put_text(object, "clusterUID", info.cluster_uid);
	if (info.epoch.value != 0)
		put_number(object, "epoch", info.epoch.value);
	put_position(object, "position", info.position);
	if (info.position_is_end)
		object.set("positionIsEnd", Json::boolean(true));
	if (info.fail_interval > Duration(0))
		object.set("failIntervalMs", Json::integer(to_ms(info.fail_interval)));
	if (info.pg_version != 0)
		object.set("pgVersion", Json::integer(info.pg_version));
	put_message(object, "lastExit", info.last_exit);
	if (!info.diverged.empty()) {
		Json list = Json::array();
		for (std::size_t i = 0; i < info.diverged.size() && i < DivergedLimits::max_published; i++)
			list.push(diverged_to_json(info.diverged[i]));
		object.set("diverged", list);
	}
	put_unknown(object, info.extra);
	return object.dump();
}

Result<SentinelInfo> parse_sentinel_info(std::string_view text) {
	const auto object = parse_object(text, "sentinel info", max_info_bytes);
	if (!object)
		return object.error();
	FieldReader in(*object, "sentinel info");
	in.require("uid");
	SentinelInfo info;
	info.uid = in.uid<SentinelTag>("uid");
	info.host = in.text("host", ValueLimits::max_name);
	info.pid = in.integer("pid");
	return finish(std::move(info), in);
}

std::string sentinel_info_to_text(const SentinelInfo &info) {
	Json object = Json::object();
	object.set("uid", Json::string(info.uid.value));
	put_text(object, "host", info.host);
	object.set("pid", Json::integer(info.pid));
	return object.dump();
}

namespace {

constexpr std::int64_t max_processes = 1000;
constexpr std::int64_t max_clients = 1'000'000'000;

std::optional<int> read_count(FieldReader &in, std::string_view key) {
	if (!in.has(key))
		return std::nullopt;
	return static_cast<int>(in.integer(key, 0, max_clients));
}

}  // namespace

Result<ProxyInfo> parse_proxy_info(std::string_view text) {
	const auto object = parse_object(text, "proxy info", max_info_bytes);
	if (!object)
		return object.error();
	FieldReader in(*object, "proxy info");
	in.require("uid");
	ProxyInfo info;
	info.uid = in.uid<ProxyTag>("uid");
	info.generation = static_cast<std::uint64_t>(in.integer("generation"));
	info.epoch = in.epoch("epoch");
	info.master = in.uid<DbTag>("master");
	info.paused = in.boolean("paused");
	info.paused_for = in.text("pausedFor", ValueLimits::max_name);
	info.host = in.host("host");
	info.port = in.port("port");
	info.ro_port = in.port("roPort");
	info.processes = static_cast<int>(in.integer("processes", 0, max_processes));
	info.running = static_cast<int>(in.integer("running", 0, max_processes));
	info.clients = read_count(in, "clients");
	info.waiting = read_count(in, "waiting");
	for (const Json &reader : in.list("readers", ValueLimits::max_readers)) {
		if (!reader.is_string() || reader.as_string().size() > ValueLimits::max_name)
			in.fail("readers", "must be texts of the form HOST:PORT");
		else
			info.readers.push_back(reader.as_string());
	}
	info.readers_at_master = in.boolean("readersAtMaster");
	info.extra = in.unknown();
	return finish(std::move(info), in);
}

std::string proxy_info_to_text(const ProxyInfo &info) {
	Json object = Json::object();
	object.set("uid", Json::string(info.uid.value));
	put_number(object, "generation", info.generation);
	put_number(object, "epoch", info.epoch.value);
	put_text(object, "master", info.master.value);
	put_flag(object, "paused", info.paused);
	put_text(object, "pausedFor", info.paused_for);
	put_text(object, "host", info.host);
	if (info.port != 0)
		object.set("port", Json::integer(info.port));
	if (info.ro_port != 0)
		object.set("roPort", Json::integer(info.ro_port));
	put_number(object, "processes", static_cast<std::uint64_t>(info.processes));
	put_number(object, "running", static_cast<std::uint64_t>(info.running));
	if (info.clients)
		object.set("clients", Json::integer(*info.clients));
	if (info.waiting)
		object.set("waiting", Json::integer(*info.waiting));
	if (!info.readers.empty()) {
		Json readers = Json::array();
		for (const std::string &reader : info.readers)
			readers.push(Json::string(reader));
		object.set("readers", std::move(readers));
	}
	put_flag(object, "readersAtMaster", info.readers_at_master);
	put_unknown(object, info.extra);
	return object.dump();
}

Result<HistoryEvent> parse_history_event(std::string_view text) {
	const auto object = parse_object(text, "history event", max_info_bytes);
	if (!object)
		return object.error();
	FieldReader in(*object, "history event");
	in.require("number");
	HistoryEvent event;
	event.number = static_cast<std::uint64_t>(in.integer("number"));
	event.time = in.text("time", ValueLimits::max_name);
	event.kind = in.text("kind", ValueLimits::max_name);
	event.epoch = in.epoch("epoch");
	event.from = in.uid<KeeperTag>("from");
	event.to = in.uid<KeeperTag>("to");
	event.last_known = in.position("lastKnown");
	event.chosen = in.position("chosen");
	event.reason = in.text("reason", ValueLimits::max_message);
	event.duration_ms = in.integer("durationMs");
	event.operation = in.text("operation", ValueLimits::max_name);
	event.outcome = in.text("outcome", ValueLimits::max_name);
	return finish(std::move(event), in);
}

std::string history_event_to_text(const HistoryEvent &event) {
	Json object = Json::object();
	put_number(object, "number", event.number);
	put_text(object, "time", event.time);
	put_text(object, "kind", event.kind);
	put_number(object, "epoch", event.epoch.value);
	put_text(object, "from", event.from.value);
	put_text(object, "to", event.to.value);
	put_position(object, "lastKnown", event.last_known);
	put_position(object, "chosen", event.chosen);
	put_message(object, "reason", event.reason);
	object.set("durationMs", Json::integer(std::max<std::int64_t>(event.duration_ms, 0)));
	put_text(object, "operation", event.operation);
	put_text(object, "outcome", event.outcome);
	return object.dump();
}

Result<DataState> parse_data_state(std::string_view text) {
	const auto object = parse_object(text, "stolon.state", max_info_bytes);
	if (!object)
		return object.error();
	FieldReader in(*object, "stolon.state");
	for (const char *key : {"clusterName", "clusterUID", "keeper", "db"})
		in.require(key);
	DataState state;
	state.cluster_name = in.text("clusterName", ValueLimits::max_name);
	state.cluster_uid = in.text("clusterUID", ValueLimits::max_name);
	state.keeper = in.uid<KeeperTag>("keeper");
	state.db = in.uid<DbTag>("db");
	state.epoch = in.epoch("epoch");
	state.was_primary = in.boolean("wasPrimary");
	return finish(std::move(state), in);
}

std::string data_state_to_text(const DataState &state) {
	Json object = Json::object();
	put_text(object, "clusterName", state.cluster_name);
	put_text(object, "clusterUID", state.cluster_uid);
	put_text(object, "keeper", state.keeper.value);
	put_text(object, "db", state.db.value);
	put_number(object, "epoch", state.epoch.value);
	put_flag(object, "wasPrimary", state.was_primary);
	return object.dump();
}

}  // namespace stolon::core
