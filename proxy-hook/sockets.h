// The sockets that pgbouncer answers on. stolon-proxy opens them and hands them over (systemd's
// socket activation protocol, which pgbouncer speaks), for two reasons: while no pgbouncer may run
// yet, because there is no master, clients wait in the kernel's queue instead of being refused; and
// a pgbouncer that dies is replaced behind a socket that never closed.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "store/program/fd.h"

namespace stolon::proxy {

using program::Fd;

/// A TCP address to listen on.
struct ListenAddress {
	std::string host;  ///< numeric IPv4 or IPv6, or "*" for all of both
	int port = 0;
	bool operator==(const ListenAddress &) const = default;
};

/// Invalid names what is not a numeric address.
core::Status check_listen_address(const ListenAddress &address);

/// Fails when some other process listens there. SO_REUSEPORT alone would share the port with it in
/// silence, so this must be called once, before the first listen_tcp().
core::Status check_port_is_free(const ListenAddress &address);

/// Listening sockets with SO_REUSEPORT (one, or two for "*"): the kernel spreads connections over
/// all pgbouncers on the same port.
core::Result<std::vector<Fd>> listen_tcp(const ListenAddress &address);

/// A listening Unix socket at `path`, replacing a dead one; only the owner may connect.
core::Result<Fd> listen_unix(const std::string &path);

/// A connection to a Unix socket. Does not wait: it stands at once or fails.
core::Result<Fd> connect_unix(const std::string &path);

}  // namespace stolon::proxy
