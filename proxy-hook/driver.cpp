#include "proxy-hook/driver.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "store/files.h"

namespace stolon::proxy {

namespace {

using core::Instant;
using core::milliseconds;
using core::seconds;

constexpr auto never = seconds(3600);
constexpr auto retry_delay = milliseconds(100);
/// A console that answers nothing for so long belongs to a process that serves nobody either; one
/// that cannot read its file for so long sends nobody anywhere.
constexpr auto useless_after = seconds(10);

/// With transaction pooling a pause is over before, as a rule, and nothing has to be ended.
constexpr auto sessions_patience = milliseconds(50);

bool is_not_paused_error(const AdminAnswer &answer) {
	return answer.error.find("not paused") != std::string::npos;
}

/// What SHOW DATABASES calls paused: single databases. A pause of everything does not show there.
std::vector<std::string> resume_statements(const AdminAnswer &databases) {
	std::vector<std::string> out;
	for (std::size_t row = 0; row < databases.rows.size(); ++row) {
		if (databases.cell(row, "paused") == "1") {
			out.push_back("RESUME " + quoted(databases.cell(row, "name")));
		}
	}
	return out;
}

}  // namespace

std::string quoted(const std::string &name) {
	std::string out = "\"";
	for (char c : name) {
		out += c == '"' ? std::string("\"\"") : std::string(1, c);
	}
	return out + '"';
}

Driver::Driver(program::Loop &loop, std::string name, const std::string &socket_path,
               DriverHooks hooks)
    : loop_(loop),
      name_(std::move(name)),
      hooks_(std::move(hooks)),
      console_(loop, socket_path),
      pauser_(loop, name_, socket_path) {}

void Driver::set_goal(BouncerGoal goal) {
	if (goal != goal_) {
		goal_ = std::move(goal);
		if (calming_since_ && applied_ && *applied_ == goal_) {
			let_pass();  // The pause that was being prepared was taken back.
		}
		calming_since_.reset();
		not_before_ = {};
		loop_.wake();
	}
}

bool Driver::reached() const {
	if (goal_.mode == BouncerMode::Serve) {
		return applied_ && *applied_ == goal_ && console_.is_ready();
	}
	// What was sent before the login was answered has not been written yet.
	return applied_ && applied_->mode == goal_.mode && pauser_.is_ready();
}

void Driver::reload() {
	if (applied_ && applied_->mode == BouncerMode::Serve) {
		applied_.reset();
	}
}

void Driver::started() {
	applied_ = goal_;
	in_force_ = goal_.backends;
	served_term_ = goal_.term;
}

void Driver::ended() {
	console_.close();
	pauser_.close();
	applied_.reset();
	in_force_.clear();
	served_term_.reset();
	stuck_since_.reset();
	held_back_since_.reset();
	calming_since_.reset();
	end_sessions_at_.reset();
	misread_since_.reset();
	not_before_ = {};
}

Instant Driver::step(Instant now) {
	// Whatever else goes wrong: clients are not left unheard.
	end_long_hold_back(now);
	const Instant wake = drive(now);
	return held_back_since_ ? std::min(wake, let_pass_at_) : wake;
}

Instant Driver::drive(Instant now) {
	if (now < not_before_) {
		return not_before_;
	}
	if (!console_.is_open() && !console_.refusal().empty()) {
		complaint_.error(name_ +
		                 ": its console refuses the user \"pgbouncer\": " + console_.refusal() +
		                 "; stolon-proxy has to run as the user that it runs as");
		console_.forget_refusal();
		return retry_later(now);
	}
	if (core::Status status = open_links(); !status) {
		complaint_.error(name_ + ": " + status.error().message);
		return retry_later(now);
	}
	if (!console_.is_idle() && now - console_.waiting_since() > useless_after) {
		spdlog::error("{}: pgbouncer has not answered for {} s", name_, useless_after.count());
		hooks_.useless();
		return retry_later(now);
	}
	if (pauser_.is_lost() && goal_.mode != BouncerMode::Serve) {
		applied_.reset();
	}
	reconcile(now);
	look_for_stuck(now);
	look_for_logins(now);
	end_sessions(now);
	Instant wake =
	    now + (console_.is_idle() ? core::Duration(never) : core::Duration(useless_after));
	if (now < not_before_) {
		wake = std::min(wake, not_before_);
	}
	if (held_back_since_) {
		wake = std::min(wake, std::max(look_for_logins_at_, now));
	}
	if (console_.is_idle()) {
		wake = std::min(wake, end_sessions_at_.value_or(wake));
	}
	return stuck_since_ ? std::min(wake, look_again_at_) : wake;
}

core::Status Driver::open_links() {
	if (!console_.is_open()) {
		if (core::Status status = console_.open(); !status) {
			return status;
		}
	}
	return pauser_.open();
}

Instant Driver::retry_later(Instant now) {
	not_before_ = now + retry_delay;
	return not_before_;
}

void Driver::reconcile(Instant now) {
	if (!console_.is_idle() || (applied_ && *applied_ == goal_)) {
		return;
	}
	switch (goal_.mode) {
		case BouncerMode::Leave:
		case BouncerMode::Off:
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
			serve();
	}
}

void Driver::hold() {
	if (!pauser_.is_usable()) {
		return;  // In a moment.
	}
	const bool paused =
	    applied_ && (applied_->mode == BouncerMode::Hold || applied_->mode == BouncerMode::Close);
	if (!paused && goal_.orderly && !is_calm(store::now())) {
		return;
	}
	calming_since_.reset();
	if (!paused) {
		if (pauser_.is_lost()) {
			retry_later(store::now());  // Should this one be refused, too.
		}
		pauser_.pause();
		if (held_back_since_) {
			// When this is answered, PAUSE was read: it was sent before.
			console_.send({"SHOW VERSION"}, [this](const auto &) { let_pass(); });
		}
	}
	applied_ = goal_;
	end_sessions_at_.reset();
	if (goal_.ends_sessions) {
		end_sessions_at_ = store::now() + sessions_patience;
	}
}

/// RECONNECT marks all server connections for closing. pgbouncer (server_fast_close) closes those
/// without an open transaction when it looks next, three times a second, the others when their
/// transaction ends.
void Driver::end_sessions(Instant now) {
	if (!end_sessions_at_ || now < *end_sessions_at_ || !console_.is_idle()) {
		return;
	}
	end_sessions_at_.reset();
	if (goal_.mode == BouncerMode::Hold && goal_.ends_sessions && !is_drained()) {
		spdlog::info("{}: sessions that have no transaction open are ended", name_);
		console_.send({"RECONNECT"}, [](core::Result<std::vector<AdminAnswer>>) {});
	}
}

void Driver::serve() {
	core::Result<std::string> marker = hooks_.write_file(goal_.backends);
	if (!marker) {
		complaint_.error(name_ + ": " + marker.error().message);
		retry_later(store::now());
		return;
	}
	hold_back();
	// One write: nothing comes in between (LESSONS P-1).
	std::vector<std::string> statements{"RELOAD", "RESUME", "SHOW CONFIG", "SHOW DATABASES",
	                                    "SHOW SERVERS"};
	if (misread_since_ && in_force_ != goal_.backends) {
		statements.erase(statements.begin() + 1);
	}
	console_.send(std::move(statements), [this, goal = goal_, marker = *marker](
	                                         core::Result<std::vector<AdminAnswer>> answers) {
		if (answers) {
			reloaded(goal, marker, std::move(*answers));
		}
	});
}

void Driver::reloaded(const BouncerGoal &goal, const std::string &marker,
                      std::vector<AdminAnswer> answers) {
	AdminAnswer servers = std::move(answers.back());
	answers.pop_back();
	ReadBack read{{}, std::move(answers.back())};
	answers.pop_back();
	read.config = std::move(answers.back());
	answers.pop_back();
	std::string problem = hooks_.misread(read, marker);
	for (const AdminAnswer &answer : answers) {
		if (!answer.ok() && !is_not_paused_error(answer)) {
			problem = "pgbouncer refused: " + answer.error;
		}
	}
	if (!problem.empty()) {
		not_read(goal, problem);
		return;
	}
	misread_since_.reset();
	complaint_.forget();
	in_force_ = goal.backends;
	if (answers.size() > 1) {
		served(goal, servers);
		resume_databases(read.databases);
	}
	// Otherwise it has not been resumed yet: the next try does that.
}

void Driver::served(const BouncerGoal &goal, const AdminAnswer &servers) {
	pauser_.forget();
	const bool other_term = served_term_ != goal.term;
	served_term_ = goal.term;
	applied_ = goal;
	if (other_term) {
		close_needed_only_ = true;
		stuck_since_ = store::now();
		cut(servers, true);
	} else {
		stuck_since_.reset();
	}
	look_for_logins_at_ = store::now();
}

/// RELOAD says "ok" to a file that it could not read (LESSONS P-7), for example when the process
/// has no file descriptor left. The RESUME that came with it has then let clients go on to the
/// server that is in force, an old master perhaps: they are stopped again.
void Driver::not_read(const BouncerGoal &goal, const std::string &problem) {
	const Instant now = store::now();
	complaint_.error(name_ + ": " + problem + "; trying again");
	applied_.reset();
	let_pass();
	hooks_.forget_file();
	if (!misread_since_) {
		misread_since_ = now;
		const bool is_ours = hooks_.pauses_unknown || !in_force_.empty();
		if (is_ours && in_force_ != goal.backends && pauser_.is_usable()) {
			pauser_.pause();
		}
	} else if (now - *misread_since_ > useless_after) {
		misread_since_ = now;
		hooks_.useless();
	}
	retry_later(now);
}

/// KILL leaves a database paused; should this program have died before it could resume it, nobody
/// else does.
void Driver::resume_databases(const AdminAnswer &databases) {
	std::vector<std::string> statements = resume_statements(databases);
	if (!statements.empty()) {
		spdlog::warn("{}: {} databases were paused one by one, resuming them", name_,
		             statements.size());
		console_.send(std::move(statements), [](core::Result<std::vector<AdminAnswer>>) {});
	}
}

}  // namespace stolon::proxy
