// The launcher's loop: observes the store, the data directory and the postmaster, asks the plan,
// acts. One step does all that can be done without waiting.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/lineage/lineage.h"
#include "core/plan/launcher_plan.h"
#include "launcher/data_position.h"
#include "launcher/lock.h"
#include "launcher/open_port.h"
#include "launcher/options.h"
#include "launcher/postmaster.h"
#include "launcher/progress.h"
#include "launcher/release.h"
#include "launcher/task.h"
#include "launcher/upstream.h"
#include "store/mirror.h"
#include "store/presence.h"
#include "store/program/program.h"

namespace stolon::launcher {

/// Grows with each failure in a row, and says when to try again.
class Backoff {
public:
	/// `at_once`: the first failure in a row is followed by another attempt without a pause.
	void failed(core::Instant now, std::string reason, bool at_once = false);
	void explain(std::string reason) { reason_ = std::move(reason); }
	void succeeded();
	const std::optional<core::Instant> &retry_at() const { return retry_at_; }
	const std::string &reason() const { return reason_; }

	static constexpr core::Duration first = core::seconds(1);
	static constexpr core::Duration longest = core::seconds(30);

private:
	int failures_ = 0;
	std::optional<core::Instant> retry_at_;
	std::string reason_;
};

/// The name of the task that goes on beside a running server; the others stand in for one.
constexpr const char *tidying_task = "tidying";

class Launcher {
public:
	/// `version`: server_version_num.
	Launcher(const Options &options, program::Loop &loop, store::Store &store, DataDirLock lock,
	         int version);

	/// Everything that is due; gives when it wants to be called again at the latest.
	core::Instant step(core::Instant now);
	/// SIGTERM, SIGINT: stop Postgres, release, leave.
	void request_stop();

private:
	// Observing (observe.cpp)
	void observe_view();
	void observe_times();
	void observe_uid();
	void observe_directory(core::Instant now);
	void compare_with_told();
	void observe_postmaster(core::Instant now);
	void observe_task(core::Instant now);
	void log_warnings();
	void postmaster_ended(core::Instant now, const std::string &how);
	void task_ended(core::Instant now, int wait_status);
	void tidying_ended(core::Instant now, const core::Status &outcome, bool aborted);
	void report_end();
	void collect_orphans();
	std::optional<core::KeeperInfo> info_of(const core::DbUid &db) const;
	std::optional<core::KeeperInfo> upstream_info() const;
	bool upstream_ready() const;
	/// The master's line, once a checkpoint lies on its present timeline. Only when we are the
	/// master, or follow it.
	std::optional<core::Lineage> checkpointed_line() const;
	void look_at_set_aside();
	core::LauncherInputs inputs(core::Instant now) const;

	// Acting (actions.cpp)
	/// False: there is nothing more to do in this step.
	bool act(const core::LauncherDecision &decision, core::Instant now);
	void log_decision(const core::LauncherDecision &decision);
	bool reap_now(core::Instant now);
	bool release_now(core::Instant now);
	bool begin_initdb(const core::LauncherDecision &decision, core::Instant now);
	bool begin_clone(const core::LauncherDecision &decision, core::Instant now);
	bool begin_rewind(const core::LauncherDecision &decision, core::Instant now);
	bool begin_tidying(const core::LauncherDecision &decision, core::Instant now);
	core::DataState state_of_new(const core::DbUid &db) const;
	std::optional<UpstreamServer> server_of(const core::DbUid &db) const;
	bool begin_task(const char *name, const core::LauncherDecision &decision,
	                const std::function<core::Status()> &work, core::Instant now);
	bool swap_now(const core::LauncherDecision &decision, core::Instant now);
	std::string auto_conf_problem(bool primary);
	/// What the decision to start wants to have on the disk before; false: it is not there.
	bool note_primary(const core::LauncherDecision &decision, core::Instant now);
	bool start(bool primary, const core::DbUid &follow, core::Instant now);
	core::Result<std::string> stolon_conf(const core::DbUid &follow) const;
	bool stop(core::StopLevel level, core::Instant now);
	bool abort_task();
	void leave(core::Instant now);
	void watch(Postmaster postmaster, core::PgState state, core::Instant now);
	void failed(core::Instant now, const std::string &what, const std::string &why);

	// Reporting (launcher.cpp)
	void report(const core::LauncherDecision &decision, core::Instant now);
	void look_for_position();
	core::NodePhase phase_of(const core::LauncherDecision &decision) const;
	std::string message_of(const core::LauncherDecision &decision) const;

	core::Instant next_wake(const core::LauncherDecision &decision, core::Instant now) const;
	core::Duration request_timeout() const;

	Options options_;
	Paths paths_;
	Identity identity_;
	std::string server_log_;
	core::Keys keys_;
	program::Loop &loop_;
	store::Store &store_;
	DataDirLock lock_;
	int version_;
	std::string boot_id_;

	store::Mirror mirror_;
	store::Presence presence_;
	Releaser releaser_;

	// The view
	std::optional<core::ClusterData> data_;
	std::int64_t data_revision_ = 0;
	std::string data_text_;
	bool data_is_readable_ = true;  ///< the newest value could be parsed
	std::string uid_taken_by_;
	bool node_is_ours_ = false;  ///< our node entry has been put by this process

	// The directory and the server
	core::DataDir dir_;
	std::optional<Postmaster> pg_;
	core::PgState pg_state_ = core::PgState::Down;
	bool pg_is_primary_ = false;
	core::Instant primary_seen_at_;
	core::Instant started_at_;
	bool was_up_ = false;  ///< it has accepted connections
	OpenPort open_port_;
	long log_offset_ = 0;
	core::StopLevel stop_level_ = core::StopLevel::None;
	core::Instant stop_level_at_;
	std::string stopped_for_;  ///< id of the switchover for which the master was stopped last
	std::optional<SharedMemory> memory_;  ///< of the running, or the last, server
	bool leftovers_ = true;               ///< at our start nothing is known of what was before
	core::Instant reap_at_;
	core::Instant ended_at_;
	bool end_known_ = false;  ///< `wal_end_` is of the server that ended last
	std::optional<core::WalPosition> wal_end_;
	core::WalPosition told_checked_;  ///< whether the WAL is here that the last beat told of
	std::string gone_back_;           ///< it is not: a sentence
	DataPosition position_of_data_;   ///< read while its cluster has no view
	core::Duration fail_interval_of_data_{0};
	std::string last_exit_, unreported_end_;
	core::DbUid last_exit_of_;  ///< what the directory held then
	core::Instant refreshed_at_;

	std::vector<core::DivergedData> set_aside_;  ///< newest first
	int left_over_ = 0;                          ///< beside, when it was last looked
	core::DbUid no_rewind_for_;
	std::string no_rewind_reason_;

	// The task
	std::optional<Task> task_;
	std::string task_name_;
	core::DbUid task_db_, task_upstream_;
	bool task_aborted_ = false;

	Backoff backoff_, tidying_backoff_;
	bool stop_requested_ = false;
	core::Instant stop_requested_at_;
	std::optional<core::Instant> leave_by_;

	std::string logged_decision_, logged_problem_, logged_release_;
	Progress progress_;
	std::string shown_progress_;
	core::Instant progress_shown_at_;
};

}  // namespace stolon::launcher
