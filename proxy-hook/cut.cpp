#include "proxy-hook/cut.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <tuple>

#include "proxy-hook/fd.h"
#include "proxy-hook/pidfd.h"

namespace stolon::proxy {

namespace {

struct Endpoint {
	std::string host;
	int port = 0;
};

Endpoint endpoint_of(const sockaddr_storage &address) {
	char text[INET6_ADDRSTRLEN] = "";
	if (address.ss_family == AF_INET) {
		const auto *in = reinterpret_cast<const sockaddr_in *>(&address);
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		return {text, ntohs(in->sin_port)};
	}
	if (address.ss_family == AF_INET6) {
		const auto *in = reinterpret_cast<const sockaddr_in6 *>(&address);
		inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof(text));
		return {text, ntohs(in->sin6_port)};
	}
	return {};
}

using ConnectionKey = std::tuple<std::string, int, int>;

/// The remote end and the local port name a connection; nothing for what is no connected TCP
/// socket.
ConnectionKey key_of(int fd) {
	sockaddr_storage local{};
	sockaddr_storage remote{};
	socklen_t local_length = sizeof(local);
	socklen_t remote_length = sizeof(remote);
	if (getsockname(fd, reinterpret_cast<sockaddr *>(&local), &local_length) != 0 ||
	    getpeername(fd, reinterpret_cast<sockaddr *>(&remote), &remote_length) != 0) {
		return {};
	}
	const Endpoint peer = endpoint_of(remote);
	return {peer.host, peer.port, endpoint_of(local).port};
}

std::vector<int> fd_numbers(int pid) {
	std::vector<int> out;
	const std::string path = "/proc/" + std::to_string(pid) + "/fd";
	std::unique_ptr<DIR, int (*)(DIR *)> directory(opendir(path.c_str()), closedir);
	if (!directory) {
		return out;
	}
	while (const dirent *entry = readdir(directory.get())) {
		if (entry->d_name[0] != '.') {
			out.push_back(std::atoi(entry->d_name));
		}
	}
	return out;
}

}  // namespace

core::Result<int> cut_connections(int pidfd, int pid, const std::vector<ServerConnection> &which) {
	std::set<ConnectionKey> wanted;
	for (const ServerConnection &one : which) {
		wanted.insert({one.remote_host, one.remote_port, one.local_port});
	}
	int cut = 0;
	int denied = 0;
	for (int number : fd_numbers(pid)) {
		Fd copy(get_fd_of(pidfd, number));
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
