// stolon-launcher: the parent of the postmaster on a database host.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>

#include "launcher/fault_point.h"
#include "launcher/launcher.h"
#include "launcher/lock.h"
#include "launcher/options.h"
#include "spdlog/spdlog.h"

namespace {

using namespace stolon;

int run(const launcher::Options &options, store::Store &store, launcher::DataDirLock lock,
        int version) {
	program::Loop loop;
	launcher::Launcher launcher(options, loop, store, std::move(lock), version);
	loop.on_signal(SIGTERM, [&] { launcher.request_stop(); });
	loop.on_signal(SIGINT, [&] { launcher.request_stop(); });
	// The step looks at all children; the signal only ends the wait.
	loop.on_signal(SIGCHLD, [] {});
	loop.run(store, [&](core::Instant now) { return launcher.step(now); });
	return loop.exit_code();
}

int fail(const core::Error &error, int code) {
	spdlog::critical("{}", error.message);
	return code;
}

}  // namespace

int main(int argc, char **argv) {
	CLI::App app("Makes, starts, watches and stops the Postgres of one keeper.", "stolon-launcher");
	launcher::Options options;
	launcher::add_options(app, options);
	if (const auto code = program::parse_arguments(app, argc, argv))
		return *code;
	program::init_logging("launcher", options.common.log_level);
	if (auto checked = launcher::check_options(options); !checked.ok())
		return fail(checked.error(), program::ExitUsage);
	::umask(077);
	// Orphans of a dead postmaster come to us, so that they can be killed and waited for.
	if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		return fail(core::invalid("the kernel does not let us become a subreaper"),
		            program::ExitFailed);
	auto store = program::open_store(options.common);
	if (!store.ok())
		return fail(store.error(), program::ExitUsage);
	const auto version = launcher::server_version(options.bin_path);
	if (!version.ok())
		return fail(version.error(), program::ExitUsage);
	auto lock = launcher::take_data_dir(launcher::paths_of(options));
	if (!lock.ok())
		return fail(lock.error(), program::ExitFailed);
	if (auto written = launcher::write_replication_credentials(options); !written.ok())
		return fail(written.error(), program::ExitFailed);
	launcher::enable_fault_points(launcher::paths_of(options).root);
	spdlog::info("{}, keeper {} of cluster {}, data directory {}", program::version_text(),
	             options.keeper_uid, options.common.cluster_name, options.data_dir);
	return run(options, **store, std::move(*lock), *version);
}
