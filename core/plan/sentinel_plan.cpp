// The order of the rules; the rules themselves are in sentinel_founding.cpp (S-01, S-02, S-27),
// sentinel_members.cpp (S-09 to S-13), sentinel_repair.cpp (S-17), sentinel_opening.cpp (S-05 to
// S-08, S-16) and
// sentinel_deciding.cpp (S-03, S-04, S-14; the votes are counted in sentinel_ballots.cpp),
// sentinel_switchover.cpp (S-20 to S-24, S-29).
#include "core/plan/sentinel_plan.h"

#include <algorithm>
#include <iterator>

#include "core/plan/sentinel_draft.h"
#include "core/plan/sentinel_election.h"
#include "core/plan/sentinel_members.h"
#include "core/plan/sentinel_switchover.h"

namespace stolon::core {

namespace {

using namespace sentinel;

/// What is waited for goes on being said while a later rule acts or waits too.
SentinelDecision after(SentinelDecision first, SentinelDecision then) {
	then.reasons.insert(then.reasons.begin(), std::make_move_iterator(first.reasons.begin()),
	                    std::make_move_iterator(first.reasons.end()));
	if (first.wake_at && (!then.wake_at || *first.wake_at < *then.wake_at)) {
		then.wake_at = first.wake_at;
	}
	return then;
}

/// S-15.
SentinelDecision put_master_key(const SentinelInputs &inputs) {
	SentinelDecision decision = Draft(inputs).finish(
	    "S-15", "The `master` key has vanished; it is put again, with the master of epoch " +
	                std::to_string(inputs.data.epoch.value) + " as before.");
	decision.write_master = true;
	return decision;
}

SentinelDecision plan_master_and_members(const SentinelInputs &inputs) {
	const ClusterData &data = inputs.data;
	if (data.election) {
		return decide_election(inputs);
	}
	if (data.master.empty()) {
		if (data.phase == ClusterPhase::Initializing) {
			return name_first_master(inputs);
		}
		return wait_for("S-05",
		                "The view names no master and no election is open; nothing is "
		                "done. Check clusterdata.");
	}
	const Db *master = data.find_db(data.master);
	if (!master) {
		return wait_for("S-05",
		                "The view names a master that it does not describe; nothing is "
		                "done. Check clusterdata.");
	}
	if (inputs.master_revision == 0) {
		return put_master_key(inputs);
	}
	SentinelDecision first = data.phase == ClusterPhase::Initializing
	                             ? finish_initialising(inputs, *master)
	                             : watch_master(inputs, *master);
	if (first.write) {
		return first;
	}
	return after(std::move(first), keep_members(inputs));
}

SentinelDecision plan(const SentinelInputs &inputs) {
	auto step = lead_switchover(inputs);
	if (!step) {
		return plan_master_and_members(inputs);
	}
	if (step->write) {
		return std::move(*step);
	}
	return after(std::move(*step), plan_master_and_members(inputs));
}

}  // namespace

SentinelDecision plan_sentinel(const SentinelInputs &inputs) {
	return plan(inputs);
}

}  // namespace stolon::core
