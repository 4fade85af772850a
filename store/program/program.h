// What every stand-alone program shares: an event loop (libevent), signals, timers, child
// processes, logging (spdlog) and the options for the store (CLI11). The extension does not use
// this folder.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "store/etcd/etcd_store.h"
#include "store/store.h"

namespace CLI {
class App;
}

struct event_base;

namespace stolon::program {

/// Options common to all programs, with stolon's names. Each also from the environment:
/// STOLON_CLUSTER_NAME etc.
struct CommonOptions {
	std::string cluster_name;                               // --cluster-name (required)
	std::string store_backend = "etcdv3";                   // --store-backend: only etcdv3
	std::string store_endpoints = "http://127.0.0.1:2379";  // --store-endpoints
	std::string store_prefix = "stolon/cluster";            // --store-prefix
	std::string store_ca_file;                              // --store-ca-file
	std::string store_cert_file;                            // --store-cert-file
	std::string store_key_file;                             // --store-key
	std::string store_credentials_file;                     // --store-credentials-file
	std::string log_level = "info";                         // --log-level: error, warn, info, debug
};
/// Also --version, unless `app` is a subcommand.
void add_common_options(CLI::App &app, CommonOptions &options);
/// "stolon 0.1.0"
std::string version_text();
/// Parses the command line. A value is the exit code to end with: 0 after --help or --version, 2
/// after wrong arguments (what was wrong has been printed). nullopt: go on.
std::optional<int> parse_arguments(CLI::App &app, int argc, char **argv);
/// Checks names and endpoints, reads the credentials; Invalid is one clear sentence. Initialises
/// libcurl, and ignores SIGPIPE from here on (a child must put it back to the default).
core::Result<std::unique_ptr<store::Store>> open_store(const CommonOptions &options);

/// Log lines go to stderr: "2026-01-31T10:00:00.123Z info  sentinel: text".
void init_logging(const std::string &program, const std::string &level);

/// Exit codes of all programs: 0 done; 1 failed (a message says why); 2 wrong arguments; 3 the
/// store cannot be reached.
enum ExitCode { ExitOk = 0, ExitFailed = 1, ExitUsage = 2, ExitStore = 3 };

/// One loop per process. Not thread safe. Handlers may call everything except run(), also
/// forget_fd() of their own fd.
class Loop {
public:
	Loop();
	~Loop();

	void on_signal(int signal_number, std::function<void()> handler);
	/// Calls `handler` whenever `fd` is readable until forget_fd(fd).
	void on_readable(int fd, std::function<void()> handler);
	void forget_fd(int fd);
	/// Runs until stop(). After each batch of events (and at the instant that `step` returned)
	/// calls `step(now)`; it returns when it wants to be called again at the latest. The store's fd
	/// and deadline are watched and store.process() is called before each step.
	void run(store::Store &store, std::function<core::Instant(core::Instant now)> step);
	/// Makes the next step happen at once (from a handler, or from within a step).
	void wake();
	void stop(int exit_code);
	int exit_code() const;
	/// libevent's, for servers that run in this loop. They must be gone before it.
	event_base *base();

private:
	struct Impl;
	std::unique_ptr<Impl> impl_;
};

}  // namespace stolon::program
