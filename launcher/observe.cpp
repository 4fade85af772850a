// What the launcher sees: the store, the directory, the postmaster, the task.
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "launcher/diverged.h"
#include "launcher/launcher.h"
#include "launcher/told_wal.h"
#include "spdlog/spdlog.h"

namespace stolon::launcher {

using core::Instant;
using core::PgState;

namespace {

bool exists(const std::string &path) {
	struct stat status = {};
	return ::lstat(path.c_str(), &status) == 0;
}

/// A server that lived for so long did not fail to start.
constexpr core::Duration long_enough = core::seconds(30);

}  // namespace

void Launcher::observe_view() {
	if (!mirror_.ready())
		return;
	const auto *entry = mirror_.find(keys_.clusterdata());
	if (entry == nullptr) {
		if (data_)
			spdlog::error("the cluster has vanished from the store: clusterdata is gone");
		data_.reset();
		data_revision_ = 0;
		data_text_.clear();
		data_is_readable_ = true;
		return;
	}
	// A store that was restored may have other contents at the same revision.
	if (entry->mod_revision == data_revision_ && entry->value == data_text_)
		return;
	data_revision_ = entry->mod_revision;
	data_text_ = entry->value;
	auto parsed = core::parse_clusterdata(entry->value);
	data_is_readable_ = parsed.ok();
	if (!parsed.ok()) {
		// A damaged value changes nothing.
		spdlog::error("clusterdata is not acceptable, going on with what was known before: {}",
		              parsed.error().message);
		return;
	}
	const auto db_of_ours = [this] {
		const auto *db = data_ ? data_->db_of(identity_.keeper) : nullptr;
		return db != nullptr ? db->uid : core::DbUid();
	};
	const core::DbUid before = db_of_ours();
	data_ = std::move(*parsed);
	// What failed for one incarnation says nothing about the next.
	if (db_of_ours() != before)
		backoff_.succeeded();
	observe_times();
}

void Launcher::observe_times() {
	const auto &spec = data_->spec;
	const auto timeout = request_timeout();
	presence_.set_times(spec.fail_interval, timeout);
	mirror_.set_intervals(timeout, spec.sleep_interval, spec.sleep_interval);
}

/// Somebody else's node entry under our uid: of another machine, or of another server on this one.
void Launcher::observe_uid() {
	uid_taken_by_.clear();
	node_is_ours_ = node_is_ours_ || presence_.published();
	if (node_is_ours_ || !mirror_.ready())
		return;
	const auto *entry = mirror_.find(keys_.node(identity_.keeper));
	if (entry == nullptr)
		return;
	const auto node = core::parse_node_info(entry->value);
	if (!node.ok())
		return;
	if (node->boot_id != boot_id_ || node->host != options_.advertise_address ||
	    node->port != options_.advertise_port)
		uid_taken_by_ = node->host + ":" + std::to_string(node->port);
}

void Launcher::observe_directory(Instant now) {
	if (pg_)
		return;
	std::optional<core::DbUid> wanted;
	if (const auto *db = data_ ? data_->db_of(identity_.keeper) : nullptr)
		wanted = db->uid;
	dir_ = inspect(paths_, identity_, wanted);
	if (dir_.kind != core::DataKind::Ours) {
		// Nothing of ours can run there.
		leftovers_ = false;
		return;
	}
	// A task may run a server there itself, to recover what it is going to rewind.
	if (task_)
		return;
	if (auto running = Postmaster::adopt(paths_.pgdata())) {
		spdlog::info("found a running server (pid {}), taking it over", running->pid());
		watch(std::move(*running), PgState::Running, now);
	} else if (const auto file = read_postmaster_file(paths_.pgdata()); file && file->memory) {
		// The file of a dead server, perhaps from before our time.
		memory_ = file->memory;
	}
}

/// While this launcher watched the server, its disk cannot have gone back.
void Launcher::compare_with_told() {
	if (pg_ || task_ || leftovers_ || (!last_exit_.empty() && gone_back_.empty()))
		return;
	const core::WalPosition told =
	    dir_.kind == core::DataKind::Ours ? releaser_.told(dir_.state.db) : core::WalPosition();
	// Once, and not while somebody brings newer ones back.
	if (told == told_checked_)
		return;
	told_checked_ = told;
	gone_back_.clear();
	if (!told.lsn.valid())
		return;
	const auto has_it = has_wal_up_to(options_.bin_path, paths_.pgdata(), told);
	if (!has_it.ok())
		spdlog::warn("whether the data are as new as their last beat is not known: {}",
		             has_it.error().message);
	else if (!*has_it)
		gone_back_ =
		    "its server told the cluster of WAL up to " + told.to_string() + ", which is not here";
}

void Launcher::observe_postmaster(Instant now) {
	if (!pg_)
		return;
	if (const std::string end = pg_->poll_end(); !end.empty()) {
		// Not the step's time: the read that follows must be known to be later.
		postmaster_ended(store::now(), end);
		return;
	}
	if (pg_state_ == PgState::Starting && accepts_connections(paths_.pgdata(), pg_->pid())) {
		pg_state_ = PgState::Running;
		was_up_ = true;
		spdlog::info("Postgres accepts connections");
	}
	if (const auto file = read_postmaster_file(paths_.pgdata());
	    file && file->pid == pg_->pid() && file->memory)
		memory_ = file->memory;
	const bool is_primary = !exists(paths_.pgdata() + "/standby.signal");
	if (is_primary && !pg_is_primary_)
		primary_seen_at_ = now;
	pg_is_primary_ = is_primary;
	if (pg_state_ == PgState::Running && !open_port_.is_shared())
		open_port_.share(pg_->pidfd(), pg_->pid());
}

void Launcher::postmaster_ended(Instant now, const std::string &how) {
	const bool asked_for = stop_level_ != core::StopLevel::None;
	last_exit_ = how;
	last_exit_of_ = dir_.state.db;
	ended_at_ = now;
	leftovers_ = true;
	reap_at_ = {};
	loop_.forget_fd(pg_->pidfd());
	pg_.reset();
	open_port_.keep(now);
	pg_state_ = PgState::Down;
	stop_level_ = core::StopLevel::None;
	if (asked_for || now - started_at_ >= long_enough)
		backoff_.succeeded();
	else
		backoff_.failed(now, how, was_up_);
	unreported_end_ = asked_for ? how + ", as asked" : how;
	mirror_.refresh();
}

/// After the release, which must not wait for a disk.
void Launcher::report_end() {
	if (unreported_end_.empty())
		return;
	const std::string tail =
	    server_log_.empty() ? std::string() : tail_of_log(server_log_, log_offset_);
	const std::string text = unreported_end_ + (tail.empty() ? "" : "; from its log: ") + tail;
	if (unreported_end_ == last_exit_) {
		spdlog::error("{}", text);
		backoff_.explain(text);
	} else {
		spdlog::info("{}", unreported_end_);
	}
	unreported_end_.clear();
}

void Launcher::log_warnings() {
	for (const auto &warning : task_->take_warnings())
		spdlog::warn("{}: {}", task_name_, warning);
}

void Launcher::observe_task(Instant now) {
	if (!task_)
		return;
	log_warnings();
	if (const auto status = task_->poll_end()) {
		task_ended(now, *status);
		return;
	}
	const core::Duration bound = data_ ? data_->spec.sync_timeout : core::Duration(0);
	if (bound > core::Duration(0) && now - task_->last_output_at() > bound && !task_aborted_) {
		spdlog::error("{}: no progress for {}, giving up", task_name_,
		              core::format_duration(bound));
		task_->kill();
	}
}

void Launcher::task_ended(Instant now, int wait_status) {
	loop_.forget_fd(task_->output_fd());
	task_->read_output(now);
	log_warnings();
	const core::Status outcome = task_->outcome(wait_status);
	const bool aborted = task_aborted_;
	const std::string last_line = task_->progress();
	task_.reset();
	task_aborted_ = false;
	look_at_set_aside();
	if (task_name_ == tidying_task) {
		tidying_ended(now, outcome, aborted);
	} else if (outcome.ok()) {
		spdlog::info("{}: done{}{}", task_name_, last_line.empty() ? "" : ": ", last_line);
		backoff_.succeeded();
	} else if (!aborted && task_name_ == "rewind" &&
	           outcome.error().kind == core::ErrorKind::Invalid) {
		spdlog::warn("no rewind: {}", outcome.error().message);
		no_rewind_for_ = task_db_;
		no_rewind_reason_ = outcome.error().message;
	} else if (aborted) {
		spdlog::info("{}: aborted", task_name_);
	} else {
		failed(now, task_name_, outcome.error().message);
	}
}

/// What fails here must not hold up anything else.
void Launcher::tidying_ended(Instant now, const core::Status &outcome, bool aborted) {
	if (outcome.ok()) {
		tidying_backoff_.succeeded();
		return;
	}
	tidying_backoff_.failed(now, outcome.error().message);
	if (!aborted)
		spdlog::error("{} failed: {}", tidying_task, outcome.error().message);
}

/// Orphans of servers and tasks come to us, the subreaper; they must not stay as zombies.
void Launcher::collect_orphans() {
	for (;;) {
		siginfo_t ended = {};
		if (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0)
			return;
		const bool known = (pg_ && pg_->pid() == ended.si_pid) ||
		                   (task_ && task_->pid() == ended.si_pid) ||
		                   position_of_data_.owns(ended.si_pid);
		if (known) {
			// It has ended just now: the next step takes its status.
			loop_.wake();
			return;
		}
		::waitpid(ended.si_pid, nullptr, WNOHANG);
	}
}

/// What the keeper worker of our db's upstream says.
std::optional<core::KeeperInfo> Launcher::upstream_info() const {
	const auto *own = data_ ? data_->db_of(identity_.keeper) : nullptr;
	return own != nullptr ? info_of(own->follow) : std::nullopt;
}

std::optional<core::KeeperInfo> Launcher::info_of(const core::DbUid &db) const {
	const auto *upstream = data_ ? data_->find_db(db) : nullptr;
	if (upstream == nullptr)
		return {};
	const auto *entry = mirror_.find(keys_.keeper_info(upstream->keeper));
	if (entry == nullptr)
		return {};
	auto info = core::parse_keeper_info(entry->value);
	if (!info.ok() || info->db != upstream->uid)
		return {};
	return std::move(*info);
}

/// The upstream knows the view that names our db, so its slot is there.
bool Launcher::upstream_ready() const {
	const auto info = upstream_info();
	if (!info || info->generation < data_->db_of(identity_.keeper)->generation)
		return false;
	return info->db != data_->master || (info->writable && info->writable_epoch == data_->epoch);
}

std::optional<core::Lineage> Launcher::checkpointed_line() const {
	const auto *own = data_ ? data_->db_of(identity_.keeper) : nullptr;
	if (own == nullptr || (own->follow != data_->master && own->uid != data_->master))
		return {};
	const auto info = info_of(data_->master);
	if (!info || info->role != core::PgRole::Primary || !info->position.timeline.valid() ||
	    info->checkpointed != info->position.timeline)
		return {};
	return core::Lineage{info->position, info->history};
}

void Launcher::look_at_set_aside() {
	set_aside_ = list_diverged(paths_);
	left_over_ =
	    dir_.kind == core::DataKind::Ours ? count_left_over(paths_, identity_, dir_.state.db) : 0;
}

core::LauncherInputs Launcher::inputs(Instant now) const {
	core::LauncherInputs in;
	in.now = now;
	in.uid = identity_.keeper;
	in.data = data_;
	if (mirror_.ready() && data_is_readable_)
		in.view_read_at = mirror_.fresh_at();
	in.store_has_no_cluster = mirror_.ready() && data_revision_ == 0;
	in.uid_taken_by = uid_taken_by_;
	in.dir = dir_;
	in.pg = pg_state_;
	in.pg_is_primary = pg_is_primary_;
	in.primary_seen_at = primary_seen_at_;
	in.stop_level = stop_level_;
	in.stop_level_at = stop_level_at_;
	in.task_running = task_.has_value();
	in.task_is_tidying = task_ && task_name_ == tidying_task;
	in.task_db = task_db_;
	in.task_upstream = task_upstream_;
	in.leftovers = leftovers_;
	if (dir_.kind == core::DataKind::Ours) {
		const bool same_cluster = data_ && data_->cluster_uid == dir_.state.cluster_uid;
		in.must_release = same_cluster && releaser_.is_needed(dir_.state.db);
		in.released_revision = releaser_.released_revision(dir_.state.db);
	}
	in.gone_back = gone_back_;
	in.ended_at = ended_at_;
	in.retry_at = backoff_.retry_at();
	in.retry_reason = backoff_.reason();
	in.upstream_ready = upstream_ready();
	in.upstream_checkpointed = checkpointed_line().has_value();
	in.no_rewind_for = no_rewind_for_;
	in.no_rewind_reason = no_rewind_reason_;
	if (const auto &again_at = tidying_backoff_.retry_at(); !again_at || now >= *again_at) {
		if (data_)
			in.removable =
			    static_cast<int>(removable_diverged(set_aside_, data_->spec.keep_diverged).size());
		in.left_over = left_over_;
		in.report_missing = std::any_of(set_aside_.begin(), set_aside_.end(), lacks_report);
	}
	in.stopped_for = stopped_for_;
	in.stop_requested = stop_requested_;
	in.stop_requested_at = stop_requested_at_;
	return in;
}

}  // namespace stolon::launcher
