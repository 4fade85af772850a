#include "core/plan/sentinel_repair.h"

#include <algorithm>

#include "core/model/health.h"
#include "core/plan/sentinel_draft.h"

namespace stolon::core::sentinel {

namespace {

using Step = std::optional<SentinelDecision>;

/// Each repair that has not helped doubles the time until the next, up to this power of two.
constexpr std::uint64_t max_doublings = 6;

std::string name_of(const Db &db) {
	return "Standby " + db.uid.value + " on keeper " + db.keeper.value;
}

bool is_member(const SentinelInputs &inputs, const Db &db) {
	const Keeper *keeper = inputs.data.find_keeper(db.keeper);
	return keeper && keeper->db == db.uid && db.uid != inputs.data.master;
}

/// What this standby suffers from; empty: nothing that a repair is for.
std::string complaint_of(const SentinelInputs &inputs, const Db &db) {
	if (!is_member(inputs, db) || !is_made(inputs, db) ||
	    !inputs.standstill_since.contains(db.keeper)) {
		return {};
	}
	if (const KeeperInfo *info = info_of(inputs, db)) {
		return info->role != PgRole::Standby ? ""
		       : info->trouble.empty()       ? "its keeper does not say why"
		                                     : info->trouble;
	}
	const NodeInfo *node = node_of(inputs, db.keeper);
	return node && node->db == db.uid && does_not_stay_up(*node)
	           ? "its server does not stay up: " + node->last_exit
	           : "";
}

bool is_good(const SentinelInputs &inputs, const Db &db) {
	const KeeperInfo *info = info_of(inputs, db);
	return is_member(inputs, db) && db.init == DbInit::None && info &&
	       info->is_well(inputs.data.master);
}

/// A launcher that refuses to go on makes no copy before an operator has been there.
bool is_being_made(const SentinelInputs &inputs, const Db &db) {
	const auto node = inputs.nodes.find(db.keeper);
	return !is_made(inputs, db) && node != inputs.nodes.end() &&
	       node->second.phase != NodePhase::Refusing;
}

/// Another copy is under way on a host that is there, and nobody could take over meanwhile.
bool has_to_wait_its_turn(const SentinelInputs &inputs) {
	const auto &dbs = inputs.data.dbs;
	const bool one_is_good = std::any_of(
	    dbs.begin(), dbs.end(), [&](const auto &pair) { return is_good(inputs, pair.second); });
	const bool one_is_made = std::any_of(dbs.begin(), dbs.end(), [&](const auto &pair) {
		return is_being_made(inputs, pair.second);
	});
	return one_is_made && !one_is_good;
}

/// The furthest that the master is known to have got.
Lineage reach_of_master(const SentinelInputs &inputs, Lineage lineage) {
	const BeatObservation *seen = beat_of(inputs, inputs.data.find_db(inputs.data.master)->keeper);
	if (seen && seen->beat.db == inputs.data.master &&
	    seen->beat.position.timeline == lineage.position.timeline) {
		lineage.position.lsn = std::max(lineage.position.lsn, seen->beat.position.lsn);
	}
	return lineage;
}

/// Everything that it has, the master has too. What it received behind the end of an older timeline
/// and never replayed may be the beginning of a record that the promotion cut off.
bool has_nothing_of_its_own(const KeeperInfo &info, const Lineage &master) {
	return contains(master, info.position) ||
	       (info.position.timeline != master.position.timeline &&
	        contains(master, applied_of(info.position, info.replayed)));
}

/// Why this standby is left as it is although it stands still; empty: it is to be made anew.
std::string objection(const SentinelInputs &inputs, const Db &db, const Lineage &master) {
	if (!inputs.nodes.contains(db.keeper)) {
		return "its launcher, which would have to do it, is not there";
	}
	const KeeperInfo *info = info_of(inputs, db);
	if (info && info->unreachable) {
		return "a clone could not reach the master, either";
	}
	if (info && !has_nothing_of_its_own(*info, master)) {
		return "it may have what the master does not have (it is at " + info->position.to_string() +
		       "), so that this is left to an operator";
	}
	return has_to_wait_its_turn(inputs) ? "another copy is being made first" : "";
}

Duration patience_for(const SentinelInputs &inputs, const Db &db) {
	const auto doublings = std::min(db.repairs, max_doublings);
	return repair_bound(inputs.data.spec) * (std::int64_t{1} << doublings);
}

SentinelDecision make_anew(const SentinelInputs &inputs, const Db &db, const std::string &why) {
	Draft draft(inputs);
	// Whatever is wrong with data that were taken over once in vain is still wrong.
	const bool in_vain = db.repairs > 0;
	Db *fresh = draft.replace_db(db.keeper, DbInit::Resync, inputs.data.master, in_vain);
	if (!fresh) {
		return wait_for("S-17", "No unused db uid is at hand.");
	}
	fresh->repairs = db.repairs + 1;
	SentinelDecision decision = std::move(draft).finish(
	    "S-17", name_of(db) + " has not got on for " + age_text(patience_for(inputs, db)) + ": " +
	                why + ". It is made anew as " + fresh->uid.value +
	                (in_vain ? ", by a clone; its data directory is kept aside." : "."));
	HistoryEvent event;
	event.kind = "repair";
	event.epoch = inputs.data.epoch;
	event.from = event.to = db.keeper;
	event.reason = decision.reasons.front().text;
	decision.event = std::move(event);
	return decision;
}

/// One that was made anew has come to stream: it starts from the beginning.
Step forget_repairs(const SentinelInputs &inputs) {
	Draft draft(inputs);
	std::vector<std::string> good;
	for (auto &[uid, db] : draft.data.dbs) {
		const KeeperInfo *info = info_of(inputs, db);
		if (db.repairs != 0 && is_good(inputs, db) && !info->catching_up) {
			db.repairs = 0;
			draft.touch(db);
			good.push_back(uid.value + " on " + db.keeper.value);
		}
	}
	if (good.empty()) {
		return std::nullopt;
	}
	return std::move(draft).finish("S-17", "Streaming again: " + join(good, ", ") + ".");
}

bool is_the_time_for_it(const SentinelInputs &inputs) {
	const ClusterData &data = inputs.data;
	const Db *master = data.find_db(data.master);
	return repair_bound(data.spec) > Duration(0) && data.phase == ClusterPhase::Normal && master &&
	       !(data.switchover && data.switchover->is_running()) &&
	       judge_master(inputs, *master).state == MasterHealth::State::Alive;
}

}  // namespace

Step repair_standbys(const SentinelInputs &inputs) {
	const auto lineage = lineage_of_master(inputs);
	if (!lineage || !is_the_time_for_it(inputs)) {
		return std::nullopt;
	}
	const Lineage master = reach_of_master(inputs, *lineage);
	if (auto step = forget_repairs(inputs)) {
		return step;
	}
	SentinelDecision waiting;
	auto &wake_at = waiting.wake_at;
	for (const auto &[uid, db] : inputs.data.dbs) {
		const std::string why = complaint_of(inputs, db);
		if (why.empty()) {
			continue;
		}
		// A new master begins with patience: its standbys were frozen, or could not reach the last.
		const Instant since = latest(
		    {inputs.standstill_since.at(db.keeper), inputs.contact_since, inputs.master_seen_at});
		const Instant bound = plus(since, patience_for(inputs, db));
		if (inputs.now < bound) {
			wake_at = std::min(wake_at.value_or(bound), bound);
			continue;
		}
		const std::string left = objection(inputs, db, master);
		if (left.empty()) {
			return make_anew(inputs, db, why);
		}
		waiting.reasons.push_back(
		    {"S-17", name_of(db) + " does not get on (" + why + "); " + left + "."});
	}
	return waiting.reasons.empty() && !wake_at ? Step() : Step(std::move(waiting));
}

}  // namespace stolon::core::sentinel
