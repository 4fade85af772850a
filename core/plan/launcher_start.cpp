// L-17 .. L-20, L-26: as what the data that the view wants are started.
#include "core/plan/launcher_rules.h"

namespace stolon::core::launching {

namespace {

/// A standby that was named and has not been promoted would go on with its predecessor's timeline,
/// on which that one may have written more.
LauncherDecision start_master(const LauncherInputs &in, const std::string &why) {
	return in.dir.is_standby
	           ? start_standby("L-17", {}, why + "; its data are a standby's, so it is promoted")
	           : decide(Action::StartPrimary, "L-17", why);
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
		return start_master(in, "this db is the master");
	if (data.resume && data.resume->db == in.dir.state.db &&
	    data.resume->beat_revision == in.released_revision)
		return start_master(in, "the sentinel permits to start again");
	const bool alone = data.dbs.size() <= 1;
	if (alone)
		return start_master(in, "this db is the master, and the only db");
	const Instant bound = in.ended_at + data.spec.fail_interval;
	if (in.view_read_at > bound)
		return start_master(
		    in, "nobody was elected within failInterval, and this db is still the master");
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
	if ((in.dir.state.was_primary || !in.dir.is_standby) && !wanted.handed_over)
		return start_standby("L-25", {},
		                     "a standby that follows nobody: its data have been a primary's that "
		                     "nobody had named");
	return start_standby("L-19", wanted.follow, "a standby of db " + wanted.follow.value);
}

/// L-26.
MaybeDecision refuse_older_state(const LauncherInputs &in, const Db &wanted) {
	const ClusterData &data = *in.data;
	const bool may_be_master =
	    data.master == wanted.uid || (data.election && data.election->old_master == wanted.uid);
	if (in.gone_back.empty() || !may_be_master)
		return {};
	return decide(Action::Refuse, "L-26",
	              in.gone_back +
	                  ": these data are older than what the cluster has acknowledged (a disk that "
	                  "was restored, or a copy?). Bring the newer ones back and restart "
	                  "stolon-launcher, or let a standby take "
	                  "over; the manual tells how to go on with older data");
}

}  // namespace

LauncherDecision start(const LauncherInputs &in, const Db &wanted) {
	const ClusterData &data = *in.data;
	if (!view_is_fresh(in)) {
		if (!store_is_silent(in))
			return wait_for_store(in, "L-20");
		return start_standby("L-20", {},
		                     "the store does not answer: a read-only standby that follows nobody");
	}
	if (auto decision = refuse_older_state(in, wanted))
		return *decision;
	if (data.master == wanted.uid)
		return as_master(in);
	if (data.election && data.election->old_master == wanted.uid)
		return as_old_master(in);
	return as_standby(in, wanted);
}

}  // namespace stolon::core::launching
