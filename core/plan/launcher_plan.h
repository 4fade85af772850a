// What the launcher does next with the data directory and the postmaster: a pure function.
#pragma once

#include <optional>
#include <string>

#include "core/model/clusterdata.h"
#include "core/model/info.h"
#include "core/plan/reason.h"

namespace stolon::core {

/// What lies at PGDATA. An interrupted initdb or clone is never seen here: both are made in a
/// directory beside, which is renamed once it is complete.
enum class DataKind {
	Absent,   ///< nothing, or an empty directory
	Ours,     ///< a complete data directory with this cluster's name and this keeper's stolon.state
	Foreign,  ///< anything else: never touched
};

struct DataDir {
	DataKind kind = DataKind::Absent;
	DataState state;          ///< when Ours
	std::string system_id;    ///< when Ours
	bool is_standby = false;  ///< when Ours: standby.signal lies there
	std::string problem;      ///< when Foreign: what it is, one sentence
	/// When Ours: a rewind of it was interrupted. `state` is that of before; it can only be
	/// replaced.
	bool half_rewound = false;
	std::optional<DbUid> clone_ready;  ///< a complete clone lies beside, for this db
	DbUid clone_of;                    ///< the incarnation that it was copied from
};

enum class PgState { Down, Starting, Running, Stopping };

/// How hard the present stop of the postmaster is.
enum class StopLevel { None, Fast, Immediate, Kill };

/// Bounds of the launcher's waiting.
struct LauncherTimes {
	/// A fast stop that takes longer becomes an immediate one: a session that waits for a standby's
	/// confirmation, or a dead disk, would hold it up for ever.
	static constexpr Duration fast_stop = seconds(60);
	/// The postmaster itself kills its children 5 s after an immediate stop.
	static constexpr Duration immediate_stop = seconds(8);
	/// The store is asked for this long before a server is started without having heard from it.
	static constexpr Duration store_patience = seconds(3);
	/// A launcher that has been asked to leave tries this long to release the mastership.
	static constexpr Duration release_on_exit = seconds(5);
};

struct LauncherInputs {
	Instant now;
	KeeperUid uid;
	/// Last view seen; nullopt: none was ever seen, or no cluster is initialised.
	std::optional<ClusterData> data;
	/// When the last answered linearizable read was sent (Mirror::fresh_at); zero: none yet. `data`
	/// holds everything that was written before.
	Instant view_read_at;
	bool store_has_no_cluster = false;  ///< the store answered, and clusterdata is absent
	/// Another launcher's node entry stands under our uid: "host:port"; empty: none.
	std::string uid_taken_by;
	DataDir dir;

	PgState pg = PgState::Down;
	bool pg_is_primary = false;  ///< runs without standby.signal: started as primary, or promoted
	Instant primary_seen_at;     ///< since when that is known
	StopLevel stop_level = StopLevel::None;
	Instant stop_level_at;  ///< when the present stop level was asked for

	bool task_running = false;  ///< initdb, clone, rewind, tidying: a child is at work
	bool task_is_tidying = false;
	DbUid task_db;        ///< for which incarnation
	DbUid task_upstream;  ///< clone: from which incarnation; initdb: empty

