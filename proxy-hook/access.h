// How clients prove who they are, and TLS on both sides: options, their checks, their lines in a
// pgbouncer.ini.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace CLI {
class App;
}

namespace stolon::proxy {

/// What pgbouncer asks a server with when a user is not in the auth_file; the function comes with
/// the extension. Names are qualified, because the search path is the connecting client's.
constexpr std::string_view default_auth_query =
    "SELECT username, secret FROM stolon.pgbouncer_auth($1)";

/// One side's settings; empty ones are left to pgbouncer.
struct TlsOptions {
	std::string sslmode, ca_file, cert_file, key_file, protocols, ciphers;

	bool is_on() const { return !sslmode.empty() && sslmode != "disable"; }
	/// One that pgbouncer would accept with a certificate of whoever answers.
	bool verifies() const { return sslmode == "verify-ca" || sslmode == "verify-full"; }
};

struct AccessOptions {
	std::string auth_type = "scram-sha-256";
	std::string auth_file;
	std::string auth_user;  ///< who asks with auth_query; empty: nobody, auth_file is all there is
	std::string auth_query = std::string(default_auth_query);
	std::string auth_dbname;  ///< where it is asked; empty: in the database that a client wants
	TlsOptions client, server;
};

void add_access_options(CLI::App &app, AccessOptions &to);

/// Refuses (Invalid) what contradicts itself or could not be written into an ini file, and makes
/// the paths absolute.
core::Status complete_access(AccessOptions &options);

/// Whether the user that this process now is may read every file that is named, and whether
/// `pgbouncer_version` (as pgbouncer --version tells) knows what is asked for. pgbouncer itself
/// would start, and refuse clients.
core::Status check_access(const AccessOptions &options, std::string_view pgbouncer_version);

/// Lines of the section [pgbouncer].
std::string render_access(const AccessOptions &options);

}  // namespace stolon::proxy
