#include "launcher/upstream.h"

#include <sys/wait.h>

#include "launcher/secrets.h"

namespace stolon::launcher {

namespace {

constexpr const char *maintenance_database = "postgres";
// psql: the connection was bad, and the session is not interactive.
constexpr int psql_bad_connection = 2;

}  // namespace

std::string connection_string(const UpstreamServer &server, const std::string &application_name,
                              const std::string &database) {
	// `options` is about the server's side: see primary_conninfo (core/pgconf). The disk here may
	// pause for longer under a copy than under a standby.
	std::string text = "host=" + quote_conninfo(server.host) +
	                   " port=" + std::to_string(server.port) +
	                   " user=" + quote_conninfo(server.user) +
	                   " application_name=" + quote_conninfo(application_name) +
	                   " connect_timeout=10 keepalives_idle=5 keepalives_interval=2 "
	                   "keepalives_count=3 tcp_user_timeout=10000 "
	                   "options='-c tcp_user_timeout=120000'";
	if (!database.empty())
		text += " dbname=" + quote_conninfo(database);
	if (!server.sslmode.empty())
		text += " sslmode=" + quote_conninfo(server.sslmode);
	return text;
}

void connect_only_there(const UpstreamServer &server, Command &command) {
	command.environment["PGPASSFILE"] = server.password_file;
	for (const char *name : {"PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD", "PGSERVICE",
	                         "PGOPTIONS", "PGDATABASE", "PGSERVICEFILE", "PGAPPNAME"})
		command.without.emplace_back(name);
}

core::Result<std::string> ask(const UpstreamServer &server, const std::string &bin_path,
                              const std::string &sql) {
	Command command;
	command.argv = {bin_path + "/psql",
	                "--no-psqlrc",
	                "--no-align",
	                "--tuples-only",
	                "--quiet",
	                "--no-password",
	                "--dbname=" + connection_string(server, "stolon", maintenance_database),
	                "--command=" + sql};
	connect_only_there(server, command);
	std::string answer;
	const auto ended = run_for_lines(command, [&](std::string_view line) { answer += line; });
	if (!ended.ok())
		return ended.error();
	if (WIFEXITED(*ended) && WEXITSTATUS(*ended) == 0)
		return answer;
	if (WIFEXITED(*ended) && WEXITSTATUS(*ended) == psql_bad_connection)
		return core::Error{core::ErrorKind::Unavailable,
		                   "no connection to the upstream " + server.address()};
	return core::invalid("the upstream " + server.address() + " does not answer what was asked");
}

}  // namespace stolon::launcher