	bool leftovers = false;  ///< processes of a dead postmaster are, or may be, still there
	/// The master's lease was last beaten by this directory's db under the present naming, and the
	/// beat has not been replaced by `released`.
	bool must_release = false;
	/// A clause: the last beat of the data that lie here told of WAL that is not here. Empty: it
	/// is, or that is not known.
	std::string gone_back;
	/// mod_revision of our `released` beat under the present naming; 0: none outstanding.
	std::int64_t released_revision = 0;
	Instant ended_at;  ///< when the last postmaster was seen to be gone; else the launcher's start
	std::optional<Instant> retry_at;  ///< not before: back-off after a failed action
	std::string retry_reason;         ///< what failed
	/// The upstream of our db has applied the view that names it (its slot exists), and it is
	/// writable if it is the master.
	bool upstream_ready = false;
	/// The upstream is the master, on a line that is known, and has told of a checkpoint on its
	/// present timeline: from then on pg_control says where that timeline began (LESSONS C-1).
	bool upstream_checkpointed = false;
	/// For this incarnation it was found that the data cannot be rewound; and why.
	DbUid no_rewind_for;
	std::string no_rewind_reason;
	/// Directories that were set aside: how many of them are more than keepDiverged and may be
	/// removed, and whether one lacks its report.
	int removable = 0;
	bool report_missing = false;
	/// How many directories lie beside that no view will ask for: removals that were interrupted,
	/// and complete copies for incarnations that the view has forgotten.
	int left_over = 0;
	/// Id of the switchover for which this launcher has stopped the master already; empty: none.
	std::string stopped_for;
	bool stop_requested = false;  ///< SIGTERM: stop Postgres and leave
	Instant stop_requested_at;
};

enum class LauncherAction {
	Wait,     ///< nothing to do until something changes (or wake_at)
	Refuse,   ///< cannot go on without the operator; `reason` says why and what to do
	Reap,     ///< kill what is left of a dead postmaster
	Release,  ///< write the `released` beat
	InitDb,
	Clone,      ///< into a directory beside
	Rewind,     ///< PGDATA, keeping what has diverged; or just let it follow when nothing has
	Swap,       ///< move PGDATA aside (if any) and the complete clone in its place
	AbortTask,  ///< the task is for an incarnation that is no longer wanted
	StartPrimary,
	StartStandby,  ///< with standby.signal; following `follow`, or nobody
	StopFast,
	StopImmediate,
	StopKill,  ///< kill the postmaster; then Reap
	Tidy,      ///< report what was set aside, and remove the oldest beyond keepDiverged
	Exit,      ///< stop was requested, and all is down
};

const char *to_string(LauncherAction action);

struct LauncherDecision {
	LauncherAction action = LauncherAction::Wait;
	Reason reason;
	DbUid db;                   ///< InitDb, Clone, Rewind, Swap: the incarnation to make
	DbUid follow;               ///< Clone, Rewind, StartStandby: the upstream; empty: nobody
	bool note_primary = false;  ///< StartStandby: first DataState::was_primary, durably
	std::string switchover;     ///< StopFast: for the switchover of this id; empty: for none
	DbUid instead_of;           ///< Clone, Swap: the incarnation that is set aside; empty: none
	bool clone_anew = false;    ///< Swap: Db::clone_anew, what is set aside cannot be compared
	bool refresh_view = false;  ///< the decision waits for a newer read of the store
	std::optional<Instant> wake_at;
};

/// The first rule that applies, in this order:
///
///  L-01 leftovers of a dead postmaster: Reap.
///  L-02 down, and the lease is still in its name: Release (while the store answers, or is given
///       its patience).
///  L-03 asked to leave: abort the task, stop fast, then Exit.
///  L-04 a stop takes too long: immediate, then kill.
///  L-05 the directory is foreign, of another cluster, or of another system: Refuse, untouched.
///  L-06 down, and another launcher has our uid: Refuse.
///  L-07 up, but this keeper's db is another one now: StopImmediate.
///  L-08 up as a primary, but another db is the master (by a view that was read after the primary
///       was seen, so not by an old one that does not yet know of our own promotion):
///       StopImmediate.
///  L-09 up: Wait; the keeper worker does the rest.
///  L-10 a task for what is no longer wanted: AbortTask; otherwise Wait for it.
///  L-11 something has just failed: Wait until retry_at.
///  L-12 no view: with no data Wait; with data, after the store's patience, StartStandby that
///       follows nobody. The store says that there is no cluster: Refuse to start (B-6).
///  L-13 the view has no db for this keeper: Wait. It does not know the keeper at all, which has
///       data of this cluster (stolonctl removekeeper): Refuse.
///  L-14 a new first master with no data: InitDb; with data: Refuse (B-6).
///  L-15 a new incarnation is wanted: Swap a complete clone of its upstream in, or Clone once the
///       upstream is ready, or Wait for it. A clone of another upstream may be on another line.
///  L-22 a new incarnation is wanted, and data of this cluster lie here: Rewind once the master has
///       told of its checkpoint, instead of L-15. Not when usePgrewind is off, when it was found
///       not to be possible, or when the upstream is not the master.
///  L-23 a rewind was interrupted: these data are never started; L-15 replaces them.
///  L-16 the data that the view expects are not there: a standby without data waits for a new
///       incarnation; otherwise Refuse.
///  L-17 the named master, by a read that was sent after the last postmaster's end: StartPrimary,
///       after a release only when the sentinel has permitted it, or failInterval has passed, or
///       nobody else is there (B-4). Data of a standby: StartStandby that follows nobody; its
///       keeper promotes it, so that what it writes lies on a timeline of its own. A view of an
///       older epoch than the data's: Refuse (B-6).
///  L-18 the old master of an open election: Wait for the outcome, at most failInterval, then
///       StartStandby that follows nobody.
///  L-19 a standby by such a read: StartStandby following the view's upstream, unless this keeper
///       has voted in a later epoch than the view's.
///  L-21 up as the named master, and the view's switchover is in its step Stop: StopFast, once for
///       each switchover. (It comes behind L-08. L-04 then waits no longer than the switchover's
///       timeout before it becomes immediate.)
///  L-24 up, and a directory that was set aside has no report, or there are more of them than
///       keepDiverged, or something is left over beside: Tidy, but never before the present data
///       are known to be good.
///  L-25 what is started as a standby has been a primary's, and the view does not know why: it is
///       noted, so that nobody takes its timeline for another of the same number (K-12, S-11).
///  L-26 what should go on as the master, or may be named again, lacks WAL that its own beats have
///       told of: Refuse. Its disk was restored from an older state.
///  L-20 the store is silent for longer than its patience: StartStandby that follows nobody.
LauncherDecision plan_launcher(const LauncherInputs &inputs);

}  // namespace stolon::core
