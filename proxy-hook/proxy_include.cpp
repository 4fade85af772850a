// The part of Proxy that has to do with the operator's own settings for pgbouncer.
#include <spdlog/spdlog.h>

#include "proxy-hook/proxy.h"
#include "store/files.h"

namespace stolon::proxy {

namespace {

using core::Instant;

constexpr auto never = core::seconds(3600);

/// Written when settings have been accepted.
std::string accepted_file(const ProxyOptions &options) {
	return options.run_dir + "/included.ini";
}

}  // namespace

/// Wrong settings end the program, with one exception: pgbouncers of an earlier one are running,
/// and would be left alone, paused perhaps. Then the settings go on that they have.
core::Status Proxy::first_included() {
	if (options_.pool.include_file.empty()) {
		return {};
	}
	core::Status status;
	if (core::Result<Included> included = read_included(options_.pool.include_file)) {
		tried_ = std::move(*included);
		status = try_included(store_);
	} else {
		status = included.error();
	}
	if (!status) {
		core::Result<Included> earlier = read_included(accepted_file(options_));
		bool is_needed = false;
		for (const Bouncer *bouncer : supervised()) {
			is_needed = is_needed || bouncer->is_left_running();
		}
		if (!earlier || !is_needed) {
			return status;
		}
		spdlog::error("the settings of --include are refused, those in force stay: {}",
		              status.error().message);
		tried_ = std::move(*earlier);
	}
	accept_included();
	return {};
}

core::Status Proxy::try_included(store::Store &store) {
	program::Loop loop;
	Trial trial(loop, options_.program, options_.run_dir + "/trial");
	PoolOptions options = options_.pool;
	options.included = tried_;
	trial.start(options);
	loop.run(store, [&](Instant now) {
		const Instant wake = trial.step(now);
		if (trial.outcome()) {
			loop.stop(0);
		}
		return wake;
	});
	return *trial.outcome();
}

void Proxy::accept_included() {
	options_.pool.included = tried_;
	for (Target *target : all()) {
		target->set_included(tried_);
	}
	if (core::Status status =
	        store::write_file_atomically(accepted_file(options_), to_text(tried_), 0600);
	    !status) {
		spdlog::error("{}", status.error().message);
	}
}

void Proxy::reload() {
	for (Target *target : all()) {
		target->reload();
	}
	loop_.wake();
	if (options_.pool.include_file.empty()) {
		return;
	}
	core::Result<Included> included = read_included(options_.pool.include_file);
	if (!included) {
		spdlog::error("the settings of --include are refused, nothing changes: {}",
		              included.error().message);
		return;
	}
	tried_ = std::move(*included);
	PoolOptions options = options_.pool;
	options.included = tried_;
	trial_.start(options);
	is_trying_ = true;
}

Instant Proxy::step_trial(Instant now) {
	if (!is_trying_) {
		return now + never;
	}
	const Instant wake = trial_.step(now);
	if (!trial_.outcome()) {
		return wake;
	}
	is_trying_ = false;
	if (!*trial_.outcome()) {
		spdlog::error("the settings of --include are refused, nothing changes: {}",
		              trial_.outcome()->error().message);
	} else if (tried_ != options_.pool.included) {
		spdlog::info("the settings of --include have changed");
		accept_included();
	}
	return now + never;
}

}  // namespace stolon::proxy
