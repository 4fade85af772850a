// stolon-proxy: options, and the user it runs as.
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>

#include "proxy-hook/health_server.h"
#include "proxy-hook/proxy.h"
#include "store/program/program.h"

namespace stolon::proxy {

namespace {

struct Arguments {
	program::CommonOptions common;
	std::string uid;
	std::string listen_address = "127.0.0.1";
	int port = 25432;
	std::string ro_fallback = "master";
	std::string health_listen;
	std::string run_dir;
	std::string pgbouncer = "pgbouncer";
	std::string run_as = "postgres";
	ProxyOptions options;
};

void add_options(CLI::App &app, Arguments &to) {
	program::add_common_options(app, to.common);
	app.add_option("--uid", to.uid, "name of this proxy (default: a random one)");
	app.add_option("--listen-address", to.listen_address, "IP address to listen on, or *")
	    ->capture_default_str();
	app.add_option("--port", to.port, "port for clients that need the master")
	    ->check(CLI::Range(1, 65535))
	    ->capture_default_str();
	app.add_option("--ro-port", to.options.ro_port, "port for readers (standbys); 0: none")
	    ->check(CLI::Range(0, 65535))
	    ->capture_default_str();
	app.add_option("--processes", to.options.processes, "number of pgbouncers behind the port")
	    ->check(CLI::Range(0, 64))
	    ->capture_default_str();
	app.add_option(
	    "--attach", to.options.attach,
	    "DIRECTORY:PORT of the console of a pgbouncer that others start; may be repeated");
	app.add_option("--ro-processes", to.options.ro_processes,
	               "number of pgbouncers behind --ro-port; each leads to one standby")
	    ->check(CLI::Range(1, 64))
	    ->capture_default_str();
	app.add_option("--ro-fallback", to.ro_fallback,
	               "where readers go when no standby is fit: master, or none (they wait)")
	    ->check(CLI::IsMember({"master", "none"}))
	    ->capture_default_str();
	app.add_option("--health-listen", to.health_listen,
	               "ADDRESS:PORT where external balancers ask for /primary/KEEPER, /replica/KEEPER "
	               "and /health/KEEPER (default: nowhere)");
	app.add_option("--run-dir", to.run_dir,
	               "private directory for sockets, configuration and logs "
	               "(default: /run/stolon-proxy-<port>)");
	app.add_option("--pgbouncer", to.pgbouncer, "pgbouncer's program")->capture_default_str();
	app.add_option("--run-as", to.run_as, "user to become when started as root")
	    ->capture_default_str();
	PoolOptions &pool = to.options.pool;
	add_access_options(app, pool.access);
	app.add_option("--pool-mode", pool.pool_mode, "session, transaction or statement")
	    ->check(CLI::IsMember({"session", "transaction", "statement"}))
	    ->capture_default_str();
	app.add_option("--default-pool-size", pool.default_pool_size,
	               "server connections per database and user, of each pgbouncer")
	    ->check(CLI::Range(1, 10000))
	    ->capture_default_str();
	app.add_option("--max-client-conn", pool.max_client_conn, "clients of each pgbouncer")
	    ->check(CLI::Range(1, 1000000))
	    ->capture_default_str();
	app.add_option_function<std::string>(
	       "--session-switchover",
	       [&to](const std::string &how) { to.options.ends_sessions = how == "close"; },
	       "what a switchover does about sessions of session pooling: close them when they have no "
	       "transaction open, or wait for them to end (close)")
	    ->check(CLI::IsMember({"close", "wait"}));
	app.add_flag("--stop-listening", to.options.stops_listening,
	             "do not listen while there is no cluster view");
	app.add_option("--include", pool.include_file,
	               "file with further settings for pgbouncer: databases, users, limits");
	app.add_option("--query-wait-timeout", pool.query_wait_timeout_s,
	               "seconds that a client may queue; 0: for ever")
	    ->check(CLI::Range(0, 86400))
	    ->capture_default_str();
}

std::string random_uid() {
	std::random_device random;
	char text[9];
	std::snprintf(text, sizeof(text), "%08x", static_cast<unsigned>(random()));
	return text;
}

/// The absolute path of a program, looked up in PATH if it has no slash.
core::Result<std::string> find_program(const std::string &name) {
	std::vector<std::string> candidates;
	if (name.find('/') != std::string::npos) {
		candidates.push_back(name);
	} else {
		const char *path = std::getenv("PATH");
		std::stringstream folders(std::string(path == nullptr ? "" : path) + ":/usr/sbin");
		for (std::string folder; std::getline(folders, folder, ':');) {
			candidates.push_back(folder + "/" + name);
		}
	}
	for (const std::string &candidate : candidates) {
		if (access(candidate.c_str(), X_OK) == 0) {
			return candidate;
		}
	}
	return core::invalid("there is no program " + name +
	                     "; install pgbouncer, or name it with --pgbouncer");
}

/// What "PROGRAM --version" says in its first line; empty if it says nothing.
std::string version_of(const std::string &program) {
	std::string quoted = "'";
	for (char c : program) {
		quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
	}
	std::unique_ptr<FILE, int (*)(FILE *)> output(popen((quoted + "' --version").c_str(), "r"),
	                                              pclose);
	char line[100] = "";
	if (!output || std::fgets(line, sizeof(line), output.get()) == nullptr) {
		return {};
	}
	return std::string(line).substr(0, std::strcspn(line, "\n"));
}

/// Makes the directory if it is missing, and becomes the user that pgbouncer will run as: pgbouncer
/// refuses root, and its console knows us by the same user id.
core::Status prepare_run_dir_and_user(const Arguments &arguments) {
	const std::string &dir = arguments.run_dir;
	if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
		return core::invalid("cannot make the directory " + dir + ": " + std::strerror(errno) +
		                     "; choose another one with --run-dir");
	}
	if (geteuid() == 0) {
		const passwd *user = getpwnam(arguments.run_as.c_str());
		if (user == nullptr || user->pw_uid == 0) {
			return core::invalid("pgbouncer does not run as root, and there is no other user \"" +
			                     arguments.run_as + "\"; name one with --run-as");
		}
		if (chown(dir.c_str(), user->pw_uid, user->pw_gid) != 0 ||
		    initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
		    setuid(user->pw_uid) != 0) {
			return core::invalid("cannot become the user " + arguments.run_as + ": " +
			                     std::strerror(errno));
		}
	}
	struct stat status {};
	if (stat(dir.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid() ||
	    (status.st_mode & 022) != 0) {
		return core::invalid(dir + " is not a directory that only this user can write to");
	}
	return {};
}

/// Held as long as the process lives.
core::Result<Fd> lock_run_dir(const std::string &dir) {
	Fd lock(open((dir + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	if (!lock || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
		return core::invalid("another stolon-proxy works in " + dir +
		                     "; stop it, or choose another --run-dir");
	}
	return lock;
}

core::Status complete(Arguments &arguments) {
	ProxyOptions &options = arguments.options;
	core::Result<core::ProxyUid> uid =
	    core::ProxyUid::parse(arguments.uid.empty() ? random_uid() : arguments.uid);
	if (!uid) {
		return core::invalid("--uid: " + uid.error().message);
	}
	options.uid = *uid;
	options.cluster_name = arguments.common.cluster_name;
	options.store_prefix = arguments.common.store_prefix;
	options.listen = {arguments.listen_address, arguments.port};
	if (arguments.run_dir.empty()) {
		arguments.run_dir = "/run/stolon-proxy-" + std::to_string(arguments.port);
	}
	arguments.run_dir = std::filesystem::absolute(arguments.run_dir);
	options.run_dir = arguments.run_dir;
	if (!options.pool.include_file.empty()) {
		options.pool.include_file = std::filesystem::absolute(options.pool.include_file);
	}
	for (const std::string &address : options.attach) {
		if (core::Result<std::string> path = console_path(address); !path) {
			return path.error();
		}
	}
	if (options.processes == 0 && options.attach.empty()) {
		return core::invalid("--processes 0 needs --attach: nobody would serve clients");
	}
	options.ro_fall_back = arguments.ro_fallback == "master";
	if (options.ro_port == arguments.port) {
		return core::invalid("--port and --ro-port must differ");
	}
	if (core::Status status = check_listen_address(options.listen); !status) {
		return status;
	}
	core::Result<std::string> program = find_program(arguments.pgbouncer);
	if (!program) {
		return program.error();
	}
	options.program = *program;
	// Attached pgbouncers have users of their own.
	if (options.processes > 0 || options.ro_port != 0) {
		if (core::Status status = complete_access(options.pool.access); !status) {
			return status;
		}
	}
	return check_pool_options(options.pool);
}

int fail(const core::Error &error, int exit_code) {
	spdlog::error("{}", error.message);
	return exit_code;
}

int run(Arguments &arguments) {
	core::Result<std::unique_ptr<store::Store>> store = program::open_store(arguments.common);
	if (!store) {
		return fail(store.error(), program::ExitUsage);
	}
	if (core::Status status = prepare_run_dir_and_user(arguments); !status) {
		return fail(status.error(), program::ExitFailed);
	}
	if (core::Status status =
	        check_access(arguments.options.pool.access, version_of(arguments.options.program));
	    !status) {
		return fail(status.error(), program::ExitFailed);
	}
	core::Result<Fd> lock = lock_run_dir(arguments.run_dir);
	if (!lock) {
		return fail(lock.error(), program::ExitFailed);
	}
	program::Loop loop;
	Proxy proxy(loop, **store, arguments.options);
	if (core::Status status = proxy.open(); !status) {
		return fail(status.error(), program::ExitFailed);
	}
	std::unique_ptr<HealthServer> health;
	if (!arguments.health_listen.empty()) {
		auto opened = HealthServer::open(
		    loop, arguments.health_listen,
		    [&proxy](auto question, const auto &keeper) { return proxy.health(question, keeper); });
		if (!opened) {
			return fail(opened.error(), program::ExitFailed);
		}
		health = std::move(*opened);
	}
	for (int number : {SIGTERM, SIGINT}) {
		loop.on_signal(number, [&proxy] { proxy.stop(); });
	}
	loop.on_signal(SIGHUP, [&proxy] {
		spdlog::info("asked to read users, certificates and settings again");
		proxy.reload();
	});
	spdlog::info("proxy {} of cluster {} listens on {}:{}", arguments.options.uid.value,
	             arguments.options.cluster_name, arguments.listen_address, arguments.port);
	loop.run(**store, [&proxy](core::Instant now) { return proxy.step(now); });
	return loop.exit_code();
}

}  // namespace

}  // namespace stolon::proxy

int main(int argc, char **argv) {
	using namespace stolon;
	CLI::App app("Sends clients to the master of a stolon cluster, by pgbouncers that it drives.",
	             "stolon-proxy");
	proxy::Arguments arguments;
	proxy::add_options(app, arguments);
	if (std::optional<int> exit_code = program::parse_arguments(app, argc, argv)) {
		return *exit_code;
	}
	program::init_logging("proxy", arguments.common.log_level);
	if (core::Status status = proxy::complete(arguments); !status) {
		return proxy::fail(status.error(), program::ExitUsage);
	}
	return proxy::run(arguments);
}
