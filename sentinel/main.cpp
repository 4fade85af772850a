// stolon-sentinel: two or more of them watch a cluster; the elected one computes the cluster view.
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <optional>

#include "core/model/keys.h"
#include "core/model/spec.h"
#include "sentinel/identity.h"
#include "sentinel/sentinel.h"
#include "store/files.h"
#include "store/program/program.h"

namespace stolon::sentinel {
namespace {

struct Arguments {
	program::CommonOptions common;
	std::string uid;
	std::string initial_cluster_spec;
	int initial_wait_s = 10;
};

core::Result<core::ClusterSpec> read_spec(const std::string &path) {
	auto text = store::read_small_file(path);
	if (!text.ok()) {
		return text.error();
	}
	auto object = core::Json::parse(*text);
	if (!object.ok()) {
		return core::invalid(path + ": " + object.error().message);
	}
	auto spec = core::parse_spec(*object);
	if (!spec.ok()) {
		return core::invalid(path + ": " + spec.error().message);
	}
	return spec;
}

int wrong_arguments(const std::string &message) {
	std::fprintf(stderr, "stolon-sentinel: %s\n", message.c_str());
	return program::ExitUsage;
}

int run(store::Store &store, core::Keys keys, SentinelOptions options) {
	program::Loop loop;
	Sentinel sentinel(store, std::move(keys), std::move(options));
	for (const int signal_number : {SIGTERM, SIGINT}) {
		loop.on_signal(signal_number, [&] {
			spdlog::info("asked to leave");
			sentinel.stop(store::now());
			loop.wake();
		});
	}
	loop.run(store, [&](Instant now) {
		const Instant next = sentinel.step(now);
		if (sentinel.stopped(now)) {
			loop.stop(program::ExitOk);
		}
		return next;
	});
	return loop.exit_code();
}

int main_of(int argc, char **argv) {
	Arguments arguments;
	CLI::App app("Watches a stolon cluster and decides who is its master.");
	program::add_common_options(app, arguments.common);
	app.add_option("--uid", arguments.uid, "This sentinel's name (default: a random one)");
	app.add_option("--initial-cluster-spec", arguments.initial_cluster_spec,
	               "File with the spec of a cluster that is to be initialised if there is none");
	app.add_option(
	       "--initial-cluster-wait", arguments.initial_wait_s,
	       "Seconds (0 to 3600) for which a store without a cluster is watched before that, as "
	       "launchers may hold the data of a cluster that the store has lost")
	    ->check(CLI::Range(0, 3600))
	    ->capture_default_str();
	if (const auto code = program::parse_arguments(app, argc, argv)) {
		return *code;
	}
	SentinelOptions options;
	const auto uid =
	    core::SentinelUid::parse(arguments.uid.empty() ? random_hex(8) : arguments.uid);
	if (!uid.ok()) {
		return wrong_arguments("--uid: " + uid.error().message);
	}
	options.uid = *uid;
	options.initial_wait = core::seconds(arguments.initial_wait_s);
	if (!arguments.initial_cluster_spec.empty()) {
		auto spec = read_spec(arguments.initial_cluster_spec);
		if (!spec.ok()) {
			return wrong_arguments("--initial-cluster-spec: " + spec.error().message);
		}
		options.initial_spec = *std::move(spec);
	}
	program::init_logging("sentinel", arguments.common.log_level);
	auto store = program::open_store(arguments.common);
	if (!store.ok()) {
		return wrong_arguments(store.error().message);
	}
	spdlog::info("sentinel {} of cluster {}", options.uid.value, arguments.common.cluster_name);
	return run(**store, core::Keys(arguments.common.store_prefix, arguments.common.cluster_name),
	           std::move(options));
}

}  // namespace
}  // namespace stolon::sentinel

int main(int argc, char **argv) {
	return stolon::sentinel::main_of(argc, argv);
}
