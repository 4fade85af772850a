#include "stolonctl/status.h"

namespace stolon::ctl {

namespace {

using core::Json;

Json number(std::uint64_t value) {
	return Json::integer(static_cast<std::int64_t>(value));
}

Json text_or_null(const std::string &value) {
	return value.empty() ? Json::null() : Json::string(value);
}

const char *role_name(core::PgRole role) {
	switch (role) {
		case core::PgRole::Standby:
			return "standby";
		case core::PgRole::Primary:
			return "primary";
		case core::PgRole::Unknown:
			break;
	}
	return "unknown";
}

const char *phase_name(core::NodePhase phase) {
	switch (phase) {
		case core::NodePhase::Waiting:
			return "waiting";
		case core::NodePhase::Initializing:
			return "initializing";
		case core::NodePhase::Cloning:
			return "cloning";
		case core::NodePhase::Starting:
			return "starting";
		case core::NodePhase::Running:
			return "running";
		case core::NodePhase::Stopping:
			return "stopping";
		case core::NodePhase::Stopped:
			return "stopped";
		case core::NodePhase::Refusing:
			return "refusing";
		case core::NodePhase::Rewinding:
			return "rewinding";
	}
	return "unknown";
}

Json texts(const std::vector<std::string> &values) {
	Json array = Json::array();
	for (const std::string &value : values) {
		array.push(Json::string(value));
	}
	return array;
}

Json position_json(const core::WalPosition &position) {
	if (!position.lsn.valid()) {
		return Json::null();
	}
	Json json = Json::object();
	json.set("timeline", number(position.timeline.value));
	json.set("lsn", Json::string(position.lsn.to_string()));
	return json;
}

Json keeper_json(const KeeperStatus &keeper) {
	Json json = Json::object();
	json.set("uid", Json::string(keeper.uid.value));
	json.set("db", text_or_null(keeper.db.value));
	json.set("master", Json::boolean(keeper.named_master));
	json.set("failoverPriority", Json::integer(keeper.failover_priority));
	json.set("unfit", text_or_null(keeper.unfit));
	json.set("role", Json::string(role_name(keeper.role)));
	json.set("host", text_or_null(keeper.host));
	json.set("port", Json::integer(keeper.port));
	json.set("keeperReports", Json::boolean(keeper.reports));
	json.set("launcherReports", Json::boolean(keeper.launcher));
	json.set("launcherPhase",
	         keeper.launcher ? Json::string(phase_name(keeper.phase)) : Json::null());
	json.set("position", position_json(keeper.position));
	json.set("lagBytes", keeper.lag_bytes ? number(*keeper.lag_bytes) : Json::null());
	json.set("writable", Json::boolean(keeper.writable));
	json.set("streaming", Json::boolean(keeper.streaming));
	json.set("otherUpstream", text_or_null(keeper.other_upstream));
	json.set("inconsistent", Json::boolean(keeper.inconsistent));
	json.set("catchingUp", Json::boolean(keeper.catching_up));
	json.set("trouble", text_or_null(keeper.trouble));
	json.set("troubleSince", text_or_null(keeper.trouble_since));
	json.set("voted", Json::boolean(keeper.voted));
	json.set("appliedGeneration", number(keeper.applied_generation));
	json.set("messages", texts(keeper.messages));
	return json;
}

Json master_json(const core::ClusterData &data) {
	const core::Keeper *keeper = data.master_keeper();
	if (keeper == nullptr) {
		return Json::null();
	}
	Json json = Json::object();
	json.set("keeper", Json::string(keeper->uid.value));
	json.set("db", Json::string(data.master.value));
	json.set("host", Json::string(keeper->host));
	json.set("port", Json::integer(keeper->port));
	return json;
}

Json election_json(const core::ClusterData &data) {
	if (!data.election) {
		return Json::null();
	}
	Json json = Json::object();
	json.set("epoch", number(data.election->epoch.value));
	json.set("oldMaster", text_or_null(data.election->old_master.value));
	json.set("lastKnown", position_json(data.election->last_known));
	Json voters = Json::array();
	for (const core::DbUid &voter : data.election->voters) {
		voters.push(Json::string(voter.value));
	}
	json.set("voters", std::move(voters));
	json.set("reason", Json::string(data.election->reason));
	return json;
}

Json sentinels_json(const ClusterView &view) {
	Json array = Json::array();
	for (const auto &[uid, sentinel] : view.sentinels) {
		Json json = Json::object();
		json.set("uid", Json::string(uid.value));
		json.set("leader", Json::boolean(uid == view.leader));
		json.set("host", Json::string(sentinel.host));
		json.set("pid", Json::integer(sentinel.pid));
		array.push(std::move(json));
	}
	return array;
}

Json proxies_json(const ClusterView &view) {
	Json array = Json::array();
	for (const auto &[uid, proxy] : view.proxies) {
		Json json = Json::object();
		json.set("uid", Json::string(uid.value));
		json.set("host", Json::string(proxy.host));
		json.set("port", Json::integer(proxy.port));
		json.set("readOnlyPort", proxy.ro_port == 0 ? Json::null() : Json::integer(proxy.ro_port));
		json.set("paused", Json::boolean(proxy.paused));
		json.set("master", text_or_null(proxy.master.value));
		json.set("epoch", number(proxy.epoch.value));
		json.set("appliedGeneration", number(proxy.generation));
		json.set("pgbouncers", Json::integer(proxy.processes));
		json.set("pgbouncersRunning", Json::integer(proxy.running));
		json.set("clients", proxy.clients ? Json::integer(*proxy.clients) : Json::null());
		json.set("clientsWaiting", proxy.waiting ? Json::integer(*proxy.waiting) : Json::null());
		Json readers = Json::array();
		for (const std::string &reader : proxy.readers) {
			readers.push(Json::string(reader));
		}
		json.set("readersGoTo", std::move(readers));
		json.set("readersAtMaster", Json::boolean(proxy.readers_at_master));
		array.push(std::move(json));
	}
	return array;
}

}  // namespace

Json status_json(const std::string &cluster_name, const ClusterView &view,
                 const StatusReport &report) {
	const core::ClusterData &data = *view.data;
	Json json = Json::object();
	json.set("clusterName", Json::string(cluster_name));
	json.set("clusterUID", Json::string(data.cluster_uid));
	json.set("systemID", text_or_null(data.system_id));
	json.set("health", Json::string(health_name(report.health)));
	json.set("summary", Json::string(report.headline));
	json.set("warnings", texts(report.warnings));
	json.set("phase",
	         Json::string(data.phase == core::ClusterPhase::Normal ? "normal" : "initializing"));
	json.set("epoch", number(data.epoch.value));
	json.set("generation", number(data.generation));
	json.set("master", master_json(data));
	json.set("election", election_json(data));
	json.set("switchover",
	         data.switchover ? core::write_switchover(*data.switchover) : Json::null());
	Json keepers = Json::array();
	for (const KeeperStatus &keeper : report.keepers) {
		keepers.push(keeper_json(keeper));
	}
	json.set("keepers", std::move(keepers));
	json.set("sentinels", sentinels_json(view));
	json.set("proxies", proxies_json(view));
	return json;
}

}  // namespace stolon::ctl
