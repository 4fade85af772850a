// `stolonctl switchover`
#include <csignal>
#include <cstdio>
#include <ctime>
#include <thread>

#include "core/model/switchover_request.h"
#include "stolonctl/commands.h"
#include "stolonctl/connection.h"
#include "stolonctl/table.h"
#include "store/program/blocking.h"
#include "store/program/random.h"

namespace stolon::ctl {

namespace {

using core::Switchover;
using core::SwitchoverPhase;

constexpr core::Duration poll_pause = core::milliseconds(50);
constexpr int max_attempts = 10;

volatile std::sig_atomic_t interrupted = 0;

extern "C" void note_interrupt(int) {
	interrupted = 1;
}

/// Prints the steps that have begun since `shown`, also those that were over before we looked.
void show_steps(const Switchover &switchover, SwitchoverPhase &shown) {
	const SwitchoverPhase known = core::last_known_step(switchover.phase, shown);
	while (shown < known) {
		shown = static_cast<SwitchoverPhase>(static_cast<int>(shown) + 1);
		std::printf("%s\n", core::sentence_of_step(shown));
	}
	std::fflush(stdout);
}

int tell_outcome(const Switchover &switchover, SwitchoverPhase wanted) {
	const std::string text = printable(switchover.reason);
	if (switchover.phase == wanted) {
		std::printf("%s: %s\n", core::to_string(wanted), text.c_str());
		return program::ExitOk;
	}
	return fail(program::ExitFailed, std::string(core::to_string(switchover.phase)) + ": " + text)
	    .exit_code;
}

int leave_running(const std::string &id, const char *why) {
	return fail(program::ExitFailed,
	            std::string(why) + "; switchover " + id +
	                " goes on without this command, `stolonctl status` shows it")
	    .exit_code;
}

core::Result<store::RangeResponse> read_clusterdata(store::Store &store, const core::Keys &keys) {
	store::RangeRequest request;
	request.key = keys.clusterdata();
	return program::range_and_wait(store, std::move(request), store_timeout);
}

/// What stands there now; an error when it cannot be read, whatever the reason.
core::Result<core::ClusterData> read_cluster(store::Store &store, const core::Keys &keys) {
	const auto response = read_clusterdata(store, keys);
	return response && !response->kvs.empty()
	           ? core::parse_clusterdata(response->kvs.front().value)
	           : core::Result<core::ClusterData>(core::invalid("nothing was read"));
}

/// Puts what was asked for; false: clusterdata has changed since it was read, nothing was put.
core::Result<bool> put_request(store::Store &store, const program::CommonOptions &common,
                               std::int64_t revision, const core::ClusterData &data) {
	auto put = put_clusterdata(store, common, revision, data);
	// A write without an answer may have happened.
	if (!put && put.error().kind == core::ErrorKind::Unknown) {
		const auto now = read_cluster(store, keys_of(common));
		if (now && now->switchover && now->switchover->id == data.switchover->id &&
		    now->switchover->cancel == data.switchover->cancel) {
			return true;
		}
	}
	return put;
}

/// Until the operation is over, which it is to be by the outcome `wanted`.
int follow(store::Store &store, const program::CommonOptions &common, const Switchover &request,
           SwitchoverPhase wanted) {
	SwitchoverPhase shown = request.phase;
	SwitchoverPhase phase = request.phase;
	core::Instant changed_at = store::now();
	for (;;) {
		if (interrupted != 0) {
			return leave_running(request.id, "interrupted");
		}
		if (store::now() - changed_at > request.timeout + core::SwitchoverLimits::step_grace) {
			return leave_running(request.id, "nothing has happened for a long time");
		}
		// The store may be away for a while, as during a failover of its own.
		const auto data = read_cluster(store, keys_of(common));
		if (data && (!data->switchover || data->switchover->id != request.id)) {
			return leave_running(request.id,
			                     "another switchover was asked for meanwhile, the "
			                     "history has the outcome of this one");
		}
		if (data) {
			show_steps(*data->switchover, shown);
			if (data->switchover->is_over()) {
				return tell_outcome(*data->switchover, wanted);
			}
			if (data->switchover->phase != phase) {
				phase = data->switchover->phase;
				changed_at = store::now();
			}
		}
		std::this_thread::sleep_for(poll_pause);
	}
}

/// This machine's zone.
std::optional<core::WallTime> local_time(const core::CalendarTime &time) {
	std::tm parts{};
	parts.tm_year = time.year - 1900;
	parts.tm_mon = time.month - 1;
	parts.tm_mday = time.day;
	parts.tm_hour = time.hour;
	parts.tm_min = time.minute;
	parts.tm_sec = time.second;
	parts.tm_isdst = -1;
	const std::time_t seconds = std::mktime(&parts);
	// A time that the clock leaves out is moved to one that it shows.
	if (seconds == -1 || parts.tm_hour != time.hour || parts.tm_min != time.minute) {
		return std::nullopt;
	}
	return core::WallTime{static_cast<std::int64_t>(seconds) * 1000};
}

/// What the options ask for; a failure after its reason has been printed.
std::variant<Switchover, Failure> request_of(const SwitchoverOptions &options) {
	Switchover request;
	auto id = program::random_hex(core::SwitchoverLimits::id_digits);
	if (!id) {
		return fail(program::ExitFailed, id.error().message);
	}
	request.id = *std::move(id);
	const auto timeout = core::parse_duration(options.timeout);
	if (!timeout || *timeout < core::SwitchoverLimits::min_timeout ||
	    *timeout > core::SwitchoverLimits::max_timeout) {
		return fail(program::ExitUsage, "--timeout must be a duration from 100ms to 1h");
	}
	request.timeout = *timeout;
	if (!options.to.empty()) {
		auto uid = core::KeeperUid::parse(options.to);
		if (!uid) {
			return fail(program::ExitUsage, "--to: " + uid.error().message);
		}
		request.to = *std::move(uid);
	}
	if (!options.at.empty()) {
		const auto at = core::parse_wall_time(options.at, local_time);
		if (!at) {
			return fail(program::ExitUsage, "--at: " + at.error().message);
		}
		request.at = *at;
	}
	return request;
}

/// A cluster's data with the revision that whoever puts others compares.
struct Basis {
	core::ClusterData data;
	std::int64_t revision = 0;
	bool sentinel_leads = false;
};

std::variant<Basis, Failure> read_basis(store::Store &store, const program::CommonOptions &common) {
	auto loaded = load_for_change(store, common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return *failure;
	}
	auto &[read, view] = std::get<ChangeBase>(loaded);
	return Basis{std::move(*view.data), read.mod_revision, !view.leader.empty()};
}

int begin(store::Store &store, const program::CommonOptions &common, const Switchover &request) {
	auto read = read_basis(store, common);
	if (Failure *failure = std::get_if<Failure>(&read)) {
		return failure->exit_code;
	}
	Basis &basis = std::get<Basis>(read);
	const auto data = core::with_switchover(std::move(basis.data), request, basis.sentinel_leads,
	                                        store::wall_now());
	if (!data) {
		return fail(program::ExitFailed, data.error().message).exit_code;
	}
	const auto put = put_request(store, common, basis.revision, *data);
	if (!put) {
		return fail(common, put.error()).exit_code;
	}
	if (!*put) {
		return fail(program::ExitFailed, "the cluster changed at the same time; try again")
		    .exit_code;
	}
	if (request.at) {
		std::printf("switchover %s is %s\n", request.id.c_str(),
		            core::describe_state(request).c_str());
		return program::ExitOk;
	}
	std::printf("switchover %s is requested\n", request.id.c_str());
	return follow(store, common, request, SwitchoverPhase::Done);
}

int cancel(store::Store &store, const program::CommonOptions &common, const std::string &id) {
	// A step that ends at the same time changes clusterdata; then there is another look.
	for (int i = 0; i < max_attempts; ++i) {
		auto read = read_basis(store, common);
		if (Failure *failure = std::get_if<Failure>(&read)) {
			return failure->exit_code;
		}
		Basis &basis = std::get<Basis>(read);
		const auto data = core::with_cancelled_switchover(std::move(basis.data), id);
		if (!data) {
			return fail(program::ExitFailed, data.error().message).exit_code;
		}
		const Switchover &switchover = *data->switchover;
		const auto put = put_request(store, common, basis.revision, *data);
		if (!put) {
			return fail(common, put.error()).exit_code;
		}
		if (*put) {
			std::printf("switchover %s, %s, is to be cancelled\n", switchover.id.c_str(),
			            core::describe_state(switchover).c_str());
			return follow(store, common, switchover, SwitchoverPhase::Cancelled);
		}
	}
	return fail(program::ExitFailed, "the cluster changes all the time; try again").exit_code;
}

}  // namespace

int run_switchover(const program::CommonOptions &common, const SwitchoverOptions &options) {
	auto wanted = request_of(options);
	if (Failure *failure = std::get_if<Failure>(&wanted)) {
		return failure->exit_code;
	}
	if (!options.cancelled_id.empty() && !core::is_switchover_id(options.cancelled_id)) {
		return fail(program::ExitUsage, "--cancel: an operation's id has 16 hexadecimal digits")
		    .exit_code;
	}
	auto connected = connect(common);
	if (Failure *failure = std::get_if<Failure>(&connected)) {
		return failure->exit_code;
	}
	store::Store &store = *std::get<std::unique_ptr<store::Store>>(connected);
	std::signal(SIGINT, note_interrupt);
	std::signal(SIGTERM, note_interrupt);
	if (options.cancel) {
		return cancel(store, common, options.cancelled_id);
	}
	return begin(store, common, std::get<Switchover>(wanted));
}

}  // namespace stolon::ctl
