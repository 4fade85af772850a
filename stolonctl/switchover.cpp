// `stolonctl switchover`
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <thread>

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
/// The sentinel ends each step after the timeout; a stop that is under way takes longer, and so
/// does an election after a successor that failed.
constexpr core::Duration grace = core::seconds(60);

volatile std::sig_atomic_t interrupted = 0;

extern "C" void note_interrupt(int) {
	interrupted = 1;
}

/// Why nothing can be asked for now; "": it can.
std::string reason_to_refuse(const ClusterView &view) {
	const auto &last = view.data->switchover;
	if (last && !last->is_over()) {
		return "switchover " + last->id + " is under way (step " + core::to_string(last->phase) +
		       "); wait for its end";
	}
	if (view.leader.empty()) {
		return "no sentinel leads, so nobody would carry it out; start one";
	}
	return "";
}

const char *sentence_of(SwitchoverPhase phase) {
	switch (phase) {
		case SwitchoverPhase::Requested:
			return "requested";
		case SwitchoverPhase::Checkpoint:
			return "the master writes a checkpoint";
		case SwitchoverPhase::Pause:
			return "the proxies let clients wait";
		case SwitchoverPhase::Stop:
			return "the master is stopped, its standbys vote";
		case SwitchoverPhase::Promote:
			return "the successor becomes writable";
		default:
			return "";
	}
}

/// Prints the steps that have begun since `shown`, also those that were over before we looked.
void show_steps(const Switchover &switchover, int &shown) {
	const int last_step = static_cast<int>(SwitchoverPhase::Promote);
	// How far one came that ended early stands in its reason.
	const int reached = switchover.phase == SwitchoverPhase::Done || !switchover.is_over()
	                        ? std::min(static_cast<int>(switchover.phase), last_step)
	                        : shown;
	for (; shown < reached; ++shown) {
		std::printf("%s\n", sentence_of(static_cast<SwitchoverPhase>(shown + 1)));
	}
	std::fflush(stdout);
}

int tell_outcome(const Switchover &switchover) {
	const std::string text = printable(switchover.reason);
	if (switchover.phase == SwitchoverPhase::Done) {
		std::printf("done: %s\n", text.c_str());
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

/// Puts the request unless clusterdata has changed since; nullopt: it was put.
std::optional<int> put_request(store::Store &store, const program::CommonOptions &common,
                               const store::KeyValue &read, core::ClusterData data,
                               const Switchover &switchover) {
	data.switchover = switchover;
	++data.generation;
	const std::string key = keys_of(common).clusterdata();
	store::TxnRequest request;
	request.compares = {{store::Compare::Field::ModRevision, key, read.mod_revision}};
	request.then_ops = {store::Op::put(key, core::clusterdata_to_text(data))};
	auto response = program::txn_and_wait(store, std::move(request), store_timeout);
	if (response && response->succeeded) {
		return std::nullopt;
	}
	if (response) {
		return fail(program::ExitFailed, "the cluster changed at the same time; try again")
		    .exit_code;
	}
	// A write without an answer may have happened.
	if (response.error().kind == core::ErrorKind::Unknown) {
		const auto now = read_cluster(store, keys_of(common));
		if (now && now->switchover && now->switchover->id == switchover.id) {
			return std::nullopt;
		}
	}
	return fail(common, response.error()).exit_code;
}

int follow(store::Store &store, const program::CommonOptions &common, const Switchover &request) {
	int shown = 0;
	SwitchoverPhase phase = request.phase;
	core::Instant changed_at = store::now();
	for (;;) {
		if (interrupted != 0) {
			return leave_running(request.id, "interrupted");
		}
		if (store::now() - changed_at > request.timeout + grace) {
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
				return tell_outcome(*data->switchover);
			}
			if (data->switchover->phase != phase) {
				phase = data->switchover->phase;
				changed_at = store::now();
			}
		}
		std::this_thread::sleep_for(poll_pause);
	}
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
	return request;
}

}  // namespace

int run_switchover(const program::CommonOptions &common, const SwitchoverOptions &options) {
	auto wanted = request_of(options);
	if (Failure *failure = std::get_if<Failure>(&wanted)) {
		return failure->exit_code;
	}
	const Switchover &request = std::get<Switchover>(wanted);
	auto connected = connect(common);
	if (Failure *failure = std::get_if<Failure>(&connected)) {
		return failure->exit_code;
	}
	store::Store &store = *std::get<std::unique_ptr<store::Store>>(connected);
	const auto read = read_clusterdata(store, keys_of(common));
	auto loaded = load_view(store, common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return failure->exit_code;
	}
	const ClusterView &view = std::get<ClusterView>(loaded);
	if (!view.data || !read || read->kvs.empty()) {
		return fail(program::ExitFailed,
		            "cluster \"" + common.cluster_name + "\" is not initialised")
		    .exit_code;
	}
	if (const std::string refusal = reason_to_refuse(view); !refusal.empty()) {
		return fail(program::ExitFailed, refusal).exit_code;
	}
	std::signal(SIGINT, note_interrupt);
	std::signal(SIGTERM, note_interrupt);
	// The view was read later than the revision that is compared, so that it cannot be older.
	if (const auto code = put_request(store, common, read->kvs.front(), *view.data, request)) {
		return *code;
	}
	std::printf("switchover %s is requested\n", request.id.c_str());
	return follow(store, common, request);
}

}  // namespace stolon::ctl
