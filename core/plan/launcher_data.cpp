// L-14, L-15, L-16, L-22: what to do with a directory that does not hold what the view wants.
#include "core/plan/launcher_rules.h"

namespace stolon::core::launching {

namespace {

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

/// L-22: why what lies here is not rewound; "" = it may be.
std::string rewind_obstacle(const LauncherInputs &in, const Db &wanted) {
	if (in.dir.kind != DataKind::Ours)
		return "there are no data";
	if (in.dir.half_rewound)
		return "a rewind of what lies here was interrupted";
	if (wanted.clone_anew)
		return "they may lie on another timeline of the same number";
	if (in.no_rewind_for == wanted.uid)
		return in.no_rewind_reason.empty() ? "they cannot be rewound" : in.no_rewind_reason;
	if (!in.data->spec.use_pgrewind)
		return "usePgrewind is off";
	if (wanted.follow != in.data->master)
		return "the upstream is not the master";
	return {};
}

/// L-22, or else L-15: the upstream is ready.
LauncherDecision copy_or_rewind(const LauncherInputs &in, const Db &wanted) {
	if (const std::string why = rewind_obstacle(in, wanted); !why.empty())
		return decide(Action::Clone, "L-15", "a new incarnation is wanted: " + why);
	if (!in.upstream_checkpointed)
		return wait("L-22", "waiting for the checkpoint of db " + wanted.follow.value +
		                        " on its timeline, before the data here are compared with it");
	return decide(Action::Rewind, "L-22",
	              "db " + in.dir.state.db.value + " is to go on as db " + wanted.uid.value);
}

/// L-15: a fresh copy of the upstream, or L-22.
LauncherDecision resync(const LauncherInputs &in, const Db &wanted) {
	LauncherDecision decision;
	if (in.dir.clone_ready && *in.dir.clone_ready == wanted.uid &&
	    in.dir.clone_of == wanted.follow) {
		decision = decide(Action::Swap, "L-15", "the clone is complete");
		decision.clone_anew = wanted.clone_anew;
	} else if (wanted.follow.empty() || in.data->master.empty() || !in.upstream_ready) {
		return wait("L-15", in.data->master.empty()
		                        ? "waiting for a master to clone from"
		                        : "waiting for db " + wanted.follow.value +
		                              " to be ready for the clone of db " + wanted.uid.value);
	} else {
		decision = copy_or_rewind(in, wanted);
	}
	decision.db = wanted.uid;
	decision.follow = wanted.follow;
	if (in.dir.kind == DataKind::Ours)
		decision.instead_of = in.dir.state.db;
	return decision;
}

}  // namespace

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

}  // namespace stolon::core::launching
