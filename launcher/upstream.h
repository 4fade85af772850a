// The server that is cloned, or that a rewind goes by, as a client sees it.
#pragma once

#include <string>

#include "core/base/result.h"
#include "launcher/process.h"

namespace stolon::launcher {

struct UpstreamServer {
	std::string host;
	int port = 0;
	std::string sslmode;  ///< "": libpq's default
	std::string user;
	std::string password_file;  ///< in libpq's format
	/// For errors: "10.0.0.1:5432".
	std::string address() const { return host + ":" + std::to_string(port); }
};

/// A dead server is noticed within some ten seconds. `database`: "" for a replication connection.
std::string connection_string(const UpstreamServer &server, const std::string &application_name,
                              const std::string &database);

/// Gives the command the password file, and nothing of the launcher's environment that would lead
/// it elsewhere.
void connect_only_there(const UpstreamServer &server, Command &command);

/// The answer to a query of one row and one column, without the last newline. Unavailable: nobody
/// answers there. Invalid: the server does not accept the query; it has said why on stderr.
core::Result<std::string> ask(const UpstreamServer &server, const std::string &bin_path,
                              const std::string &sql);

}  // namespace stolon::launcher
