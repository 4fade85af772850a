#include "proxy-hook/bouncer.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <set>

#include "store/files.h"

namespace stolon::proxy {

namespace {

using core::Instant;
using core::milliseconds;
using core::seconds;

constexpr auto never = seconds(3600);
/// A process that lived shorter is not started again at once.
constexpr auto quick_death = seconds(2);
constexpr auto first_delay = milliseconds(100);
constexpr auto longest_delay = seconds(5);
constexpr auto retry_delay = milliseconds(100);
/// After a cut it is looked whether it worked; KILL, the last resort, comes after this long.
constexpr auto look_interval = milliseconds(50);
constexpr auto kill_after = seconds(3);
/// A console that answers nothing for so long belongs to a process that serves nobody either.
constexpr auto hung_after = seconds(10);
/// Between SIGTERM, at which pgbouncer exits at once, and SIGKILL.
constexpr auto stop_patience = seconds(2);

bool is_not_paused_error(const AdminAnswer &answer) {
	return answer.error.find("not paused") != std::string::npos;
}

std::string text_of(const std::vector<core::Backend> &backends) {
	std::string text;
	for (const core::Backend &backend : backends) {
		text += (text.empty() ? "" : ", ") + backend.host + ":" + std::to_string(backend.port);
	}
	return text;
}

}  // namespace

std::vector<ServerConnection> connections_to_cut(const AdminAnswer &servers, bool only_obsolete) {
	std::vector<ServerConnection> out;
	for (std::size_t row = 0; row < servers.rows.size(); ++row) {
		if (only_obsolete && servers.cell(row, "close_needed") != "1") {
			continue;
		}
		out.push_back(ServerConnection{servers.cell(row, "database"), servers.cell(row, "addr"),
		                               std::atoi(servers.cell(row, "port").c_str()),
		                               std::atoi(servers.cell(row, "local_port").c_str())});
	}
	return out;
}

Bouncer::Bouncer(program::Loop &loop, BouncerOptions options)
    : loop_(loop),
      options_(std::move(options)),
      directory_(options_.run_dir + "/" + options_.name),
      socket_path_(directory_ + "/.s.PGSQL." + std::to_string(options_.listen.port)),
      console_(loop, socket_path_),
      pause_console_(loop, socket_path_) {}

std::string Bouncer::identity() const {
	return options_.program + " on " + options_.listen.host + ":" +
	       std::to_string(options_.listen.port);
}

void Bouncer::adopt() {
	std::optional<Process> found = Process::find(path("lock"));
	if (!found) {
		return;
	}
	if (found->identity() != identity()) {
		spdlog::info("{}: stopping the pgbouncer that runs as {}, now it is to be {}",
		             options_.name, found->identity(), identity());
		found->send_signal(SIGKILL);
		found->wait_for_end(stop_patience);
		return;
	}
	process_ = std::move(found);
	loop_.on_readable(process_->pidfd(), [this] { loop_.wake(); });
	spdlog::info("{}: found pgbouncer {} running, taking it over", options_.name, process_->pid());
}

core::Status Bouncer::open_sockets() {
	if (process_ || !sockets_.empty()) {
		return {};
	}
	mkdir(directory_.c_str(), 0700);
	core::Result<std::vector<Fd>> tcp = listen_tcp(options_.listen);
	if (!tcp) {
		return tcp.error();
	}
	core::Result<Fd> local = listen_unix(socket_path_);
	if (!local) {
		return local.error();
	}
	sockets_ = std::move(*tcp);
	sockets_.insert(sockets_.begin(), std::move(*local));
	return {};
}

core::Status Bouncer::write_ini(const std::vector<core::Backend> &backends) {
	if (backends == written_ && !marker_.empty()) {
		return {};
	}
	const std::string marker = "stolon." + std::to_string(store::now().since_boot.count());
	core::Result<std::string> text =
	    render_ini(options_.pool, {path("pgbouncer.ini"), path("pgbouncer.log")}, backends, marker);
	if (!text) {
		return text.error();
	}
	if (core::Status status = store::write_file_atomically(path("pgbouncer.ini"), *text, 0600);
	    !status) {
		return status;
	}
	written_ = backends;
	marker_ = marker;
	return {};
}

void Bouncer::prepare(const std::vector<core::Backend> &backends) {
	if (core::Status status = write_ini(backends); !status) {
		spdlog::error("{}: {}", options_.name, status.error().message);
	}
}

void Bouncer::set_goal(BouncerGoal goal) {
	if (goal != goal_) {
		goal_ = std::move(goal);
		not_before_ = std::min(not_before_, store::now() + retry_delay);
	}
}

bool Bouncer::reached() const {
	if (goal_.mode == BouncerMode::Serve) {
		return process_ && applied_ && *applied_ == goal_ && console_.is_ready();
	}
	// What was sent before the login was answered has not been written yet.
	return !process_ || (applied_ && applied_->mode == goal_.mode && pause_console_.is_ready());
}

void Bouncer::start(Instant now) {
	core::Status status = open_sockets();
	if (status) {
		status = write_ini(goal_.backends);
	}
	if (status) {
		std::vector<int> fds;
		for (const Fd &fd : sockets_) {
			fds.push_back(fd.get());
		}
		core::Result<Process> started =
		    Process::start({options_.program, path("pgbouncer.ini"), path("lock"),
		                    path("pgbouncer.out"), identity()},
		                   fds);
		if (started) {
			process_ = std::move(*started);
		} else {
			status = started.error();
		}
	}
	if (!status) {
		spdlog::error("{}: {}", options_.name, status.error().message);
		not_before_ = now + longest_delay;
		return;
	}
	loop_.on_readable(process_->pidfd(), [this] { loop_.wake(); });
	started_at_ = now;
	applied_ = goal_;  // It reads the file when it starts.
	served_term_ = goal_.term;
	stuck_since_.reset();
	spdlog::info("{}: started pgbouncer {} for {}", options_.name, process_->pid(),
	             text_of(goal_.backends));
}

std::string Bouncer::last_words() const {
	for (const char *file : {"pgbouncer.out", "pgbouncer.log"}) {
		core::Result<std::string> text = store::read_small_file(path(file), 64 * 1024 * 1024);
		if (!text || text->empty()) {
			continue;
		}
		const std::size_t end = text->find_last_not_of('\n');
		const std::size_t begin = text->find_last_of('\n', end);
		return "; its last words: " + text->substr(begin + 1, end - begin);
	}
	return {};
}

void Bouncer::ended(Instant now) {
	loop_.forget_fd(process_->pidfd());
	const std::string how = process_->reap();
	process_.reset();
	console_.close();
	pause_console_.close();
	applied_.reset();
	served_term_.reset();
	stuck_since_.reset();
	pause_unanswered_ = false;
	if (stopping_) {
		spdlog::info("{}: stopped", options_.name);
		return;
	}
	spdlog::error("{}: pgbouncer {}{}", options_.name, how, last_words());
	quick_deaths_ = now - started_at_ < quick_death ? quick_deaths_ + 1 : 0;
	core::Duration delay{0};
	if (quick_deaths_ > 0) {
		delay = std::min<core::Duration>(longest_delay,
		                                 first_delay * (1 << std::min(quick_deaths_, 6)));
	}
	not_before_ = now + delay;
}

void Bouncer::reload() {
	if (applied_ && applied_->mode == BouncerMode::Serve) {
		applied_.reset();
	}
}

void Bouncer::stop() {
	if (!stopping_) {
		stopping_ = true;
		stop_at_ = store::now() + stop_patience;
		if (process_) {
			process_->send_signal(SIGTERM);
		}
	}
}

Instant Bouncer::step(Instant now) {
	if (process_ && process_->has_ended()) {
		ended(now);
	}
	if (stopping_) {
		if (process_ && now >= stop_at_) {
			process_->send_signal(SIGKILL);
		}
		return process_ ? std::max(stop_at_, now + retry_delay) : now + never;
	}
	if (now < not_before_) {
		return not_before_;
	}
	if (!process_) {
		if (goal_.mode != BouncerMode::Serve) {
			return now + never;
		}
		start(now);
		return now;
	}
	open_links(now);
	if (console_.is_open() && pause_console_.is_open()) {
		check_hung(now);
		reconcile(now);
		look_for_stuck(now);
	}
	Instant wake = now + (console_.is_idle() ? core::Duration(never) : core::Duration(hung_after));
	if (now < not_before_) {
		wake = std::min(wake, not_before_);
	}
	return stuck_since_ ? std::min(wake, look_again_at_) : wake;
}

void Bouncer::open_links(Instant now) {
	for (AdminLink *link : {&console_, &pause_console_}) {
		if (link->is_open()) {
			continue;
		}
		if (core::Status status = link->open(); !status) {
			spdlog::warn("{}: {}", options_.name, status.error().message);
			retry_later(now);
		}
	}
}

void Bouncer::retry_later(Instant now) {
	not_before_ = now + retry_delay;
}

void Bouncer::check_hung(Instant now) {
	if (!console_.is_idle() && now - console_.waiting_since() > hung_after) {
		spdlog::error("{}: pgbouncer {} has not answered for {} s, killing it", options_.name,
		              process_->pid(), hung_after.count());
		process_->send_signal(SIGKILL);
	}
}

void Bouncer::reconcile(Instant now) {
	if (goal_.mode == BouncerMode::Leave || !console_.is_idle() ||
	    (applied_ && *applied_ == goal_)) {
		return;
	}
	switch (goal_.mode) {
		case BouncerMode::Leave:
			return;
		case BouncerMode::Hold:
			hold();
			return;
		case BouncerMode::Close:
			hold();
			close_needed_only_ = false;
			stuck_since_ = now;
			look_again_at_ = now;
			return;
		case BouncerMode::Serve:
			if (core::Status status = write_ini(goal_.backends); !status) {
				spdlog::error("{}: {}", options_.name, status.error().message);
				retry_later(now);
				return;
			}
			serve();
	}
}

void Bouncer::hold() {
	const bool paused =
	    applied_ && (applied_->mode == BouncerMode::Hold || applied_->mode == BouncerMode::Close);
	applied_ = goal_;
	if (paused) {
		return;
	}
	pause_unanswered_ = true;
	pause_console_.send({"PAUSE"}, [this](core::Result<std::vector<AdminAnswer>> answers) {
		if (answers && (answers->front().tag == "PAUSE" || !answers->front().ok())) {
			// An error means that it was paused already.
			pause_unanswered_ = false;
		}
	});
}

void Bouncer::serve() {
	// One write: nothing comes in between (LESSONS P-1).
	console_.send({"RELOAD", "RESUME", "SHOW SERVERS"},
	              [this, goal = goal_](core::Result<std::vector<AdminAnswer>> answers) {
		              if (answers) {
			              served(goal, *answers);
		              }
	              });
}

void Bouncer::served(const BouncerGoal &goal, const std::vector<AdminAnswer> &answers) {
	const AdminAnswer &resumed = answers[1];
	for (const AdminAnswer &answer : {answers[0], resumed}) {
		if (!answer.ok() && !is_not_paused_error(answer)) {
			spdlog::error("{}: pgbouncer refused: {}", options_.name, answer.error);
			retry_later(store::now());
			return;
		}
	}
	if (pause_unanswered_) {
		pause_unanswered_ = false;
		if (is_not_paused_error(resumed)) {
			// PAUSE was sent before on the other connection and read after this RESUME.
			return;
		}
		pause_console_.close();  // Nobody will ever answer there.
	}
	const bool other_term = served_term_ != goal.term;
	served_term_ = goal.term;
	applied_ = goal;
	if (other_term) {
		close_needed_only_ = true;
		stuck_since_ = store::now();
		cut(answers[2], true);
	} else {
		stuck_since_.reset();
	}
	check_file();
}

/// RELOAD says "ok" to a file that it could not read (LESSONS P-7).
void Bouncer::check_file() {
	console_.send({"SHOW CONFIG"}, [this, marker = marker_](
	                                   core::Result<std::vector<AdminAnswer>> answers) {
		if (!answers) {
			return;
		}
		const AdminAnswer &config = answers->front();
		for (std::size_t row = 0; row < config.rows.size(); ++row) {
			if (config.cell(row, "key") == marker_setting && config.cell(row, "value") != marker) {
				spdlog::error("{}: pgbouncer did not read {}, trying again", options_.name,
				              path("pgbouncer.ini"));
				applied_.reset();
				marker_.clear();
				retry_later(store::now());
			}
		}
	});
}

void Bouncer::look_for_stuck(Instant now) {
	if (!stuck_since_ || now < look_again_at_ || !console_.is_idle()) {
		return;
	}
	look_again_at_ = now + hung_after;
	console_.send({"SHOW SERVERS"}, [this](core::Result<std::vector<AdminAnswer>> answers) {
		if (answers && stuck_since_) {
			cut(answers->front(), close_needed_only_);
		}
	});
}

void Bouncer::cut(const AdminAnswer &servers, bool only_obsolete) {
	const std::vector<ServerConnection> stuck = connections_to_cut(servers, only_obsolete);
	if (stuck.empty()) {
		stuck_since_.reset();
		return;
	}
	const Instant now = store::now();
	look_again_at_ = now + look_interval;
	core::Result<int> cut = cut_connections(process_->pidfd(), process_->pid(), stuck);
	if (cut && *cut > 0) {
		spdlog::info("{}: cut {} connections to a server that is no longer to be used",
		             options_.name, *cut);
	} else if (now - *stuck_since_ > kill_after) {
		spdlog::warn("{}: {} connections could not be cut{}{}", options_.name, stuck.size(),
		             cut ? "" : ": ", cut ? "" : cut.error().message);
		kill_databases(stuck);
	}
}

/// Drops every client of the databases that the connections belong to, and leaves the databases
/// paused, which is undone at once.
void Bouncer::kill_databases(const std::vector<ServerConnection> &stuck) {
	std::set<std::string> databases;
	for (const ServerConnection &one : stuck) {
		databases.insert(one.database);
	}
	std::vector<std::string> statements;
	// KILL is refused while everything is paused; a single write leaves nobody time to enter.
	const bool paused = goal_.mode == BouncerMode::Close;
	if (paused) {
		statements.push_back("RESUME");
	}
	for (const std::string &database : databases) {
		std::string quoted = "\"";
		for (char c : database) {
			quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
		}
		quoted += '"';
		statements.push_back("KILL " + quoted);
		statements.push_back("RESUME " + quoted);
	}
	if (paused) {
		statements.push_back("PAUSE");
	}
	spdlog::warn("{}: killing the clients of {} databases", options_.name, databases.size());
	console_.send(std::move(statements), [](core::Result<std::vector<AdminAnswer>>) {});
	stuck_since_ = store::now();
}

}  // namespace stolon::proxy
