#include "core/plan/sentinel_members.h"

#include <algorithm>

#include "core/plan/sentinel_draft.h"
#include "core/plan/sentinel_repair.h"

namespace stolon::core::sentinel {

namespace {

/// A member that has no db at the moment although its launcher holds this cluster's data: those of
/// an incarnation that the view has forgotten. The launcher keeps them aside when it gets a new
/// one.
bool lost_its_db(const SentinelInputs &inputs, const Keeper *keeper, const NodeInfo &node) {
	return keeper && keeper->db.empty() && !node.db.empty() &&
	       node.system_id == inputs.data.system_id;
}

using Step = std::optional<SentinelDecision>;

int standbys_of(const ClusterData &data) {
	return static_cast<int>(std::count_if(data.dbs.begin(), data.dbs.end(), [&](const auto &pair) {
		return pair.first != data.master;
	}));
}

/// S-09: known as a keeper; a db of its own when there is a cluster to clone and room for it.
Step add_nodes(const SentinelInputs &inputs) {
	Draft draft(inputs);
	const bool with_db = inputs.data.phase == ClusterPhase::Normal && !inputs.data.master.empty();
	std::vector<std::string> added;
	std::vector<std::string> left_out;
	for (const auto &[uid, node] : inputs.nodes) {
		const Keeper *keeper = inputs.data.find_keeper(uid);
		if ((keeper && !keeper->db.empty()) ||
		    !(is_blank(node) || lost_its_db(inputs, keeper, node))) {
			continue;
		}
		const bool room = standbys_of(draft.data) < inputs.data.spec.max_standbys &&
		                  draft.data.dbs.size() < ModelLimits::max_dbs;
		if (!keeper && draft.data.keepers.size() >= ModelLimits::max_keepers) {
			left_out.push_back(uid.value);
			continue;
		}
		if (!keeper) {
			draft.put_keeper(node);
			added.push_back(uid.value + " at " + node.host + ":" + std::to_string(node.port));
		}
		if (with_db && !room) {
			left_out.push_back(uid.value);
		} else if (with_db) {
			// Nothing is known any more of an incarnation that the view has forgotten.
			if (const Db *db =
			        draft.replace_db(uid, DbInit::Resync, inputs.data.master, !is_blank(node))) {
				added.push_back(uid.value + " with db " + db->uid.value);
			}
		}
	}
	const std::string full =
	    left_out.empty() ? ""
	                     : " No standby is made on " + join(left_out, ", ") + ": maxStandbys is " +
	                           std::to_string(inputs.data.spec.max_standbys) + ".";
	if (added.empty()) {
		return left_out.empty() ? Step() : Step(wait_for("S-09", full.substr(1)));
	}
	return std::move(draft).finish("S-09", "Added: " + join(added, ", ") + "." + full);
}

/// S-10. Only the launcher that has this keeper's data, or none, speaks for its address.
Step update_addresses(const SentinelInputs &inputs) {
	Draft draft(inputs);
	std::vector<std::string> changed;
	for (auto &[uid, keeper] : draft.data.keepers) {
		const NodeInfo *node = node_of(inputs, uid);
		if (!node || node->host.empty() || node->port <= 0 ||
		    (!node->db.empty() && node->db != keeper.db) ||
		    (node->host == keeper.host && node->port == keeper.port)) {
			continue;
		}
		changed.push_back(uid.value + " from " + keeper.host + ":" + std::to_string(keeper.port) +
		                  " to " + node->host + ":" + std::to_string(node->port));
		keeper.host = node->host;
		keeper.port = node->port;
		if (const auto db = draft.data.dbs.find(keeper.db); db != draft.data.dbs.end()) {
			draft.touch(db->second);
		}
	}
	if (changed.empty()) {
		return std::nullopt;
	}
	return std::move(draft).finish("S-10", "Addresses changed: " + join(changed, ", ") + ".");
}

/// Why this standby's data are of no use any more; empty: they are, or nobody can tell yet.
std::string useless(const SentinelInputs &inputs, const Db &db, const Lineage &master) {
	const NodeInfo *node = node_of(inputs, db.keeper);
	if (db.init == DbInit::None && node && is_blank(*node)) {
		return "its data directory is gone";
	}
	const KeeperInfo *info = info_of(inputs, db);
	if (!info || !info->position.timeline.valid() || !info->position.lsn.valid()) {
		return {};
	}
	if (made_its_own(*info, db)) {
		return "it was promoted without having been named, and is at " +
		       info->position.to_string() + " now";
	}
	if (can_go_on_with(master, Lineage{info->position, info->history}, info->replayed)) {
		return {};
	}
	return "it is at " + applied_of(info->position, info->replayed).to_string() +
	       ", which is not on the master's line (" + master.position.to_string() + ")";
}

/// S-11.
Step replace_useless(const SentinelInputs &inputs) {
	const auto master = lineage_of_master(inputs);
	if (inputs.data.phase != ClusterPhase::Normal || !master) {
		return std::nullopt;
	}
	for (const auto &[uid, db] : inputs.data.dbs) {
		const Keeper *keeper = inputs.data.find_keeper(db.keeper);
		if (uid == inputs.data.master || !keeper || keeper->db != uid) {
			continue;
		}
		const std::string why = useless(inputs, db, *master);
		if (why.empty()) {
			continue;
		}
		Draft draft(inputs);
		// A timeline of its own making that has a number which the master's line has, too, is not
		// told from that one by anything but its content.
		const KeeperInfo *info = info_of(inputs, db);
		const bool same_number = info && info->was_primary &&
		                         info->position.timeline.value <= master->position.timeline.value;
		const Db *fresh =
		    draft.replace_db(db.keeper, DbInit::Resync, inputs.data.master, same_number);
		if (!fresh) {
			return wait_for("S-11", "No unused db uid is at hand.");
		}
		const std::string sentence = "Standby " + uid.value + " on keeper " + db.keeper.value +
		                             " cannot follow: " + why + ". It is made anew as " +
		                             fresh->uid.value +
		                             "; whatever lies in its data directory is kept aside.";
		return std::move(draft).finish("S-11", sentence);
	}
	return std::nullopt;
}

/// S-12.
Step forget_dbs(const SentinelInputs &inputs) {
	Draft draft(inputs);
	std::vector<std::string> forgotten;
	for (const auto &[uid, db] : inputs.data.dbs) {
		const Keeper *keeper = inputs.data.find_keeper(db.keeper);
		if (uid != inputs.data.master && (!keeper || keeper->db != uid)) {
			draft.data.dbs.erase(uid);
			forgotten.push_back(uid.value);
		}
	}
	if (forgotten.empty()) {
		return std::nullopt;
	}
	draft.follow_master();
	return std::move(draft).finish(
	    "S-12", "Forgotten, because no keeper has them any more: " + join(forgotten, ", ") + ".");
}

/// S-13. A former master that streams from the next one is a standby like any other.
Step record_handovers(const SentinelInputs &inputs) {
	Draft draft(inputs);
	std::vector<std::string> done;
	for (auto &[uid, db] : draft.data.dbs) {
		const KeeperInfo *info = info_of(inputs, db);
		if (db.handed_over && info && info->role == PgRole::Standby && !info->was_primary &&
		    info->streaming && info->upstream == inputs.data.master) {
			db.handed_over = false;
			draft.touch(db);
			done.push_back(uid.value + " on " + db.keeper.value);
		}
	}
	if (done.empty()) {
		return std::nullopt;
	}
	return std::move(draft).finish(
	    "S-13", "The former master streams from the next one: " + join(done, ", ") + ".");
}

/// S-13.
Step record_clones(const SentinelInputs &inputs) {
	Draft draft(inputs);
	std::vector<std::string> done;
	for (auto &[uid, db] : draft.data.dbs) {
		const KeeperInfo *info = info_of(inputs, db);
		// One that nobody could connect to yet may never become whole.
		if (db.init == DbInit::Resync && info && !info->inconsistent && is_made(inputs, db)) {
			db.init = DbInit::None;
			db.clone_anew = false;
			draft.touch(db);
			done.push_back(uid.value + " on " + db.keeper.value);
		}
	}
	if (done.empty()) {
		return std::nullopt;
	}
	return std::move(draft).finish("S-13",
	                               "Cloned and running as a standby: " + join(done, ", ") + ".");
}

/// S-28.
Step record_history(const SentinelInputs &inputs) {
	const auto master = lineage_of_master(inputs);
	if (inputs.data.phase != ClusterPhase::Normal || !master || master->history.empty()) {
		return std::nullopt;
	}
	const TimelineHistory history{master->position.timeline, master->history};
	if (inputs.data.master_history == history) {
		return std::nullopt;
	}
	Draft draft(inputs);
	draft.data.master_history = history;
	const HistoryEntry &parent = history.history.back();
	return std::move(draft).finish(
	    "S-28", "Recorded: the master is on timeline " + std::to_string(history.timeline.value) +
	                ", which began on timeline " + std::to_string(parent.timeline.value) + " at " +
	                parent.end.to_string() + ".");
}

/// S-26. After a restart in place the beats tell how far recovery has come; how far the master had
/// come before only those sentinels know that saw it.
Step record_progress(const SentinelInputs &inputs) {
	const Db *master = inputs.data.find_db(inputs.data.master);
	const BeatObservation *seen = master ? beat_of(inputs, master->keeper) : nullptr;
	if (inputs.data.phase != ClusterPhase::Normal || !seen || seen->beat.db != master->uid ||
	    seen->beat.epoch != inputs.data.epoch || seen->beat.writable || !is_known(seen->furthest) ||
	    further(seen->furthest, inputs.data.named_at) == inputs.data.named_at) {
		return std::nullopt;
	}
	Draft draft(inputs);
	draft.data.named_at = seen->furthest;
	return std::move(draft).finish("S-26", "Master " + master->uid.value + " on keeper " +
	                                           master->keeper.value +
	                                           " is in recovery again; it had come as far as " +
	                                           seen->furthest.to_string() + ".");
}

}  // namespace

SentinelDecision keep_members(const SentinelInputs &inputs) {
	SentinelDecision waiting;
	for (const auto rule : {add_nodes, update_addresses, replace_useless, forget_dbs, record_clones,
	                        record_handovers, record_history, record_progress, repair_standbys}) {
		if (auto step = rule(inputs)) {
			if (step->write) {
				return std::move(*step);
			}
			std::move(step->reasons.begin(), step->reasons.end(),
			          std::back_inserter(waiting.reasons));
			if (step->wake_at && (!waiting.wake_at || *step->wake_at < *waiting.wake_at)) {
				waiting.wake_at = step->wake_at;
			}
		}
	}
	return waiting;
}

}  // namespace stolon::core::sentinel
