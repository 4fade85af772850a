#include "launcher/options.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "launcher/process.h"
#include "launcher/secrets.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

using core::invalid;
using core::Status;

std::string os_user() {
	const passwd *entry = ::getpwuid(::geteuid());
	return entry != nullptr ? entry->pw_name : std::string();
}

std::string directory_of_postgres() {
	const char *path = std::getenv("PATH");
	std::istringstream directories(path != nullptr ? path : "");
	for (std::string directory; std::getline(directories, directory, ':');) {
		if (!directory.empty() && ::access((directory + "/postgres").c_str(), X_OK) == 0)
			return directory;
	}
	return {};
}

bool is_wildcard(const std::string &address) {
	return address.empty() || address == "*" || address == "0.0.0.0" || address == "::" ||
	       address.find(',') != std::string::npos;
}

bool has_control_character(const std::string &text) {
	for (const char c : text) {
		if (static_cast<unsigned char>(c) < ' ')
			return true;
	}
	return false;
}

Status check_programs(Options &options) {
	if (options.bin_path.empty())
		options.bin_path = directory_of_postgres();
	if (options.bin_path.empty())
		return invalid("no postgres was found in PATH: give --pg-bin-path");
	std::string missing;
	for (const char *program : {"postgres", "initdb", "pg_basebackup", "pg_controldata", "psql",
	                            "pg_rewind", "pg_waldump"})
		if (::access((options.bin_path + "/" + program).c_str(), X_OK) != 0)
			missing += (missing.empty() ? "" : ", ") + std::string(program) + " (" +
			           std::strerror(errno) + ")";
	return missing.empty() ? Status()
	                       : invalid("--pg-bin-path: in \"" + options.bin_path +
	                                 "\" these cannot be executed: " + missing +
	                                 "; install PostgreSQL's server and client programs");
}

Status check_addresses(Options &options) {
	if (options.advertise_address.empty()) {
		if (is_wildcard(options.listen_address))
			return invalid(
			    "--pg-advertise-address is needed: others cannot reach this server at \"" +
			    options.listen_address + "\"");
		options.advertise_address = options.listen_address;
	}
	if (is_wildcard(options.advertise_address))
		return invalid("--pg-advertise-address: \"" + options.advertise_address +
		               "\" is not one address under which others reach this server");
	if (options.advertise_port == 0)
		options.advertise_port = options.port;
	return {};
}

Status check_users(Options &options) {
	if (options.superuser.empty())
		options.superuser = os_user();
	if (options.superuser.empty())
		return invalid("--pg-su-username is needed: the OS user has no name");
	for (const auto &name : {options.superuser, options.replication_user}) {
		constexpr std::size_t max_name = 63;
		if (name.empty() || name.size() > max_name || has_control_character(name))
			return invalid("\"" + name + "\" cannot be a user name: 1 to 63 bytes are allowed");
	}
	if (auto password = read_password(options.replication_password_file); !password.ok())
		return invalid("--pg-repl-passwordfile: " + password.error().message);
	if (options.superuser_password_file.empty())
		return {};
	if (auto password = read_password(options.superuser_password_file); !password.ok())
		return invalid("--pg-su-passwordfile: " + password.error().message);
	return {};
}

}  // namespace

void add_options(CLI::App &app, Options &options) {
	program::add_common_options(app, options.common);
	app.add_option("--keeper-uid,--uid", options.keeper_uid,
	               "Name of this keeper, unique in the cluster: lower-case letters, digits, _")
	    ->envname("STOLON_KEEPER_UID")
	    ->required();
	app.add_option("--data-dir", options.data_dir,
	               "Directory of this keeper alone; the database is in its subdirectory postgres")
	    ->envname("STOLON_DATA_DIR")
	    ->required();
	app.add_option("--pg-bin-path", options.bin_path, "Directory of PostgreSQL's programs")
	    ->envname("STOLON_PG_BIN_PATH");
	app.add_option("--pg-listen-address", options.listen_address,
	               "Addresses that Postgres listens on")
	    ->envname("STOLON_PG_LISTEN_ADDRESS")
	    ->required();
	app.add_option("--pg-port", options.port, "Port that Postgres listens on")
	    ->envname("STOLON_PG_PORT")
	    ->check(CLI::Range(1, 65535))
	    ->capture_default_str();
	app.add_option("--pg-advertise-address", options.advertise_address,
	               "Address under which others reach this Postgres [the listen address]")
	    ->envname("STOLON_PG_ADVERTISE_ADDRESS");
	app.add_option("--pg-advertise-port", options.advertise_port,
	               "Port under which others reach this Postgres [--pg-port]")
	    ->envname("STOLON_PG_ADVERTISE_PORT")
	    ->check(CLI::Range(1, 65535));
	app.add_option("--pg-su-username", options.superuser, "Superuser of the database [OS user]")
	    ->envname("STOLON_PG_SU_USERNAME");
	app.add_option("--pg-su-passwordfile", options.superuser_password_file,
	               "File with the superuser's password, readable by its owner only")
	    ->envname("STOLON_PG_SU_PASSWORDFILE");
	app.add_option("--pg-repl-username", options.replication_user, "Replication user")
	    ->envname("STOLON_PG_REPL_USERNAME")
	    ->capture_default_str();
	app.add_option("--pg-repl-passwordfile", options.replication_password_file,
	               "File with the replication user's password, readable by its owner only")
	    ->envname("STOLON_PG_REPL_PASSWORDFILE")
	    ->required();
	app.add_option("--pg-socket-dir", options.socket_dir,
	               "Directory of Postgres's Unix socket [Postgres's default]")
	    ->envname("STOLON_PG_SOCKET_DIR");
	app.add_option("--pg-log", options.server_log,
	               "File for Postgres's output, - for our own stderr [<data-dir>/postgres.log]")
	    ->envname("STOLON_PG_LOG");
}

