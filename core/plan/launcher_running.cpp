// L-04, L-07, L-08, L-09, L-21, L-24: a server is up, or is being stopped.
#include <algorithm>

#include "core/plan/launcher_rules.h"

namespace stolon::core::launching {

namespace {

/// The switchover that wants this keeper's server, the named master, to be stopped; or nullptr.
const Switchover *switchover_to_stop_for(const LauncherInputs &in) {
	if (!in.data || !in.data->switchover || in.dir.kind != DataKind::Ours)
		return nullptr;
	const Switchover &switchover = *in.data->switchover;
	const bool wanted = switchover.phase == SwitchoverPhase::Stop &&
	                    switchover.from == in.dir.state.db && in.data->master == switchover.from &&
	                    in.data->epoch == switchover.epoch;
	return wanted ? &switchover : nullptr;
}

/// Clients wait during a switchover, so that its own bound counts there.
Duration fast_stop_bound(const LauncherInputs &in) {
	const Switchover *switchover = switchover_to_stop_for(in);
	return switchover && switchover->id == in.stopped_for
	           ? std::min<Duration>(LauncherTimes::fast_stop, switchover->timeout)
	           : LauncherTimes::fast_stop;
}

/// L-04: what a stop that is under way needs next when it takes too long.
LauncherDecision escalate(const LauncherInputs &in) {
	if (in.stop_level == StopLevel::Fast) {
		const Instant bound = in.stop_level_at + fast_stop_bound(in);
		if (in.now >= bound)
			return decide(Action::StopImmediate, "L-04", "the fast stop takes too long");
		return wait("L-04", "waiting for the fast stop", bound);
	}
	if (in.stop_level == StopLevel::Immediate) {
		const Instant bound = in.stop_level_at + LauncherTimes::immediate_stop;
		if (in.now >= bound)
			return decide(Action::StopKill, "L-04", "the immediate stop takes too long");
		return wait("L-04", "waiting for the immediate stop", bound);
	}
	return wait("L-04", "waiting for the postmaster's end");
}

/// L-24. Data that were set aside may be the last good copy until the present ones have proven that
/// they are one: the view says so (S-13), or they are the writable master's.
MaybeDecision tidy(const LauncherInputs &in) {
	if (in.task_running || in.pg != PgState::Running || !in.data || in.data->master.empty())
		return {};
	const Db *wanted = in.data->db_of(in.uid);
	if (!wanted || wanted->init != DbInit::None || wanted->uid != in.dir.state.db)
		return {};
	const bool can_report = in.report_missing && in.upstream_checkpointed;
	if (!can_report && in.removable == 0 && in.left_over == 0)
		return {};
	const std::string what =
	    can_report ? "what was set aside has no report yet"
	    : in.removable > 0
	        ? std::to_string(in.removable) +
	              " directories were set aside that are more than keepDiverged"
	        : std::to_string(in.left_over) + " directories were left beside that nobody asks for";
	LauncherDecision decision = decide(Action::Tidy, "L-24", what);
	decision.db = wanted->uid;
	decision.follow = wanted->follow;
	return decision;
}

}  // namespace

MaybeDecision while_up(const LauncherInputs &in) {
	if (!is_up(in))
		return {};
	if (in.data && in.dir.kind == DataKind::Ours) {
		const Db *wanted = in.data->db_of(in.uid);
		if (wanted != nullptr && wanted->uid != in.dir.state.db)
			return decide(
			    Action::StopImmediate, "L-07",
			    "this keeper's db is now " + wanted->uid.value + ", not " + in.dir.state.db.value);
		if (in.pg_is_primary && !in.data->master.empty() && in.data->master != in.dir.state.db) {
			if (in.view_read_at > in.primary_seen_at)
				return decide(Action::StopImmediate, "L-08",
				              "it runs as a primary, and the master is " + in.data->master.value);
			LauncherDecision decision =
			    wait("L-08", "it runs as a primary, and an older view names another master");
			decision.refresh_view = true;
			return decision;
		}
	}
	const Switchover *switchover = switchover_to_stop_for(in);
	if (switchover && in.pg == PgState::Running && in.stopped_for != switchover->id) {
		LauncherDecision decision =
		    decide(Action::StopFast, "L-21",
		           "switchover " + switchover->id + " to db " + switchover->target.value);
		decision.switchover = switchover->id;
		return decision;
	}
	if (auto decision = tidy(in))
		return *decision;
	return wait("L-09", in.pg == PgState::Running ? "Postgres is up" : "Postgres is starting");
}

LauncherDecision stopping(const LauncherInputs &in) {
	// A demotion does not wait for a fast stop that was asked for before it.
	if (in.stop_level == StopLevel::Fast && !refuse_directory(in)) {
		auto decision = while_up(in);
		if (decision && decision->action == Action::StopImmediate)
			return *decision;
	}
	return escalate(in);
}

}  // namespace stolon::core::launching
