// Keeps the port of a server open for a moment after it has died.
//
// The kernel refuses connections from the instant at which the last owner of a listening socket is
// gone. pgbouncer 1.18 answers a refused connection with an error to the next client, instead of
// letting it wait. The proxy makes clients wait, or readers go elsewhere, as soon as its own
// connection to the server breaks, but a server's processes die one after the other, so pgbouncer
// may find out first. While a second owner holds the socket, nobody is refused.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "core/base/time.h"
#include "store/program/fd.h"

namespace stolon::launcher {

class OpenPort {
public:
	/// Shares the listening TCP sockets of a server that accepts connections; once. Where the
	/// system does not allow that, the port closes with the server. `pidfd` and `pid` are the
	/// postmaster's.
	void share(int pidfd, pid_t pid);
	bool is_shared() const { return !sockets_.empty() || denied_; }

	/// The server has died. Requests for connections are ignored from now on, so that clients try
	/// again after a second, are refused then, and go on to the next of their hosts. (A connection
	/// that is made and broken would be the end for them.) The port closes after `open_for`, or
	/// when close() is called, which has to happen before another server starts there.
	void keep(core::Instant now);
	void close();
	/// Closes what has been kept for long enough.
	void poll(core::Instant now);
	const std::optional<core::Instant> &close_at() const { return close_at_; }

	/// Long enough for a proxy on a busy machine, and over when clients try again.
	static constexpr core::Duration open_for = core::milliseconds(500);

private:
	void ignore_requests(int listening);

	std::vector<program::Fd> sockets_;
	std::vector<program::Fd> fillers_;  ///< connections that fill the queues
	bool denied_ = false;               ///< nothing could be shared; not tried again
	std::optional<core::Instant> close_at_;
};

}  // namespace stolon::launcher
