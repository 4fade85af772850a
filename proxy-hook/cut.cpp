#include "proxy-hook/cut.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <tuple>

#include "store/program/fd.h"
#include "store/program/pidfd.h"
#include "store/program/process_sockets.h"

namespace stolon::proxy {

namespace {

using ConnectionKey = std::tuple<std::string, int, int>;

/// The remote end and the local port name a connection; nothing for what is no connected TCP
/// socket.
ConnectionKey key_of(int fd) {
	const program::Endpoint peer = program::remote_end_of(fd);
	return {peer.host, peer.port, program::local_port_of(fd)};
}

}  // namespace

core::Result<int> cut_connections(int pidfd, int pid, const std::vector<ServerConnection> &which) {
	std::set<ConnectionKey> wanted;
	for (const ServerConnection &one : which) {
		wanted.insert({one.remote_host, one.remote_port, one.local_port});
	}
	int cut = 0;
	int denied = 0;
	const auto numbers = program::fd_numbers(pid);
	if (!numbers) {
		denied = errno;
	}
	for (int number : numbers.value_or(std::vector<int>())) {
		const program::Fd copy = program::get_fd_of(pidfd, number);
		if (!copy) {
			denied = errno == EPERM ? errno : denied;
			continue;
		}
		if (wanted.contains(key_of(copy.get())) && shutdown(copy.get(), SHUT_RDWR) == 0) {
			++cut;
		}
	}
	if (denied != 0 && cut == 0) {
		return core::Error{core::ErrorKind::Denied,
		                   std::string("cannot reach into pgbouncer: ") + std::strerror(denied)};
	}
	return cut;
}

}  // namespace stolon::proxy