Status check_options(Options &options) {
	if (::geteuid() == 0)
		return invalid(
		    "stolon-launcher does not run as root, because Postgres does not: start it as the "
		    "owner of the data directory (for example by runuser -u postgres)");
	if (auto uid = core::KeeperUid::parse(options.keeper_uid); !uid.ok())
		return invalid("--keeper-uid: " + uid.error().message);
	std::error_code error;
	options.data_dir = std::filesystem::absolute(options.data_dir, error).lexically_normal();
	while (options.data_dir.size() > 1 && options.data_dir.back() == '/')
		options.data_dir.pop_back();
	if (error || has_control_character(options.data_dir))
		return invalid("--data-dir: \"" + options.data_dir + "\" cannot be used");
	// Postgres reads them as well, from its own working directory.
	for (std::string *path : {&options.common.store_ca_file, &options.common.store_cert_file,
	                          &options.common.store_key_file,
	                          &options.common.store_credentials_file, &options.socket_dir}) {
		if (!path->empty())
			*path = std::filesystem::absolute(*path, error).lexically_normal();
	}
	if (auto status = check_programs(options); !status.ok())
		return status;
	if (auto status = check_addresses(options); !status.ok())
		return status;
	return check_users(options);
}

Paths paths_of(const Options &options) {
	return Paths{options.data_dir};
}

Identity identity_of(const Options &options) {
	return Identity{options.common.cluster_name, core::KeeperUid{options.keeper_uid}};
}

core::NodeSettings node_settings(const Options &options) {
	core::NodeSettings node;
	node.cluster_name = options.common.cluster_name;
	node.keeper_uid.value = options.keeper_uid;
	node.store_endpoints = options.common.store_endpoints;
	node.store_prefix = options.common.store_prefix;
	node.store_ca_file = options.common.store_ca_file;
	node.store_cert_file = options.common.store_cert_file;
	node.store_key_file = options.common.store_key_file;
	node.store_credentials_file = options.common.store_credentials_file;
	node.advertise_host = options.advertise_address;
	node.advertise_port = options.advertise_port;
	node.listen_addresses = options.listen_address;
	node.port = options.port;
	node.socket_directory = options.socket_dir;
	node.replication_user = options.replication_user;
	node.replication_credentials_file = paths_of(options).replication_pgpass();
	return node;
}

std::string server_log_of(const Options &options) {
	if (options.server_log == "-")
		return {};
	return options.server_log.empty() ? paths_of(options).server_log() : options.server_log;
}

Status write_replication_credentials(const Options &options) {
	auto password = read_password(options.replication_password_file);
	if (!password.ok())
		return password.error();
	return store::write_file_atomically(paths_of(options).replication_pgpass(),
	                                    pgpass_line(options.replication_user, *password), 0600);
}

core::Result<int> server_version(const std::string &bin_path) {
	const std::string program = bin_path + "/postgres";
	Command command;
	command.argv = {program, "--version"};
	constexpr std::size_t longest = 4096;
	const auto text = text_of_command(command, longest);
	if (!text.ok())
		return text.error();
	// "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"; a pre-release has no minor number.
	int major = 0, minor = 0;
	const char *number = std::strstr(text->c_str(), ") ");
	if (number == nullptr || std::sscanf(number + 2, "%d.%d", &major, &minor) < 1 || major < 10)
		return invalid("\"" + program +
		               " --version\" gave no version that is understood: " + *text);
	return major * 10000 + minor;
}

}  // namespace stolon::launcher
