// What the launcher does: each action of the plan.
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>

#include "core/pgconf/pgconf.h"
#include "launcher/control_file.h"
#include "launcher/fault_point.h"
#include "launcher/kept_tablespaces.h"
#include "launcher/launcher.h"
#include "launcher/reaper.h"
#include "launcher/server_conf.h"
#include "launcher/usable_spec.h"
#include "spdlog/spdlog.h"
#include "store/files.h"

namespace stolon::launcher {

using core::Instant;
using core::LauncherAction;
using core::LauncherDecision;
using core::PgState;
using core::StopLevel;

namespace {

/// The loop stands still while the reaper works.
constexpr core::Duration reap_bound = core::milliseconds(200);
constexpr core::Duration reap_pause = core::milliseconds(100);
constexpr core::Duration leave_bound = core::seconds(1);

std::string joined(const std::vector<std::string> &names) {
	std::string text;
	for (const auto &name : names)
		text += (text.empty() ? "" : ", ") + name;
	return text;
}

}  // namespace

bool Launcher::act(const LauncherDecision &decision, Instant now) {
	log_decision(decision);
	switch (decision.action) {
		case LauncherAction::Wait:
		case LauncherAction::Refuse:
			return false;
		case LauncherAction::Reap:
			return reap_now(now);
		case LauncherAction::Release:
			return release_now(now);
		case LauncherAction::InitDb:
			return begin_initdb(decision, now);
		case LauncherAction::Clone:
			return begin_clone(decision, now);
		case LauncherAction::Rewind:
			return begin_rewind(decision, now);
		case LauncherAction::Tidy:
			return begin_tidying(decision, now);
		case LauncherAction::Swap:
			return swap_now(decision, now);
		case LauncherAction::AbortTask:
			return abort_task();
		case LauncherAction::StartPrimary:
			return start(true, {}, now);
		case LauncherAction::StartStandby:
			return note_primary(decision, now) && start(false, decision.follow, now);
		case LauncherAction::StopFast:
			if (!decision.switchover.empty())
				stopped_for_ = decision.switchover;
			return stop(StopLevel::Fast, now);
		case LauncherAction::StopImmediate:
			return stop(StopLevel::Immediate, now);
		case LauncherAction::StopKill:
			return stop(StopLevel::Kill, now);
		case LauncherAction::Exit:
			leave(now);
			return false;
	}
	return false;
}

void Launcher::log_decision(const LauncherDecision &decision) {
	const std::string line = std::string(core::to_string(decision.action)) + " (" +
	                         decision.reason.rule + "): " + decision.reason.text;
	if (line == logged_decision_)
		return;
	logged_decision_ = line;
	if (decision.action == LauncherAction::Refuse)
		spdlog::error("{}", line);
	else
		spdlog::info("{}", line);
}

bool Launcher::reap_now(Instant now) {
	if (now < reap_at_)
		return false;
	ReapRequest request;
	request.pgdata = paths_.pgdata();
	request.memory = memory_;
	if (task_)
		request.spare.insert(task_->pid());
	const ReapResult result = reap(request, reap_bound);
	if (!result.done) {
		spdlog::warn("what is left of the ended server does not go away: {}", result.remaining);
		reap_at_ = now + reap_pause;
		return false;
	}
	if (result.killed > 0)
		spdlog::info("{} processes that the ended server had left were killed", result.killed);
	for (const auto &path : remove_stale_locks(paths_.pgdata()))
		spdlog::info("removed \"{}\" of the ended server, whose pid is not free", path);
	leftovers_ = false;
	FAULT_POINT("ended-reaped");
	return true;
}

bool Launcher::release_now(Instant now) {
	ServerEnd end;
	end.found_down = last_exit_.empty() && gone_back_.empty();
	end.reason = !gone_back_.empty() ? gone_back_
	             : end.found_down    ? "the server was not running when the launcher started"
	                                 : last_exit_;
	// What is at rest does not change any more; a release that has to be repeated need not look
	// again.
	if (!end_known_) {
		wal_end_ = clean_end(options_.bin_path, paths_.pgdata());
		end_known_ = true;
		if (wal_end_)
			spdlog::info("the server was shut down cleanly, its WAL ends on {}",
			             wal_end_->to_string());
	}
	// The end of an older state is not that of what the master has acknowledged.
	if (gone_back_.empty())
		end.clean_end = wal_end_;
	releaser_.release(dir_.state.db, end, request_timeout(), now, [this] {
		const std::string outcome =
		    "mastership of db " + dir_.state.db.value + ": " + releaser_.last_outcome();
		// A store that is away gives the same answer ten times a second.
		if (outcome != logged_release_)
			spdlog::info("{}", outcome);
		logged_release_ = outcome;
		FAULT_POINT("ended-released");
		loop_.wake();
	});
	return false;
}

bool Launcher::swap_now(const LauncherDecision &decision, Instant now) {
	const auto swapped =
	    swap_in(paths_, identity_, paths_.clone(decision.db), decision.db, decision.clone_anew);
	if (!swapped.ok()) {
		failed(now, "swap", swapped.error().message);
		return false;
	}
	if (!swapped->aside.empty())
		spdlog::warn("the data of db {} were moved aside and are kept in \"{}\"",
		             decision.instead_of.value, swapped->aside);
	if (!swapped->node_files.empty())
		spdlog::warn("{}", node_files_are_kept(swapped->node_files));
	for (const auto &name : diverged_directories(paths_))
		for (const auto &location : tablespaces_in_the_way(paths_.root + "/" + name))
			spdlog::warn(
			    "\"{}\" still holds a tablespace of \"{}\" and could not be cleared: do not give "
			    "it to CREATE TABLESPACE again",
			    location, name);
	spdlog::info("the clone is in place as db {}", decision.db.value);
	look_at_set_aside();
	observe_directory(now);
	return true;
}

/// Without knowledge of the cluster the parameters stay as they are: a standby with other ones than
/// its primary's might not even start.
core::Result<std::string> Launcher::stolon_conf(const core::DbUid &follow) const {
	if (!data_) {
		auto text = store::read_small_file(paths_.pgdata() + "/stolon.conf");
		if (!text.ok())
			return text.error();
		if (text->empty())
			return core::invalid("there is no stolon.conf yet, and the store does not answer");
		return without_upstream(*text);
	}
	core::Upstream upstream;
	if (const auto *db = data_->find_db(follow)) {
		if (const auto *keeper = data_->find_keeper(db->keeper)) {
			upstream.host = keeper->host;
			upstream.port = keeper->port;
			upstream.db = db->uid;
		}
	}
	const UsableSpec usable = usable_spec(options_.bin_path, paths_.pgdata(), data_->spec);
	if (!usable.left_out.empty())
		spdlog::warn("pgParameters: PostgreSQL refuses {}; left out", joined(usable.left_out));
	return core::render_stolon_conf(node_settings(options_), usable.spec, dir_.state.db, upstream,
	                                data_->election.has_value());
}

/// Why a server may not be started with its postgresql.auto.conf; "" = it may. A standby that would
/// follow somebody else looks alive and can't be led; a parameter that is only other than it should
/// be is not worth a server that does not start.
std::string Launcher::auto_conf_problem(bool primary) {
	const std::string path = paths_.pgdata() + "/postgresql.auto.conf";
	const auto text = store::read_small_file(path);
	if (!text.ok() && text.error().kind != core::ErrorKind::NotFound)
		return text.error().message;
	Overrides overrides = overrides_in(text.ok() ? *text : std::string());
	if (!primary && !overrides.upstream.empty())
		return "\"" + path + "\" sets " + joined(overrides.upstream) +
		       ", which stolon has to set on a standby: remove that from the file";
	auto &names = overrides.others;
	names.insert(names.end(), overrides.upstream.begin(), overrides.upstream.end());
	if (!names.empty())
		spdlog::warn("\"{}\" sets {} and overrides stolon.conf: remove that from the file", path,
		             joined(names));
	return {};
}

bool Launcher::note_primary(const LauncherDecision &decision, Instant now) {
	if (!decision.note_primary)
		return true;
	core::DataState state = dir_.state;
	state.was_primary = true;
	const auto done = write_state(paths_.pgdata(), state);
	if (!done.ok()) {
		failed(now, "start as standby", done.error().message);
		return false;
	}
	dir_.state = state;
	return true;
}

bool Launcher::start(bool primary, const core::DbUid &follow, Instant now) {
	const char *const what = primary ? "start as primary" : "start as standby";
	const auto conf = stolon_conf(follow);
	if (!conf.ok()) {
		failed(now, what, conf.error().message);
		return false;
	}
	if (const auto problem = auto_conf_problem(primary); !problem.empty()) {
		failed(now, what, problem);
		return false;
	}
	remove_spent_notes(paths_);
	const std::string hba =
	    data_ ? core::render_pg_hba(data_->spec, options_.superuser, options_.replication_user)
	          : std::string();
	if (auto done = prepare_start(paths_.pgdata(), *conf, hba, !primary); !done.ok()) {
		failed(now, what, done.error().message);
		return false;
	}
	FAULT_POINT("start-ready");
	open_port_.close();
	struct stat log = {};
	log_offset_ = !server_log_.empty() && ::stat(server_log_.c_str(), &log) == 0 ? log.st_size : 0;
	auto started =
	    Postmaster::start(options_.bin_path, paths_.pgdata(), server_log_, fence_arguments(*conf));
	if (!started.ok()) {
		failed(now, what, started.error().message);
		return false;
	}
	FAULT_POINT("start-forked");
	spdlog::info("Postgres started with pid {}", started->pid());
	watch(std::move(*started), PgState::Starting, now);
	return false;
}

void Launcher::watch(Postmaster postmaster, PgState state, Instant now) {
	position_of_data_.forget();
	pg_ = std::move(postmaster);
	pg_state_ = state;
	stop_level_ = StopLevel::None;
	started_at_ = now;
	open_port_.close();
	memory_.reset();
	end_known_ = false;
	told_checked_ = {};
	pg_is_primary_ = false;
	was_up_ = state == PgState::Running;
	loop_.on_readable(pg_->pidfd(), [this] { loop_.wake(); });
	// Now it is known which incarnation lies there, and only while a server is up anything is
	// tidied.
	look_at_set_aside();
	observe_postmaster(now);
}

bool Launcher::stop(StopLevel level, Instant now) {
	if (!pg_)
		return false;
	open_port_.close();
	pg_->send(level == StopLevel::Fast        ? SIGINT
	          : level == StopLevel::Immediate ? SIGQUIT
	                                          : SIGKILL);
	stop_level_ = level;
	stop_level_at_ = now;
	pg_state_ = PgState::Stopping;
	return false;
}

void Launcher::leave(Instant now) {
	if (!leave_by_) {
		leave_by_ = now + leave_bound;
		presence_.close();
	}
	if (presence_.idle() || now >= *leave_by_)
		loop_.stop(program::ExitOk);
}

void Launcher::failed(Instant now, const std::string &what, const std::string &why) {
	spdlog::error("{} failed: {}", what, why);
	backoff_.failed(now, what + " failed: " + why);
}

}  // namespace stolon::launcher
