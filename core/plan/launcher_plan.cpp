#include "core/plan/launcher_plan.h"

#include <algorithm>

namespace stolon::core {

namespace {

using Action = LauncherAction;
using MaybeDecision = std::optional<LauncherDecision>;

LauncherDecision decide(Action action, const char *rule, std::string text) {
	LauncherDecision decision;
	decision.action = action;
	decision.reason = Reason{rule, std::move(text)};
	return decision;
}

LauncherDecision wait(const char *rule, std::string text, std::optional<Instant> until = {}) {
	LauncherDecision decision = decide(Action::Wait, rule, std::move(text));
	decision.wake_at = until;
	return decision;
}

bool is_up(const LauncherInputs &in) {
	return in.pg != PgState::Down;
}

/// The view was read after the last postmaster had ended.
bool view_is_fresh(const LauncherInputs &in) {
	return in.data.has_value() && in.view_read_at > in.ended_at;
}

/// The store did not answer since the last postmaster's end, and it was given the time for it.
bool store_is_silent(const LauncherInputs &in) {
	return in.view_read_at <= in.ended_at && in.now >= in.ended_at + LauncherTimes::store_patience;
}

LauncherDecision wait_for_store(const LauncherInputs &in, const char *rule) {
	LauncherDecision decision =
	    wait(rule, "waiting for the store's answer", in.ended_at + LauncherTimes::store_patience);
	decision.refresh_view = true;
	return decision;
}

LauncherDecision start_standby(const char *rule, DbUid follow, std::string text) {
	LauncherDecision decision = decide(Action::StartStandby, rule, std::move(text));
	decision.follow = std::move(follow);
	return decision;
}

/// L-01, L-02: nothing else may happen before the dead postmaster is really gone, and the election
/// waits for the release.
MaybeDecision after_an_end(const LauncherInputs &in) {
	if (is_up(in))
		return {};
	if (in.leftovers)
		return decide(Action::Reap, "L-01", "processes of the ended postmaster have to be gone");
	if (!in.must_release)
		return {};
	const bool given_up =
	    store_is_silent(in) ||
	    (in.stop_requested && in.now >= in.stop_requested_at + LauncherTimes::release_on_exit &&
	     in.now >= in.ended_at + LauncherTimes::release_on_exit);
	if (given_up)
		return {};
	LauncherDecision decision = decide(Action::Release, "L-02",
	                                   "all processes of the master are gone, and its lease is "
	                                   "still in its name");
	decision.wake_at = in.ended_at + LauncherTimes::store_patience;
	return decision;
}

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

/// L-03: asked to leave.
MaybeDecision leaving(const LauncherInputs &in) {
	if (!in.stop_requested)
		return {};
	if (in.task_running)
		return decide(Action::AbortTask, "L-03", "the launcher was asked to stop");
	if (!is_up(in))
		return decide(Action::Exit, "L-03", "the launcher was asked to stop, and all is down");
	if (in.stop_level == StopLevel::None)
		return decide(Action::StopFast, "L-03", "the launcher was asked to stop");
	return {};
}

std::string with_advice(const std::string &problem) {
	return problem + "; nothing was touched: move it away, or give another --data-dir";
}

/// L-05: what only the operator can put right.
MaybeDecision refuse_directory(const LauncherInputs &in) {
	if (in.dir.kind == DataKind::Foreign)
		return decide(Action::Refuse, "L-05", with_advice(in.dir.problem));
	if (in.dir.kind != DataKind::Ours || !in.data)
		return {};
	if (in.dir.state.cluster_uid != in.data->cluster_uid)
		return decide(
		    Action::Refuse, "L-05",
		    with_advice("the data directory belongs to another cluster of the same name "
		                "(its cluster uid is " +
		                in.dir.state.cluster_uid + ", the store's is " + in.data->cluster_uid +
		                "): the store was wiped, or it is the wrong one"));
	if (!in.data->system_id.empty() && in.dir.system_id != in.data->system_id)
		return decide(Action::Refuse, "L-05",
		              with_advice("the data directory has the system identifier " +
		                          in.dir.system_id + ", the cluster's is " + in.data->system_id));
	return {};
}

/// L-07, L-08, L-09: a server is up.
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

/// L-06.
MaybeDecision refuse_uid(const LauncherInputs &in) {
	if (in.uid_taken_by.empty())
		return {};
	return decide(Action::Refuse, "L-06",
	              "another launcher at " + in.uid_taken_by + " has the keeper uid \"" +
	                  in.uid.value + "\": stop it, or give this one another --keeper-uid");
}

/// L-10, L-11.
MaybeDecision busy(const LauncherInputs &in) {
	if (in.task_running) {
		const Db *wanted = in.data ? in.data->db_of(in.uid) : nullptr;
		if (wanted != nullptr && wanted->uid != in.task_db)
			return decide(Action::AbortTask, "L-10",
			              "this keeper's db is now " + wanted->uid.value);
		if (wanted != nullptr && wanted->follow != in.task_upstream)
			return decide(Action::AbortTask, "L-10", "the upstream is now " + wanted->follow.value);
		return wait("L-10", "a task is at work");
	}
	if (in.retry_at && in.now < *in.retry_at)
		return wait("L-11", in.retry_reason, in.retry_at);
	return {};
}

/// L-12: nothing is known of the cluster, or there is none.
LauncherDecision without_view(const LauncherInputs &in) {
	const bool have_data = in.dir.kind == DataKind::Ours;
	if (in.store_has_no_cluster) {
		if (have_data)
			return decide(Action::Refuse, "L-12",
			              "the store holds no cluster of this name, but the data directory belongs "
			              "to one (db " +
			                  in.dir.state.db.value +
			                  "): the store was wiped, or it is the wrong one; restore the store, "
			                  "or move the data directory away");
		return wait("L-12", "waiting for the cluster to be initialised (stolonctl init)");
	}
	if (!store_is_silent(in))
		return wait_for_store(in, "L-12");
	if (!have_data)
		return wait("L-12", "the store does not answer, and there are no data");
	return start_standby("L-12", {},
	                     "the store does not answer: a read-only standby that follows nobody");
}

LauncherDecision refuse_over_data(const LauncherInputs &in, const Db &wanted) {
	return decide(Action::Refuse, "L-14",
	              "the view wants a new database (db " + wanted.uid.value +
	                  "), but the data directory holds db " + in.dir.state.db.value +
	                  " of this cluster; nothing was touched: move it away if it is not needed");
}

/// L-14: the first master of a new cluster, nothing lies at PGDATA.
LauncherDecision first_master(const LauncherInputs &in, const Db &wanted) {
	const ClusterData &data = *in.data;
	if (data.phase != ClusterPhase::Initializing || data.master != wanted.uid)
		return decide(Action::Refuse, "L-14",
		              "the view wants a new database (db " + wanted.uid.value +
		                  ") although the cluster has been initialised: nothing is made");
	if (!view_is_fresh(in))
		return wait_for_store(in, "L-14");
	LauncherDecision decision = decide(Action::InitDb, "L-14", "the first master of a new cluster");
	decision.db = wanted.uid;
	return decision;
}

/// L-15: a fresh copy of the upstream.
LauncherDecision resync(const LauncherInputs &in, const Db &wanted) {
	LauncherDecision decision;
	if (in.dir.clone_ready && *in.dir.clone_ready == wanted.uid) {
		decision = decide(Action::Swap, "L-15", "the clone is complete");
	} else if (wanted.follow.empty() || in.data->master.empty() || !in.upstream_ready) {
		return wait("L-15", in.data->master.empty()
		                        ? "waiting for a master to clone from"
		                        : "waiting for db " + wanted.follow.value +
		                              " to be ready for the clone of db " + wanted.uid.value);
	} else {
		decision = decide(Action::Clone, "L-15", "a new incarnation is wanted");
	}
	decision.db = wanted.uid;
	decision.follow = wanted.follow;
	if (in.dir.kind == DataKind::Ours)
		decision.instead_of = in.dir.state.db;
	return decision;
}

/// L-14, L-15, L-16: the directory does not hold what the view wants.
LauncherDecision other_data(const LauncherInputs &in, const Db &wanted) {
	switch (wanted.init) {
		case DbInit::New:
			return in.dir.kind == DataKind::Ours ? refuse_over_data(in, wanted)
			                                     : first_master(in, wanted);
		case DbInit::Resync:
			return resync(in, wanted);
		case DbInit::None:
			break;
	}
	if (in.dir.kind != DataKind::Ours && in.data->master != wanted.uid)
		return wait("L-16", "the data of db " + wanted.uid.value +
		                        " are gone: waiting for a new incarnation");
	return decide(
	    Action::Refuse, "L-16",
	    "the view expects the data of db " + wanted.uid.value + " here, but " +
	        (in.dir.kind == DataKind::Ours ? "the data directory holds db " + in.dir.state.db.value
	                                       : std::string("there are none")) +
	        ": bring them back (is a file system not mounted?)");
}

/// L-17: the view, read after the last postmaster's end, names our db as the master.
LauncherDecision as_master(const LauncherInputs &in) {
	const ClusterData &data = *in.data;
	if (data.epoch < in.dir.state.epoch)
		return decide(Action::Refuse, "L-17",
		              "the view (epoch " + std::to_string(data.epoch.value) +
		                  ") names this db as the master, but it has already honoured epoch " +
		                  std::to_string(in.dir.state.epoch.value) +
		                  ": the store has gone back; restore its newest state");
	if (in.released_revision == 0)
		return decide(Action::StartPrimary, "L-17", "this db is the master");
	if (data.resume && data.resume->db == in.dir.state.db &&
	    data.resume->beat_revision == in.released_revision)
		return decide(Action::StartPrimary, "L-17",
		              "the sentinel permits to start again: nobody else can take over");
	const bool alone = data.dbs.size() <= 1;
	if (alone)
		return decide(Action::StartPrimary, "L-17", "this db is the master, and the only db");
	const Instant bound = in.ended_at + data.spec.fail_interval;
	if (in.view_read_at > bound)
		return decide(Action::StartPrimary, "L-17",
		              "nobody was elected within failInterval, and this db is still the master");
	if (in.now < bound)
		return wait("L-17", "the mastership is released: waiting for an election", bound);
	// Behind the bound there is nothing to wait for but the read.
	const Instant patience = bound + LauncherTimes::store_patience;
	if (in.now >= patience)
		return start_standby("L-20", {},
		                     "the store does not answer: a read-only standby that follows nobody");
	LauncherDecision decision = wait("L-17", "waiting for the store's answer", patience);
	decision.refresh_view = true;
	return decision;
}

/// L-18: the old master, while its successor is looked for. It may be named again.
LauncherDecision as_old_master(const LauncherInputs &in) {
	const Instant bound = in.ended_at + in.data->spec.fail_interval;
	if (in.now < bound)
		return wait("L-18", "an election is open: waiting for its outcome", bound);
	return start_standby("L-18", {}, "the election is still open: a standby that follows nobody");
}

/// L-19. A keeper that has voted in epoch E never again follows an upstream of an older epoch.
LauncherDecision as_standby(const LauncherInputs &in, const Db &wanted) {
	const ClusterData &data = *in.data;
	if (data.epoch < in.dir.state.epoch)
		return start_standby("L-19", {},
		                     "a standby that follows nobody: this keeper has voted in a later "
		                     "epoch than the view's");
	if (data.master.empty())
		return start_standby("L-19", {}, "a standby that follows nobody: there is no master");
	return start_standby("L-19", wanted.follow, "a standby of db " + wanted.follow.value);
}

/// L-17 .. L-20: the directory holds what the view wants, and nothing runs.
LauncherDecision start(const LauncherInputs &in, const Db &wanted) {
	const ClusterData &data = *in.data;
	if (!view_is_fresh(in)) {
		if (!store_is_silent(in))
			return wait_for_store(in, "L-20");
		return start_standby("L-20", {},
		                     "the store does not answer: a read-only standby that follows nobody");
	}
	if (data.master == wanted.uid)
		return as_master(in);
	if (data.election && data.election->old_master == wanted.uid)
		return as_old_master(in);
	return as_standby(in, wanted);
}

}  // namespace

const char *to_string(LauncherAction action) {
	switch (action) {
		case Action::Wait:
			return "wait";
		case Action::Refuse:
			return "refuse";
		case Action::Reap:
			return "reap";
		case Action::Release:
			return "release";
		case Action::InitDb:
			return "initdb";
		case Action::Clone:
			return "clone";
		case Action::Swap:
			return "swap the clone in";
		case Action::AbortTask:
			return "abort the task";
		case Action::StartPrimary:
			return "start as primary";
		case Action::StartStandby:
			return "start as standby";
		case Action::StopFast:
			return "stop fast";
		case Action::StopImmediate:
			return "stop immediately";
		case Action::StopKill:
			return "kill";
		case Action::Exit:
			return "exit";
	}
	return "?";
}

LauncherDecision plan_launcher(const LauncherInputs &inputs) {
	if (auto decision = after_an_end(inputs))
		return *decision;
	if (auto decision = leaving(inputs))
		return *decision;
	if (inputs.pg == PgState::Stopping)
		return stopping(inputs);
	if (auto decision = refuse_directory(inputs))
		return *decision;
	if (auto decision = while_up(inputs))
		return *decision;
	if (auto decision = refuse_uid(inputs))
		return *decision;
	if (auto decision = busy(inputs))
		return *decision;
	if (!inputs.data)
		return without_view(inputs);
	const Db *wanted = inputs.data->db_of(inputs.uid);
	if (wanted == nullptr)
		return wait("L-13", "waiting for the sentinel to give this keeper a db");
	if (inputs.dir.kind != DataKind::Ours || inputs.dir.state.db != wanted->uid)
		return other_data(inputs, *wanted);
	return start(inputs, *wanted);
}

}  // namespace stolon::core
