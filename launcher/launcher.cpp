#include "launcher/launcher.h"

#include <algorithm>

#include "launcher/server_conf.h"
#include "spdlog/spdlog.h"
#include "store/files.h"

namespace stolon::launcher {

using core::Instant;
using core::LauncherDecision;
using core::NodePhase;
using core::PgState;

namespace {

/// Until clusterdata has been read.
constexpr core::Duration first_request_timeout = core::seconds(1);
/// How often postmaster.pid is looked at while the server starts.
constexpr core::Duration starting_pause = core::milliseconds(50);
/// How often a clone's progress is published.
constexpr core::Duration progress_pause = core::seconds(2);
constexpr core::Duration refresh_pause = core::milliseconds(500);
/// Without any event.
constexpr core::Duration longest_pause = core::seconds(5);
/// Actions that follow each other without waiting, for example Reap, Release.
constexpr int max_actions_per_step = 8;

std::string read_boot_id() {
	auto text = store::read_small_file("/proc/sys/kernel/random/boot_id");
	return text.ok() ? text->substr(0, text->find('\n')) : std::string();
}

store::MirrorOptions mirror_options(const core::Keys &keys) {
	store::MirrorOptions options;
	options.prefix = keys.root();
	options.request_timeout = first_request_timeout;
	return options;
}

}  // namespace

void Backoff::failed(Instant now, std::string reason, bool at_once) {
	constexpr int max_doublings = 5;
	const core::Duration pause = at_once && failures_ == 0
	                                 ? core::Duration(0)
	                                 : first * (1 << std::min(failures_, max_doublings));
	retry_at_ = now + std::min(pause, longest);
	reason_ = std::move(reason);
	++failures_;
}

void Backoff::succeeded() {
	failures_ = 0;
	retry_at_.reset();
	reason_.clear();
}

Launcher::Launcher(const Options &options, program::Loop &loop, store::Store &store,
                   DataDirLock lock, int version)
    : options_(options),
      paths_(paths_of(options)),
      identity_(identity_of(options)),
      server_log_(server_log_of(options)),
      keys_(options.common.store_prefix, options.common.cluster_name),
      loop_(loop),
      store_(store),
      lock_(std::move(lock)),
      version_(version),
      boot_id_(read_boot_id()),
      mirror_(store, mirror_options(keys_)),
      presence_(store, core::ClusterSpec().fail_interval, first_request_timeout),
      releaser_(store, keys_, identity_.keeper),
      ended_at_(store::now()) {
	look_at_set_aside();
}

void Launcher::request_stop() {
	if (stop_requested_)
		return;
	stop_requested_ = true;
	stop_requested_at_ = store::now();
	loop_.wake();
}

core::Duration Launcher::request_timeout() const {
	if (!data_)
		return first_request_timeout;
	const auto &spec = data_->spec;
	return spec.request_timeout > core::Duration(0) ? spec.request_timeout : spec.fail_interval / 5;
}

Instant Launcher::step(Instant now) {
	open_port_.poll(now);
	observe_postmaster(now);
	observe_task(now);
	position_of_data_.poll(now);
	collect_orphans();
	mirror_.poll(store::now());
	observe_view();
	observe_uid();
	releaser_.observe(mirror_);
	LauncherDecision decision;
	for (int i = 0; i < max_actions_per_step; ++i) {
		observe_directory(now);
		compare_with_told();
		decision = core::plan_launcher(inputs(now));
		if (!act(decision, now))
			break;
	}
	if (decision.refresh_view && now >= refreshed_at_ + refresh_pause) {
		refreshed_at_ = now;
		mirror_.refresh();
	}
	report_end();
	if (const std::string problem = mirror_.problem(); problem != logged_problem_) {
		logged_problem_ = problem;
		if (problem.empty())
			spdlog::info("the store answers");
		else
			spdlog::warn("the store: {}", problem);
	}
	report(decision, now);
	mirror_.poll(store::now());
	presence_.poll(store::now());
	return next_wake(decision, now);
}

Instant Launcher::next_wake(const LauncherDecision &decision, Instant now) const {
	Instant next = std::min({mirror_.wake_at(), presence_.wake_at(), now + longest_pause});
	for (const auto &wake :
	     {decision.wake_at, releaser_.retry_at(), leave_by_, open_port_.close_at()}) {
		if (wake && *wake > now)
			next = std::min(next, *wake);
	}
	if (leftovers_ && reap_at_ > now)
		next = std::min(next, reap_at_);
	if (pg_state_ == PgState::Starting)
		next = std::min(next, now + starting_pause);
	if (task_)
		next = std::min(next, now + progress_pause);
	if (decision.refresh_view)
		next = std::min(next, now + refresh_pause);
	return next;
}

NodePhase Launcher::phase_of(const LauncherDecision &decision) const {
	if (decision.action == core::LauncherAction::Refuse)
		return NodePhase::Refusing;
	if (task_ && task_name_ != tidying_task)
		return task_name_ == "clone"    ? NodePhase::Cloning
		       : task_name_ == "rewind" ? NodePhase::Rewinding
		                                : NodePhase::Initializing;
	switch (pg_state_) {
		case PgState::Starting:
			return NodePhase::Starting;
		case PgState::Running:
			return NodePhase::Running;
		case PgState::Stopping:
			return NodePhase::Stopping;
		case PgState::Down:
			break;
	}
	return dir_.kind == core::DataKind::Ours ? NodePhase::Stopped : NodePhase::Waiting;
}

std::string Launcher::message_of(const LauncherDecision &decision) const {
	if (task_ && task_name_ != tidying_task)
		return task_name_ + ": " + shown_progress_;
	if (pg_state_ == PgState::Running && decision.action == core::LauncherAction::Wait)
		return {};
	return decision.reason.text;
}

/// For an operator who has to choose between the data of a cluster whose store was lost.
void Launcher::look_for_position() {
	const bool wanted = !pg_ && !task_ && !leftovers_ && dir_.kind == core::DataKind::Ours &&
	                    !(data_ && data_->cluster_uid == dir_.state.cluster_uid);
	if (!wanted) {
		position_of_data_.forget();
		fail_interval_of_data_ = core::Duration(0);
	} else if (!position_of_data_.begun()) {
		position_of_data_.begin(options_.bin_path, paths_.pgdata());
		const auto conf = store::read_small_file(paths_.pgdata() + "/stolon.conf");
		fail_interval_of_data_ = fail_interval_in(conf.ok() ? *conf : std::string());
	}
}

void Launcher::report(const LauncherDecision &decision, Instant now) {
	// An entry of somebody else is not overwritten, and neither is one that is not known yet.
	if (!mirror_.ready() || !uid_taken_by_.empty() || leave_by_)
		return;
	if (task_ && (shown_progress_.empty() || now >= progress_shown_at_ + progress_pause)) {
		shown_progress_ = progress_.text_of(task_->progress(), now);
		progress_shown_at_ = now;
	}
	look_for_position();
	core::NodeInfo node;
	node.uid = identity_.keeper;
	node.phase = phase_of(decision);
	node.message = message_of(decision);
	node.boot_id = boot_id_;
	node.host = options_.advertise_address;
	node.port = options_.advertise_port;
	if (dir_.kind == core::DataKind::Ours) {
		node.db = dir_.state.db;
		node.system_id = dir_.system_id;
		node.cluster_uid = dir_.state.cluster_uid;
		node.epoch = dir_.state.epoch;
		node.position = position_of_data_.position();
		node.position_is_end = position_of_data_.is_end();
		node.fail_interval = fail_interval_of_data_;
	}
	node.pg_version = version_;
	// Of what has been replaced it would say that the new one does not stay up.
	if (last_exit_of_ == node.db)
		node.last_exit = last_exit_;
	node.diverged = set_aside_;
	if (node.diverged.size() > core::DivergedLimits::max_published)
		node.diverged.resize(core::DivergedLimits::max_published);
	presence_.set(keys_.node(identity_.keeper), core::node_info_to_text(node));
}

}  // namespace stolon::launcher
