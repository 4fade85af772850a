// Counts the clients of one pgbouncer, as long as somebody wants to know: only while clients wait,
// because a count that changes all the time must not be written to the store all the time.
#pragma once

#include <optional>
#include <string>

#include "core/base/time.h"
#include "proxy-hook/admin.h"

namespace stolon::proxy {

struct ClientCount {
	int connected = 0;
	int waiting = 0;  ///< for a server, as pgbouncer sees it
	bool operator==(const ClientCount &) const = default;
};

/// From SHOW POOLS, without the consoles' own pool.
ClientCount count_clients(const AdminAnswer &pools);

class PoolWatch {
public:
	PoolWatch(program::Loop &loop, const std::string &socket_path) : link_(loop, socket_path) {}

	/// Asks once a second while `wanted`; otherwise the connection is closed and nothing is known.
	/// Returns when it must be called again at the latest.
	core::Instant step(core::Instant now, bool wanted);
	/// nullopt: not known.
	const std::optional<ClientCount> &count() const { return count_; }

private:
	AdminLink link_;
	core::Instant ask_at_;
	std::optional<ClientCount> count_;
};

}  // namespace stolon::proxy
