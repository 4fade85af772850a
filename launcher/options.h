// The command line of stolon-launcher, checked.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/pgconf/pgconf.h"
#include "launcher/data_dir.h"
#include "launcher/paths.h"
#include "store/program/program.h"

namespace CLI {
class App;
}

namespace stolon::launcher {

struct Options {
	program::CommonOptions common;
	std::string keeper_uid;               // --keeper-uid, --uid
	std::string data_dir;                 // --data-dir
	std::string bin_path;                 // --pg-bin-path; default: where `postgres` is in PATH
	std::string listen_address;           // --pg-listen-address
	int port = 5432;                      // --pg-port
	std::string advertise_address;        // --pg-advertise-address; default: the listen address
	int advertise_port = 0;               // --pg-advertise-port; default: --pg-port
	std::string superuser;                // --pg-su-username; default: the OS user
	std::string superuser_password_file;  // --pg-su-passwordfile
	std::string replication_user = "stolon_repl";  // --pg-repl-username
	std::string replication_password_file;         // --pg-repl-passwordfile
	std::string socket_dir;                        // --pg-socket-dir
	std::string server_log;                        // --pg-log; "-": our own stderr
};

void add_options(CLI::App &app, Options &options);

/// Fills in the defaults and checks what can be checked without touching anything. Invalid is one
/// sentence that says what to do.
core::Status check_options(Options &options);

Paths paths_of(const Options &options);
Identity identity_of(const Options &options);
core::NodeSettings node_settings(const Options &options);
/// Where the server's output goes; "" = our own stderr.
std::string server_log_of(const Options &options);

/// Writes the password file that pg_basebackup and the walreceiver read.
core::Status write_replication_credentials(const Options &options);

/// server_version_num of the programs in `bin_path`.
core::Result<int> server_version(const std::string &bin_path);

}  // namespace stolon::launcher
