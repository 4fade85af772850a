#include "launcher/initdb.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/pgconf/pgconf.h"
#include "launcher/fault_point.h"
#include "launcher/process.h"
#include "launcher/secrets.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

using core::Status;

bool has_option(const std::vector<std::string> &options, const std::string &name) {
	return std::any_of(options.begin(), options.end(), [&](const std::string &option) {
		return option == name || option.starts_with(name + "=");
	});
}

Status make_database(const InitDbJob &job, const std::string &directory) {
	Command command;
	command.argv = {job.bin_path + "/initdb", "-D", directory, "--auth=scram-sha-256",
	                "--username=" + job.superuser};
	if (job.superuser_password_file.empty()) {
		// initdb refuses a password method without a password. The file is replaced before the
		// server is ever started.
		command.argv[3] = "--auth=peer";
		command.argv.push_back("--auth-host=reject");
	} else {
		command.argv.push_back("--pwfile=" + job.superuser_password_file);
	}
	const auto &options = job.spec.new_config_initdb;
	command.argv.insert(command.argv.end(), options.begin(), options.end());
	if (!has_option(options, "--encoding") && !has_option(options, "--locale"))
		command.argv.push_back("--encoding=UTF8");
	// The launcher's own environment must not choose what the cluster's spec does not.
	command.without = {"PGDATA"};
	return run_command(command);
}

/// Runs SQL in a server without network and without any other session.
Status run_single_user(const InitDbJob &job, const std::string &directory, const std::string &sql) {
	Command command;
	command.argv = {job.bin_path + "/postgres", "--single", "-D", directory, "-c",
	                "exit_on_error=true", "-c", "password_encryption=scram-sha-256",
	                // Statements hold a password: they must not get into a log, not even on error.
	                "-c", "log_min_error_statement=panic", "-c", "log_statement=none", "-c",
	                "log_min_duration_statement=-1", "postgres"};
	command.input = sql;
	command.discard_output = true;
	return run_command(command);
}

/// pg_rewind's manual lists the functions. Whoever may take a base backup can read every one of
/// these files already, so they give no right that the role did not have. A single-user server
/// takes one line as one statement.
std::string rewind_rights(const std::string &role) {
	return "GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean), "
	       "pg_catalog.pg_stat_file(text, boolean), pg_catalog.pg_read_binary_file(text), "
	       "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO " +
	       quote_identifier(role) + "\n";
}

Status create_roles(const InitDbJob &job, const std::string &directory) {
	auto password = read_password(job.replication_password_file);
	if (!password.ok())
		return password.error();
	const std::string verb = job.replication_user == job.superuser ? "ALTER" : "CREATE";
	const std::string sql = verb + " ROLE " + quote_identifier(job.replication_user) +
	                        " LOGIN REPLICATION PASSWORD " + quote_literal(*password) + "\n";
	for (const auto &statement : {sql, rewind_rights(job.replication_user)})
		if (auto done = run_single_user(job, directory, statement); !done.ok())
			return core::Error{done.error().kind,
			                   "could not create the replication user: " + done.error().message};
	if (!job.create_extension)
		return {};
	if (auto done = run_single_user(job, directory, "CREATE EXTENSION stolon\n"); !done.ok())
		return core::Error{done.error().kind,
		                   "could not create the extension stolon (is it installed for this "
		                   "PostgreSQL? make install does it): " +
		                       done.error().message};
	return {};
}

Status complete(const InitDbJob &job, const std::string &directory) {
	// stolon.conf itself is written before each start.
	if (auto done = prepare_start(
	        directory, "", core::render_pg_hba(job.spec, job.superuser, job.replication_user),
	        false);
	    !done.ok())
		return done;
	Command sync;
	sync.argv = {job.bin_path + "/initdb", "--sync-only", "-D", directory};
	if (auto done = run_command(sync); !done.ok())
		return done;
	FAULT_POINT("initdb-synced");
	return write_state(directory, job.state);
}

}  // namespace

Status run_initdb(const InitDbJob &job) {
	::umask(077);
	const std::string directory = job.paths.init(job.state.db);
	if (!complete_state(directory, job.identity).ok()) {
		if (auto done = remove_half_made(job.paths, job.identity, directory); !done.ok())
			return done;
		if (auto done = announce_directory(directory, job.identity); !done.ok())
			return done;
		FAULT_POINT("initdb-announced");
		if (auto done = make_database(job, directory); !done.ok())
			return done;
		FAULT_POINT("initdb-made");
		if (auto done = create_roles(job, directory); !done.ok())
			return done;
		FAULT_POINT("initdb-roles");
		if (auto done = complete(job, directory); !done.ok())
			return done;
	}
	FAULT_POINT("initdb-whole");
	// Unlike a clone it never replaces anything: a new database is only for an empty place.
	if (inspect(job.paths, job.identity, {}).kind != core::DataKind::Absent)
		return core::invalid("\"" + job.paths.pgdata() + "\" is not empty any more");
	auto swapped = swap_in(job.paths, job.identity, directory, job.state.db);
	if (!swapped.ok())
		return swapped.error();
	if (!swapped->node_files.empty())
		warn(node_files_are_kept(swapped->node_files));
	return {};
}

}  // namespace stolon::launcher
