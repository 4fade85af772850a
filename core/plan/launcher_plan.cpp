#include "core/plan/launcher_plan.h"

#include "core/plan/launcher_rules.h"

namespace stolon::core {

namespace launching {

LauncherDecision decide(Action action, const char *rule, std::string text) {
	LauncherDecision decision;
	decision.action = action;
	decision.reason = Reason{rule, std::move(text)};
	return decision;
}

LauncherDecision wait(const char *rule, std::string text, std::optional<Instant> until) {
	LauncherDecision decision = decide(Action::Wait, rule, std::move(text));
	decision.wake_at = until;
	return decision;
}

bool is_up(const LauncherInputs &in) {
	return in.pg != PgState::Down;
}

bool view_is_fresh(const LauncherInputs &in) {
	return in.data.has_value() && in.view_read_at > in.ended_at;
}

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

namespace {

std::string with_advice(const std::string &problem) {
	return problem + "; nothing was touched: move it away, or give another --data-dir";
}

}  // namespace

MaybeDecision refuse_directory(const LauncherInputs &in) {
	if (in.dir.kind == DataKind::Foreign)
		return decide(Action::Refuse, "L-05", with_advice(in.dir.problem));
	if (in.dir.kind != DataKind::Ours || !in.data)
		return {};
	if (in.dir.half_rewound && in.dir.system_id.empty())
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

namespace {

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
	if (in.task_running && in.task_is_tidying)
		return decide(Action::AbortTask, "L-10", "the server is down, which is more urgent");
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

/// L-23.
MaybeDecision interrupted_rewind(const LauncherInputs &in, const Db *wanted) {
	if (!in.dir.half_rewound || (wanted && wanted->init == DbInit::Resync))
		return {};
	if (in.data && !wanted)
		return {};  // L-13
	const std::string what = "the rewind of the data of db " + in.dir.state.db.value +
	                         " was interrupted, so that they cannot be used";
	if (!wanted)
		return wait("L-23", what + ": waiting for a view that replaces them");
	return decide(Action::Refuse, "L-23",
	              what + ", but the view expects db " + wanted->uid.value +
	                  " here: move the data directory away, and the keeper is made anew");
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

}  // namespace

}  // namespace launching

using namespace launching;

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
		case Action::Rewind:
			return "rewind";
		case Action::Tidy:
			return "tidy what was set aside";
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

namespace {

/// L-13. What lies here may be the newest data that there are, if it is the store that has gone
/// back.
LauncherDecision without_db(const LauncherInputs &in) {
	if (in.dir.kind == DataKind::Ours && in.data->find_keeper(in.uid) == nullptr)
		return decide(Action::Refuse, "L-13",
		              "the cluster does not know this keeper, but the data directory is of this "
		              "cluster (db " +
		                  in.dir.state.db.value +
		                  "): the keeper was removed, or the store has gone back. Move the data "
		                  "directory away to let this host join anew");
	return wait("L-13", "waiting for the sentinel to give this keeper a db");
}

/// L-25. standby.signal is what tells; it is put back for the start.
bool has_to_be_noted(const LauncherInputs &in, const LauncherDecision &decision) {
	if (decision.action != LauncherAction::StartStandby || in.dir.is_standby ||
	    in.dir.state.was_primary)
		return false;
	if (!in.data)
		return true;
	// Named by this view, or by one that the store has forgotten.
	if (in.data->master == in.dir.state.db || in.data->epoch < in.dir.state.epoch)
		return false;
	const Db *own = in.data->find_db(in.dir.state.db);
	const bool is_old_master =
	    in.data->election && in.data->election->old_master == in.dir.state.db;
	return !is_old_master && !(own && own->handed_over);
}

LauncherDecision plan(const LauncherInputs &inputs) {
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
	const Db *wanted = inputs.data ? inputs.data->db_of(inputs.uid) : nullptr;
	if (auto decision = interrupted_rewind(inputs, wanted))
		return *decision;
	if (!inputs.data)
		return without_view(inputs);
	if (wanted == nullptr)
		return without_db(inputs);
	if (inputs.dir.kind != DataKind::Ours || inputs.dir.half_rewound ||
	    inputs.dir.state.db != wanted->uid)
		return other_data(inputs, *wanted);
	return start(inputs, *wanted);
}

}  // namespace

LauncherDecision plan_launcher(const LauncherInputs &inputs) {
	LauncherDecision decision = plan(inputs);
	decision.note_primary = has_to_be_noted(inputs, decision);
	return decision;
}

}  // namespace stolon::core
