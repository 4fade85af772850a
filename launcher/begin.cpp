// Actions that take long: the launcher begins them as a task, and goes on looking.
#include <algorithm>

#include "launcher/archive.h"
#include "launcher/clone.h"
#include "launcher/diverged.h"
#include "launcher/initdb.h"
#include "launcher/launcher.h"
#include "launcher/rewind.h"

namespace stolon::launcher {

using core::Instant;
using core::LauncherDecision;

/// What this keeper has promised in an election goes with it, not with its data.
core::DataState Launcher::state_of_new(const core::DbUid &db) const {
	core::DataState state;
	state.cluster_name = identity_.cluster_name;
	state.cluster_uid = data_->cluster_uid;
	state.keeper = identity_.keeper;
	state.db = db;
	state.epoch =
	    dir_.kind == core::DataKind::Ours ? std::max(dir_.state.epoch, data_->epoch) : data_->epoch;
	return state;
}

std::optional<UpstreamServer> Launcher::server_of(const core::DbUid &db) const {
	const auto *keeper = data_->reachable_keeper_of(db);
	if (keeper == nullptr)
		return {};
	UpstreamServer server;
	server.host = keeper->host;
	server.port = keeper->port;
	server.sslmode = data_->spec.default_sslmode;
	server.user = options_.replication_user;
	server.password_file = paths_.replication_pgpass();
	return server;
}

bool Launcher::begin_initdb(const LauncherDecision &decision, Instant now) {
	InitDbJob job;
	job.paths = paths_;
	job.identity = identity_;
	job.state = state_of_new(decision.db);
	job.bin_path = options_.bin_path;
	job.spec = data_->spec;
	job.superuser = options_.superuser;
	job.superuser_password_file = options_.superuser_password_file;
	job.replication_user = options_.replication_user;
	job.replication_password_file = options_.replication_password_file;
	return begin_task(
	    "initdb", decision, [job] { return run_initdb(job); }, now);
}

bool Launcher::begin_clone(const LauncherDecision &decision, Instant now) {
	const auto server = server_of(decision.follow);
	if (!server) {
		failed(now, "clone", "the upstream " + decision.follow.value + " has no address");
		return false;
	}
	CloneJob job;
	job.paths = paths_;
	job.identity = identity_;
	job.state = state_of_new(decision.db);
	job.bin_path = options_.bin_path;
	job.upstream = *server;
	job.upstream_db = decision.follow;
	job.slot = core::replication_name(decision.db);
	job.system_id = data_->system_id;
	return begin_task(
	    "clone", decision, [job] { return run_clone(job); }, now);
}

bool Launcher::begin_rewind(const LauncherDecision &decision, Instant now) {
	const auto server = server_of(decision.follow);
	const auto line = checkpointed_line();
	if (!server || !line) {
		failed(now, "rewind", "the upstream " + decision.follow.value + " has no address");
		return false;
	}
	RewindJob job;
	job.paths = paths_;
	job.identity = identity_;
	job.state = state_of_new(decision.db);
	job.bin_path = options_.bin_path;
	job.upstream = *server;
	job.upstream_line = *line;
	job.archiving = archive_parameters(data_->spec.pg_parameters);
	return begin_task(
	    "rewind", decision, [job] { return run_rewind(job); }, now);
}

/// Without a master to compare with, what is not reported yet waits.
bool Launcher::begin_tidying(const LauncherDecision &decision, Instant now) {
	TidyJob job;
	job.paths = paths_;
	job.identity = identity_;
	job.own = decision.db;
	job.bin_path = options_.bin_path;
	job.keep = data_->spec.keep_diverged;
	const auto line = checkpointed_line();
	const auto server = server_of(data_->master);
	if (line && server)
		job.master = Master{*server, *line};
	return begin_task(
	    tidying_task, decision, [job] { return tidy_diverged(job); }, now);
}

bool Launcher::begin_task(const char *name, const LauncherDecision &decision,
                          const std::function<core::Status()> &work, Instant now) {
	auto task = Task::start(work, lock_.tasks.get());
	if (!task.ok()) {
		failed(now, name, task.error().message);
		return false;
	}
	task_ = std::move(*task);
	task_name_ = name;
	task_db_ = decision.db;
	task_upstream_ = decision.follow;
	task_aborted_ = false;
	const int output = task_->output_fd();
	loop_.on_readable(output, [this, output] {
		if (task_ && !task_->read_output(store::now()))
			loop_.forget_fd(output);
	});
	return false;
}

bool Launcher::abort_task() {
	if (!task_aborted_) {
		task_aborted_ = true;
		task_->kill();
	}
	return false;
}

}  // namespace stolon::launcher
