// Cutting single server connections of a pgbouncer, which its console cannot do: KILL drops every
// client of a database. A duplicate of the connection's socket is taken from the process
// (pidfd_getfd) and shut down; pgbouncer sees the server hang up, and only the client whose
// statement was in flight there is told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace stolon::proxy {

/// A TCP connection, as SHOW SERVERS describes it.
struct ServerConnection {
	std::string database;
	std::string remote_host;  ///< numeric
	int remote_port = 0;
	int local_port = 0;
	bool operator==(const ServerConnection &) const = default;
};

/// Shuts down those that are found; returns how many. Denied when the kernel does not allow it (the
/// process is not a child, and ptrace is restricted).
core::Result<int> cut_connections(int pidfd, int pid, const std::vector<ServerConnection> &which);

}  // namespace stolon::proxy
