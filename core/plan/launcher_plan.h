// What the launcher does next with the data directory and the postmaster: a pure function.
#pragma once

#include <optional>
#include <string>

#include "core/model/clusterdata.h"
#include "core/model/info.h"
#include "core/plan/reason.h"

namespace stolon::core {

/// What lies at PGDATA.
enum class DataKind {
	Absent,   ///< nothing, or an empty directory
	Ours,     ///< a complete data directory with this cluster's and this keeper's stolon.state
	Half,     ///< our own initdb was interrupted (marker found)
	Foreign,  ///< anything else: never touched
};

struct DataDir {
	DataKind kind = DataKind::Absent;
	DataState state;                   ///< when Ours
	std::string system_id;             ///< when Ours
	std::string problem;               ///< when Foreign: what it is
	std::optional<DbUid> clone_ready;  ///< a complete clone lies beside, for this db
	bool has_former_primary_history =
	    false;  ///< when Ours: pg_control says "in production" or a clean shutdown of a primary
};

enum class PgState { Down, Starting, Running, Stopping };

struct LauncherInputs {
	Instant now;
	KeeperUid uid;
	std::string cluster_name;
	std::optional<ClusterData>
	    data;  ///< last view seen; nullopt: none was ever seen, or no cluster is initialised
	bool view_is_fresh =
	    false;  ///< the store answers, and the view was read after the last postmaster's end
	bool store_has_no_cluster = false;  ///< the store answered, and clusterdata is absent
	DataDir dir;
	PgState pg = PgState::Down;
	bool pg_started_as_primary = false;  ///< no standby.signal when it was started
	bool task_running = false;           ///< initdb, clone: a child is at work
	DbUid task_db;                       ///< for which incarnation
	bool leftovers = false;              ///< processes of a dead postmaster are still there
	/// The last postmaster of this directory ran under the master's lease and ended; its beat has
	/// not been replaced by `released` yet.
	bool must_release = false;
	std::int64_t released_revision =
	    0;                            ///< mod_revision of our `released` beat; 0: none outstanding
	Instant ended_at;                 ///< when the last postmaster was seen to be gone
	std::optional<Instant> retry_at;  ///< not before: back-off after a failed action
	bool upstream_ready = false;  ///< the master is writable and has applied the generation of our
	                              ///< db (its slot exists)
	bool stop_requested = false;  ///< SIGTERM: stop Postgres and leave
};

enum class LauncherAction {
	Wait,     ///< nothing to do until something changes (or wake_at)
	Refuse,   ///< cannot go on without the operator; `reason` says why and what to do
	Reap,     ///< kill what is left of a dead postmaster
	Release,  ///< write the `released` beat
	InitDb,
	Clone,      ///< into a directory beside
	Swap,       ///< move PGDATA aside (if any) and the complete clone in its place
	AbortTask,  ///< the task is for an incarnation that is no longer wanted
	StartPrimary,
	StartStandby,  ///< with standby.signal; following the view's upstream, or nobody
	StopFast,
	StopImmediate,
	Exit,  ///< stop was requested, and all is down
};

struct LauncherDecision {
	LauncherAction action = LauncherAction::Wait;
	Reason reason;
	std::optional<Instant> wake_at;
};

/// See the rules (L-01 ...) beside each case in launcher_plan.cpp.
LauncherDecision plan_launcher(const LauncherInputs &inputs);

}  // namespace stolon::core
