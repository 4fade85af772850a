// Judges a cluster's state from one snapshot.
#include <algorithm>
#include <set>

#include "stolonctl/status.h"

namespace stolon::ctl {

namespace {

using core::ClusterData;
using core::KeeperInfo;
using core::KeeperUid;

/// Where the master's WAL is, as it said last; invalid if it says nothing.
core::WalPosition master_position(const ClusterView &view) {
	const core::Keeper *keeper = view.data->master_keeper();
	if (keeper == nullptr) {
		return {};
	}
	auto info = view.infos.find(keeper->uid);
	return info != view.infos.end() && info->second.db == view.data->master ? info->second.position
	                                                                        : core::WalPosition{};
}

void add_info(KeeperStatus &status, const KeeperInfo &info, const ClusterView &view) {
	const ClusterData &data = *view.data;
	status.reports = true;
	status.role = info.role;
	status.position = info.position;
	status.streaming = info.streaming && info.upstream == data.master;
	if (info.streaming && !status.streaming) {
		status.other_upstream = info.upstream.value;
	}
	status.inconsistent = info.inconsistent;
	status.catching_up = info.catching_up;
	status.trouble = info.trouble;
	status.trouble_since = info.trouble_since;
	status.applied_generation = info.generation;
	status.writable = status.named_master && info.writable && info.writable_epoch == data.epoch;
	status.voted = data.election && info.vote && info.vote->epoch == data.election->epoch;
	const core::WalPosition master = master_position(view);
	if (!status.named_master && info.role == core::PgRole::Standby && master.lsn.valid() &&
	    info.position.lsn.valid()) {
		status.lag_bytes = master.lsn.value - std::min(master.lsn.value, info.position.lsn.value);
	}
	if (!info.message.empty()) {
		status.messages.push_back(info.message);
	}
}

/// The last beat of the named master's term, or nullptr.
const core::Beat *beat_of_term(const ClusterView &view, const KeeperUid &master) {
	auto beat = view.beats.find(master);
	const bool of_term = beat != view.beats.end() && beat->second.db == view.data->master &&
	                     beat->second.epoch == view.data->epoch;
	return of_term ? &beat->second : nullptr;
}

KeeperStatus keeper_status(const KeeperUid &uid, const ClusterView &view) {
	KeeperStatus status;
	status.uid = uid;
	status.failover_priority = view.data->spec.failover_priority_of(uid);
	if (const core::Keeper *keeper = view.data->find_keeper(uid)) {
		status.db = keeper->db;
		status.host = keeper->host;
		status.port = keeper->port;
		status.named_master = !keeper->db.empty() && keeper->db == view.data->master;
	}
	if (const core::Beat *beat = beat_of_term(view, uid); beat != nullptr && !beat->released) {
		status.unfit = beat->unfit;
	}
	if (auto node = view.nodes.find(uid); node != view.nodes.end()) {
		status.launcher = true;
		status.phase = node->second.phase;
		if (status.host.empty()) {
			status.host = node->second.host;
			status.port = node->second.port;
		}
		if (!node->second.message.empty()) {
			status.messages.push_back("launcher: " + node->second.message);
		}
	}
	if (auto info = view.infos.find(uid); info != view.infos.end()) {
		add_info(status, info->second, view);
	}
	return status;
}

void add_warnings(StatusReport &report, const ClusterView &view) {
	if (view.sentinels.empty()) {
		report.warnings.push_back("no sentinel runs: nobody would fail over");
	} else if (view.leader.empty()) {
		report.warnings.push_back("no sentinel leads: nobody would fail over");
	}
	for (const KeeperStatus &keeper : report.keepers) {
		const std::string name = "keeper " + keeper.uid.value;
		if (!keeper.launcher) {
			report.warnings.push_back(name + ": its launcher does not report");
		} else if (keeper.phase == core::NodePhase::Refusing) {
			report.warnings.push_back(name + ": its launcher refuses to go on");
		}
		if (!keeper.reports && keeper.launcher && keeper.phase == core::NodePhase::Running) {
			report.warnings.push_back(name + ": Postgres runs, and its keeper does not report");
		}
		if (!keeper.unfit.empty()) {
			report.warnings.push_back(name +
			                          ": this master says that it is unfit: " + keeper.unfit);
		}
		if (keeper.role == core::PgRole::Standby && !keeper.trouble.empty()) {
			report.warnings.push_back(name +
			                          (keeper.streaming ? " streams, but is not well"
			                                            : " does not stream from the master") +
			                          " (since " + keeper.trouble_since + "): " + keeper.trouble);
		}
		if (!keeper.named_master && !keeper.other_upstream.empty() && !view.data->election) {
			report.warnings.push_back(name + ": streams from db " + keeper.other_upstream +
			                          ", which is not the master");
		}
		if (keeper.role == core::PgRole::Primary && !keeper.named_master) {
			report.warnings.push_back(name +
			                          ": runs as a primary and is not the master (it is fenced)");
		}
	}
	for (const std::string &problem : view.problems) {
		report.warnings.push_back("unreadable: " + problem);
	}
}

std::string election_headline(const ClusterView &view, const StatusReport &report) {
	const core::Election &election = *view.data->election;
	std::size_t votes = 0;
	for (const KeeperStatus &keeper : report.keepers) {
		const bool asked = std::find(election.voters.begin(), election.voters.end(), keeper.db) !=
		                   election.voters.end();
		votes += asked && keeper.voted;
	}
	std::string text =
	    "the election of epoch " + std::to_string(election.epoch.value) + " is open, ";
	text += election.voters.empty()
	            ? "nobody has been asked yet, as the old master may still hold its lease"
	            : std::to_string(votes) + " of " + std::to_string(election.voters.size()) +
	                  " voters have voted";
	return election.reason.empty() ? text : text + " (" + election.reason + ")";
}

/// The master's launcher has said that every process of it is gone; its keeper's last words, which
/// stay until their lease runs out, count no more.
const core::Beat *released_beat(const ClusterView &view, const KeeperStatus &master) {
	const core::Beat *beat = beat_of_term(view, master.uid);
	return beat != nullptr && beat->released ? beat : nullptr;
}

void judge_standbys(StatusReport &report, const KeeperStatus &master) {
	std::size_t standbys = 0;
	std::size_t streaming = 0;
	for (const KeeperStatus &keeper : report.keepers) {
		standbys += !keeper.named_master;
		streaming +=
		    !keeper.named_master && keeper.role == core::PgRole::Standby && keeper.streaming;
	}
	report.headline = master.uid.value + " is the master and can be written to; ";
	report.headline += standbys == 0 ? "there is no standby"
	                                 : std::to_string(streaming) + " of " +
	                                       std::to_string(standbys) + " standbys stream";
	const bool good = standbys > 0 && streaming == standbys && report.warnings.empty();
	report.health = good ? Health::Good : Health::Degraded;
}

void judge(StatusReport &report, const ClusterView &view) {
	const ClusterData &data = *view.data;
	auto master = std::find_if(report.keepers.begin(), report.keepers.end(),
	                           [](const KeeperStatus &keeper) { return keeper.named_master; });
	if (data.election) {
		report.health = Health::NoMaster;
		report.headline = election_headline(view, report);
	} else if (data.phase == core::ClusterPhase::Initializing) {
		report.health = Health::Initializing;
		report.headline = master == report.keepers.end()
		                      ? "waiting for a first node without data"
		                      : master->uid.value + " is being made the first master";
	} else if (master == report.keepers.end()) {
		report.health = Health::NoMaster;
		report.headline = "no master is named";
	} else if (const core::Beat *beat = released_beat(view, *master)) {
		report.health = Health::NotWritable;
		report.headline = master->uid.value + " is named master of epoch " +
		                  std::to_string(data.epoch.value) + " and has ended" +
		                  (beat->reason.empty() ? "" : " (" + beat->reason + ")");
	} else if (!master->writable) {
		report.health = Health::NotWritable;
		report.headline = master->uid.value + " is named master of epoch " +
		                  std::to_string(data.epoch.value) +
		                  (master->reports ? " and is not writable yet" : " and does not report");
	} else {
		judge_standbys(report, *master);
	}
}

}  // namespace

StatusReport make_report(const ClusterView &view) {
	std::set<KeeperUid> uids;
	for (const auto &[uid, keeper] : view.data->keepers) {
		uids.insert(uid);
	}
	for (const auto &[uid, node] : view.nodes) {
		uids.insert(uid);
	}
	for (const auto &[uid, info] : view.infos) {
		uids.insert(uid);
	}
	StatusReport report;
	for (const KeeperUid &uid : uids) {
		report.keepers.push_back(keeper_status(uid, view));
	}
	add_warnings(report, view);
	judge(report, view);
	return report;
}

std::string health_name(Health health) {
	switch (health) {
		case Health::NoMaster:
			return "no master";
		case Health::NotWritable:
			return "not writable";
		case Health::Initializing:
			return "initializing";
		case Health::Degraded:
			return "degraded";
		case Health::Good:
			return "good";
	}
	return "unknown";
}

}  // namespace stolon::ctl
