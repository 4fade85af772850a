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
/// A console that answers nothing for so long belongs to a process that serves nobody either.
constexpr auto hung_after = seconds(10);

bool is_not_paused_error(const AdminAnswer &answer) {
	return answer.error.find("not paused") != std::string::npos;
}

}  // namespace

Driver::Driver(program::Loop &loop, std::string name, const std::string &socket_path,
               DriverHooks hooks)
    : loop_(loop),
      name_(std::move(name)),
      hooks_(std::move(hooks)),
      console_(loop, socket_path),
      pause_console_(loop, socket_path) {}

void Driver::set_goal(BouncerGoal goal) {
	if (goal != goal_) {
		goal_ = std::move(goal);
		calming_since_.reset();
		not_before_ = std::min(not_before_, store::now() + retry_delay);
		loop_.wake();
	}
}

bool Driver::reached() const {
	if (goal_.mode == BouncerMode::Serve) {
		return applied_ && *applied_ == goal_ && console_.is_ready();
	}
	// What was sent before the login was answered has not been written yet.
	return applied_ && applied_->mode == goal_.mode && pause_console_.is_ready();
}

void Driver::reload() {
	if (applied_ && applied_->mode == BouncerMode::Serve) {
		applied_.reset();
	}
}

void Driver::started() {
	applied_ = goal_;
	served_term_ = goal_.term;
	stuck_since_.reset();
}

void Driver::ended() {
	console_.close();
	pause_console_.close();
	applied_.reset();
	served_term_.reset();
	stuck_since_.reset();
	held_back_since_.reset();
	calming_since_.reset();
	pause_unanswered_ = false;
}

Instant Driver::step(Instant now) {
	if (now < not_before_) {
		return not_before_;
	}
	open_links(now);
	if (console_.is_open() && pause_console_.is_open()) {
		check_hung(now);
		reconcile(now);
		look_for_stuck(now);
		look_for_logins(now);
	}
	Instant wake = now + (console_.is_idle() ? core::Duration(never) : core::Duration(hung_after));
	if (now < not_before_) {
		wake = std::min(wake, not_before_);
	}
	if (held_back_since_) {
		wake = std::min(wake, std::max(look_for_logins_at_, now));
	}
	return stuck_since_ ? std::min(wake, look_again_at_) : wake;
}

void Driver::open_links(Instant now) {
	for (AdminLink *link : {&console_, &pause_console_}) {
		if (link->is_open()) {
			continue;
		}
		if (core::Status status = link->open(); !status) {
			spdlog::warn("{}: {}", name_, status.error().message);
			retry_later(now);
		}
	}
}

void Driver::retry_later(Instant now) {
	not_before_ = now + retry_delay;
}

void Driver::check_hung(Instant now) {
	if (!console_.is_idle() && now - console_.waiting_since() > hung_after) {
		spdlog::error("{}: pgbouncer has not answered for {} s", name_, hung_after.count());
		hooks_.hung();
	}
}

void Driver::reconcile(Instant now) {
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
			serve();
	}
}

void Driver::hold() {
	const bool paused =
	    applied_ && (applied_->mode == BouncerMode::Hold || applied_->mode == BouncerMode::Close);
	if (!paused && goal_.orderly && !is_calm(store::now())) {
		return;
	}
	calming_since_.reset();
	applied_ = goal_;
	if (paused) {
		return;
	}
	pause();
	if (held_back_since_) {
		// When this is answered, PAUSE was read: it was sent before.
		console_.send({"SHOW VERSION"}, [this](const auto &) { let_pass(); });
	}
}

void Driver::pause() {
	pause_unanswered_ = true;
	pause_console_.send({"PAUSE"}, [this](core::Result<std::vector<AdminAnswer>> answers) {
		if (answers && answers->front().tag == "PAUSE") {
			pause_unanswered_ = false;
		} else if (answers) {
			// It was paused by an earlier proxy, which says nothing about open transactions. In one
			// write, so that nobody gets in between.
			pause_console_.send({"RESUME", "PAUSE"},
			                    [this](core::Result<std::vector<AdminAnswer>> again) {
				                    if (again && again->back().tag == "PAUSE") {
					                    pause_unanswered_ = false;
				                    }
			                    });
		}
	});
}

void Driver::serve() {
	core::Result<std::string> marker = hooks_.write_file(goal_.backends);
	if (!marker) {
		spdlog::error("{}: {}", name_, marker.error().message);
		retry_later(store::now());
		return;
	}
	hold_back();
	// One write: nothing comes in between (LESSONS P-1).
	console_.send(
	    {"RELOAD", "RESUME", "SHOW SERVERS"},
	    [this, goal = goal_, marker = *marker](core::Result<std::vector<AdminAnswer>> answers) {
		    if (answers) {
			    served(goal, marker, *answers);
		    }
	    });
}

void Driver::served(const BouncerGoal &goal, const std::string &marker,
                    const std::vector<AdminAnswer> &answers) {
	const AdminAnswer &resumed = answers[1];
	for (const AdminAnswer &answer : {answers[0], resumed}) {
		if (!answer.ok() && !is_not_paused_error(answer)) {
			spdlog::error("{}: pgbouncer refused: {}", name_, answer.error);
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
	check_file(marker);
	look_for_logins_at_ = store::now();
}

/// RELOAD says "ok" to a file that it could not read (LESSONS P-7).
void Driver::check_file(const std::string &marker) {
	console_.send({"SHOW CONFIG"}, [this, marker](core::Result<std::vector<AdminAnswer>> answers) {
		if (answers && !hooks_.is_read(answers->front(), marker)) {
			spdlog::error("{}: pgbouncer did not read its file, trying again", name_);
			applied_.reset();
			hooks_.forget_file();
			retry_later(store::now());
		}
	});
}

}  // namespace stolon::proxy
