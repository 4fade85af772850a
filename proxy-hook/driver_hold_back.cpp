// The part of a Driver that keeps clients' requests from pgbouncer until it has logged in at the
// new server.
#include <spdlog/spdlog.h>

#include <set>

#include "proxy-hook/driver.h"

namespace stolon::proxy {

namespace {

using core::Instant;
using core::milliseconds;

/// A login takes a few milliseconds; clients wait for the look.
constexpr auto look_interval = milliseconds(2);
/// A database that nobody can log in to must not hold up the others' clients.
constexpr auto hold_back_at_most = milliseconds(500);
constexpr auto let_pass_retry = milliseconds(100);

/// Clients in the middle of a transaction are held back as well.
constexpr auto calm_at_most = milliseconds(50);

using Pool = std::pair<std::string, std::string>;

Pool pool_of(const AdminAnswer &answer, std::size_t row) {
	return {answer.cell(row, "database"), answer.cell(row, "user")};
}

}  // namespace

bool are_logged_in(const AdminAnswer &pools, const AdminAnswer &servers) {
	std::set<Pool> logged_in;
	for (std::size_t row = 0; row < servers.rows.size(); ++row) {
		if (servers.cell(row, "close_needed") != "1" && servers.cell(row, "state") != "new") {
			logged_in.insert(pool_of(servers, row));
		}
	}
	for (std::size_t row = 0; row < pools.rows.size(); ++row) {
		if (pools.cell(row, "cl_waiting") != "0" && !logged_in.contains(pool_of(pools, row))) {
			return false;
		}
	}
	return true;
}

bool is_unsettled(const AdminAnswer &pools) {
	for (std::size_t row = 0; row < pools.rows.size(); ++row) {
		if (pools.cell(row, "sv_login") != "0" || pools.cell(row, "cl_waiting") != "0") {
			return true;
		}
	}
	return false;
}

void Driver::hold_back() {
	const core::Status status = hooks_.hold_back(true);
	if (!status) {
		spdlog::debug("{}: {}", name_, status.error().message);
		return;
	}
	if (!held_back_since_) {
		held_back_since_ = store::now();
		let_pass_at_ = *held_back_since_ + hold_back_at_most;
	}
	// Not before the answer to RESUME.
	look_for_logins_at_ = *held_back_since_ + hold_back_at_most;
}

void Driver::let_pass() {
	if (!held_back_since_) {
		return;
	}
	spdlog::debug("{}: requests were held back for {} us", name_,
	              (store::now() - *held_back_since_).count());
	if (core::Status status = hooks_.hold_back(false); !status) {
		complaint_.error(name_ + ": what clients send is held back, and " + status.error().message);
		let_pass_at_ = store::now() + let_pass_retry;
		return;
	}
	held_back_since_.reset();
}

void Driver::end_long_hold_back(Instant now) {
	if (held_back_since_ && now >= let_pass_at_) {
		spdlog::warn("{}: no login at the new server for {} ms", name_, hold_back_at_most.count());
		let_pass();
	}
}

/// A pause would interrupt logins that are under way, and pgbouncer would remember that they have
/// failed. Nobody may begin another one meanwhile.
bool Driver::is_calm(Instant now) {
	if (!calming_since_) {
		hold_back();
		calming_since_ = now;
		calm_ = !held_back_since_;
	}
	if (calm_ || now - *calming_since_ >= calm_at_most) {
		return true;
	}
	console_.send({"SHOW POOLS"}, [this](core::Result<std::vector<AdminAnswer>> answers) {
		calm_ = answers && !is_unsettled(answers->front());
	});
	return false;
}

void Driver::look_for_logins(Instant now) {
	if (!held_back_since_ || now >= let_pass_at_) {
		return;
	}
	if (now < look_for_logins_at_ || !console_.is_idle() || goal_.mode != BouncerMode::Serve) {
		return;
	}
	look_for_logins_at_ = now + look_interval;
	// Whoever has connected meanwhile.
	if (core::Status status = hooks_.hold_back(true); !status) {
		spdlog::debug("{}: {}", name_, status.error().message);
	}
	console_.send(
	    {"SHOW POOLS", "SHOW SERVERS"}, [this](core::Result<std::vector<AdminAnswer>> answers) {
		    if (answers && held_back_since_ && are_logged_in((*answers)[0], (*answers)[1])) {
			    let_pass();
		    }
	    });
}

}  // namespace stolon::proxy
