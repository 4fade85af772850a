#include <algorithm>

#include "stolonctl/status.h"
#include "stolonctl/table.h"

namespace stolon::ctl {

namespace {

std::string upper(std::string text) {
	std::transform(text.begin(), text.end(), text.begin(),
	               [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
	return text;
}

std::string address(const std::string &host, int port) {
	if (host.empty()) {
		return "";
	}
	const bool v6 = host.find(':') != std::string::npos;
	return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string line(const char *label, const std::string &value) {
	std::string padded = label;
	padded.resize(12, ' ');
	return padded + printable(value) + "\n";
}

std::string role_text(const KeeperStatus &keeper) {
	if (keeper.named_master) {
		return keeper.role == core::PgRole::Standby ? "master (still standby)" : "master";
	}
	switch (keeper.role) {
		case core::PgRole::Primary:
			return "primary, NOT MASTER";
		case core::PgRole::Standby:
			return "standby";
		case core::PgRole::Unknown:
			return "";
	}
	return "";
}

std::string state_text(const KeeperStatus &keeper) {
	if (!keeper.reports) {
		return "no report";
	}
	if (keeper.named_master) {
		return keeper.writable ? "writable" : "not writable";
	}
	if (keeper.voted) {
		return "frozen, voted";
	}
	if (keeper.role == core::PgRole::Standby) {
		return !keeper.streaming     ? "NOT STREAMING"
		       : keeper.inconsistent ? "not consistent yet"
		       : keeper.catching_up  ? "catching up"
		                             : "streaming";
	}
	return "fenced";
}

std::string phase_text(const KeeperStatus &keeper) {
	if (!keeper.launcher) {
		return "no report";
	}
	switch (keeper.phase) {
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
			return "REFUSING";
		case core::NodePhase::Rewinding:
			return "rewinding";
	}
	return "";
}

std::string keepers_text(const StatusReport &report) {
	Table table({"KEEPER", "DB", "ROLE", "STATE", "ADDRESS", "TIMELINE", "WAL", "LAG", "LAUNCHER"});
	for (const KeeperStatus &keeper : report.keepers) {
		const bool known = keeper.position.lsn.valid();
		table.add({keeper.uid.value, keeper.db.value, role_text(keeper), state_text(keeper),
		           address(keeper.host, keeper.port),
		           known ? std::to_string(keeper.position.timeline.value) : "",
		           known ? keeper.position.lsn.to_string() : "",
		           keeper.lag_bytes ? format_bytes(*keeper.lag_bytes) : "", phase_text(keeper)});
		if (keeper.failover_priority != core::KeeperOptions::usual_priority) {
			table.add_note("failoverPriority " + std::to_string(keeper.failover_priority) +
			               (keeper.failover_priority == 0 ? ": never elected" : ""));
		}
		for (const std::string &message : keeper.messages) {
			table.add_note(message);
		}
	}
	return table.text();
}

std::string sentinels_text(const ClusterView &view) {
	Table table({"SENTINEL", "", "HOST", "PID"});
	for (const auto &[uid, sentinel] : view.sentinels) {
		table.add({uid.value, uid == view.leader ? "leader" : "", sentinel.host,
		           std::to_string(sentinel.pid)});
	}
	return table.text();
}

std::string readers_text(const ClusterView &view, const core::ProxyInfo &proxy) {
	if (proxy.readers_at_master) {
		return "the master";
	}
	std::string text;
	for (const std::string &reader : proxy.readers) {
		std::string name = reader;
		for (const auto &[uid, keeper] : view.data->keepers) {
			if (address(keeper.host, keeper.port) == reader) {
				name = uid.value;
			}
		}
		text += (text.empty() ? "" : ", ") + name;
	}
	return proxy.ro_port == 0 ? "" : text.empty() ? "nobody: they wait" : text;
}

std::string paused_text(const core::ProxyInfo &proxy) {
	if (!proxy.clients || !proxy.waiting) {
		return "paused: clients wait";
	}
	return "paused: " + std::to_string(*proxy.waiting) + " of " + std::to_string(*proxy.clients) +
	       " clients wait";
}

std::string proxies_text(const ClusterView &view) {
	Table table({"PROXY", "ADDRESS", "READ-ONLY PORT", "PGBOUNCERS", "GENERATION", "STATE",
	             "CLIENTS GO TO", "READERS GO TO"});
	for (const auto &[uid, proxy] : view.proxies) {
		const core::Db *master = view.data->find_db(proxy.master);
		std::string target;
		if (!proxy.master.empty()) {
			target = (master != nullptr ? master->keeper.value : "?") + " (db " +
			         proxy.master.value + ", epoch " + std::to_string(proxy.epoch.value) + ")";
		}
		const bool current = proxy.master == view.data->master && !proxy.master.empty();
		std::string state = proxy.paused ? paused_text(proxy) : current ? "open" : "BEHIND";
		table.add({uid.value, address(proxy.host, proxy.port),
		           proxy.ro_port == 0 ? "" : std::to_string(proxy.ro_port),
		           std::to_string(proxy.running) + " of " + std::to_string(proxy.processes),
		           std::to_string(proxy.generation), std::move(state), std::move(target),
		           readers_text(view, proxy)});
	}
	return table.text();
}

std::string event_text(const core::HistoryEvent &event) {
	std::string text = event.time + " " + event.kind;
	if (!event.from.empty() || !event.to.empty()) {
		text += " " + (event.from.empty() ? "nobody" : event.from.value) + " -> " +
		        (event.to.empty() ? "nobody" : event.to.value);
	}
	text += ", epoch " + std::to_string(event.epoch.value);
	if (event.duration_ms > 0) {
		text += ", " + std::to_string(event.duration_ms) + " ms";
	}
	return event.reason.empty() ? text : text + ": " + event.reason;
}

std::string master_text(const core::ClusterData &data) {
	const core::Keeper *keeper = data.master_keeper();
	if (keeper == nullptr) {
		return "none";
	}
	return keeper->uid.value + " at " + address(keeper->host, keeper->port) + " (db " +
	       data.master.value + ")";
}

std::string election_text(const core::Election &election) {
	return "OPEN, old master db " +
	       (election.old_master.empty() ? "none" : election.old_master.value) + ", last known " +
	       (election.last_known.lsn.valid() ? election.last_known.to_string() : "nothing");
}

std::string switchover_text(const core::Switchover &switchover) {
	std::string text = switchover.id + ", " + core::describe_state(switchover);
	if (!switchover.to.empty()) {
		text += ", to " + switchover.to.value;
	}
	return switchover.cancel ? text + ", to be cancelled" : text;
}

}  // namespace

std::string status_text(const std::string &cluster_name, const ClusterView &view,
                        const StatusReport &report) {
	const core::ClusterData &data = *view.data;
	std::string out = upper(health_name(report.health)) + ": " + printable(report.headline) + "\n";
	for (const std::string &warning : report.warnings) {
		out += "  ! " + printable(warning) + "\n";
	}
	out += "\n";
	out += line("Cluster", cluster_name + " (uid " + data.cluster_uid + ", system id " +
	                           (data.system_id.empty() ? "not known yet" : data.system_id) + ")");
	out += line("Phase", data.phase == core::ClusterPhase::Normal ? "normal" : "initializing");
	out += line("Master", master_text(data));
	out += line("Epoch", std::to_string(data.epoch.value) + ", view generation " +
	                         std::to_string(data.generation));
	out += line("Election", data.election ? election_text(*data.election) : "none open");
	if (data.switchover && !data.switchover->is_over()) {
		out += line("Switchover", switchover_text(*data.switchover));
	}
	if (view.last_event) {
		out += line("Last event", event_text(*view.last_event));
	}
	for (const auto &[text, none] : {std::pair{keepers_text(report), "No keeper.\n"},
	                                 std::pair{sentinels_text(view), "No sentinel.\n"},
	                                 std::pair{proxies_text(view), "No proxy.\n"}}) {
		out += "\n" + (text.empty() ? none : text);
	}
	return out;
}

}  // namespace stolon::ctl
