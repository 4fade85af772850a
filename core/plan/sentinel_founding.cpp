// How a cluster begins: S-01 names the first master, S-02 finds it writable, S-27 replaces it when
// it is gone before that.
#include "core/plan/sentinel_draft.h"
#include "core/plan/sentinel_members.h"

namespace stolon::core::sentinel {

namespace {

/// The waiting node that becomes the first master: the one with the highest failoverPriority, then
/// the lower uid; nullptr: none.
const NodeInfo *best_blank_node(const SentinelInputs &inputs) {
	const NodeInfo *best = nullptr;
	int best_priority = 0;
	for (const auto &[uid, node] : inputs.nodes) {
		const int priority = inputs.data.spec.failover_priority_of(uid);
		if (is_blank(node) && priority > best_priority) {
			best = &node;
			best_priority = priority;
		}
	}
	return best;
}

/// The node as the first master, in a new epoch; nullopt: no uid is at hand.
std::optional<SentinelDecision> found_cluster(const SentinelInputs &inputs, const NodeInfo &node,
                                              const char *rule, const std::string &why) {
	Draft draft(inputs);
	draft.put_keeper(node);
	const Db *db = draft.replace_db(node.uid, DbInit::New, {});
	if (!db) {
		return std::nullopt;
	}
	draft.data.master = db->uid;
	draft.data.named_at = {};
	draft.data.epoch = inputs.data.epoch.next();
	// One that was to be the first master gets a copy of these when it comes back without data. Its
	// launcher refuses (L-05) when it comes back with data of its own: somebody has to look at
	// them.
	const Db *before = inputs.data.find_db(inputs.data.master);
	if (before && before->keeper != node.uid) {
		draft.replace_db(before->keeper, DbInit::Resync, draft.data.master, true);
	}
	SentinelDecision decision = std::move(draft).finish(
	    rule, why + "Keeper " + node.uid.value + " at " + node.host + ":" +
	              std::to_string(node.port) +
	              " is a waiting node without data and becomes the first master, db " +
	              db->uid.value + ".");
	decision.write_master = true;
	return decision;
}

/// Why no empty first master is named: a new, empty cluster beside existing data would take its
/// clients away from them. `except`: a keeper whose data do not count. "": nothing is in the way.
std::string existing_data(const SentinelInputs &inputs, const KeeperUid &except) {
	for (const auto &[uid, node] : inputs.nodes) {
		if (uid != except && (!node.db.empty() || !node.system_id.empty())) {
			return "Keeper " + uid.value + " has data (system identifier " + node.system_id +
			       ", db " + node.db.value +
			       "), so no empty first master is named beside it. Move that data directory "
			       "away, or stop its launcher, to go on.";
		}
	}
	return {};
}

}  // namespace

SentinelDecision name_first_master(const SentinelInputs &inputs) {
	if (std::string why = existing_data(inputs, {}); !why.empty()) {
		return wait_for("S-01", std::move(why));
	}
	const NodeInfo *chosen = best_blank_node(inputs);
	if (!chosen) {
		return wait_for("S-01",
		                "No waiting node without data, and with a failoverPriority above 0, is "
		                "present that could become the first master.");
	}
	auto decision = found_cluster(inputs, *chosen, "S-01", "");
	return decision ? std::move(*decision) : wait_for("S-01", "No unused db uid is at hand.");
}

namespace {

/// Whether this server has ever had a lease, as far as the store tells. Without one it has
/// acknowledged nothing.
bool has_ever_beaten(const SentinelInputs &inputs, const Db &master) {
	const BeatObservation *seen = beat_of(inputs, master.keeper);
	return seen && seen->beat.db == master.uid;
}

/// S-27; nullopt: the first master is there, or it may have acknowledged something.
std::optional<SentinelDecision> replace_first_master(const SentinelInputs &inputs,
                                                     const Db &master) {
	const auto node = inputs.nodes.find(master.keeper);
	const bool at_work = node != inputs.nodes.end() && node->second.phase != NodePhase::Refusing;
	if (at_work || has_ever_beaten(inputs, master)) {
		return std::nullopt;
	}
	const std::string who =
	    "The first master " + master.uid.value + " on keeper " + master.keeper.value +
	    (node == inputs.nodes.end() ? " has never beaten, and its launcher is gone. "
	                                : " has never beaten, and its launcher refuses to go on. ");
	const Instant grace_end = plus(latest({inputs.master_seen_at, inputs.contact_since}),
	                               inputs.data.spec.fail_interval * 2);
	if (inputs.now < grace_end) {
		return wait_for("S-27", who + "It gets a little longer.", grace_end);
	}
	if (const std::string why = existing_data(inputs, master.keeper); !why.empty()) {
		return wait_for("S-27", who + why);
	}
	const NodeInfo *other = best_blank_node(inputs);
	if (!other) {
		return wait_for("S-27", who + "Nobody waits who could be the first master in its place.");
	}
	auto decision = found_cluster(inputs, *other, "S-27", who);
	if (decision) {
		const BeatObservation *seen = beat_of(inputs, master.keeper);
		decision->guard_beat_of = master.keeper;
		decision->guard_beat_revision = seen ? seen->mod_revision : 0;
	}
	return decision;
}

}  // namespace

SentinelDecision finish_initialising(const SentinelInputs &inputs, const Db &master) {
	const BeatObservation *seen = beat_of(inputs, master.keeper);
	const bool beats = seen && seen->beat.db == master.uid &&
	                   seen->beat.epoch == inputs.data.epoch &&
	                   seen->beat.master_revision == inputs.master_revision &&
	                   !seen->beat.released && seen->beat.writable;
	const NodeInfo *node = node_of(inputs, master.keeper);
	if (!beats || !node || node->db != master.uid || node->system_id.empty()) {
		if (auto step = replace_first_master(inputs, master)) {
			return std::move(*step);
		}
		return wait_for("S-02", "Waiting for the first master " + master.uid.value + " on keeper " +
		                            master.keeper.value +
		                            " to be writable and for its launcher to report the system "
		                            "identifier.");
	}
	Draft draft(inputs);
	draft.data.phase = ClusterPhase::Normal;
	draft.data.system_id = node->system_id;
	Db &db = draft.data.dbs.at(master.uid);
	db.init = DbInit::None;
	draft.touch(db);
	SentinelDecision decision = std::move(draft).finish(
	    "S-02", "The first master " + master.uid.value + " on keeper " + master.keeper.value +
	                " is writable at " + seen->beat.position.to_string() + "; system identifier " +
	                node->system_id + ".");
	HistoryEvent event;
	event.kind = "init";
	event.epoch = inputs.data.epoch;
	event.to = master.keeper;
	event.chosen = seen->beat.position;
	event.reason = decision.reasons.front().text;
	decision.event = std::move(event);
	return decision;
}

}  // namespace stolon::core::sentinel
