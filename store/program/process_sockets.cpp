#include "store/program/process_sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

namespace stolon::program {

namespace {

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

}  // namespace

std::optional<std::vector<int>> fd_numbers(int pid) {
	std::vector<int> out;
	const std::string path = "/proc/" + std::to_string(pid) + "/fd";
	std::unique_ptr<DIR, int (*)(DIR *)> directory(opendir(path.c_str()), closedir);
	if (!directory) {
		// An ended process has none.
		return errno == ENOENT ? std::optional(out) : std::nullopt;
	}
	while (const dirent *entry = readdir(directory.get())) {
		if (entry->d_name[0] != '.') {
			out.push_back(std::atoi(entry->d_name));
		}
	}
	return out;
}

Endpoint remote_end_of(int fd) {
	sockaddr_storage remote{};
	socklen_t length = sizeof(remote);
	if (getpeername(fd, reinterpret_cast<sockaddr *>(&remote), &length) != 0) {
		return {};
	}
	return endpoint_of(remote);
}

int local_port_of(int fd) {
	sockaddr_storage local{};
	socklen_t length = sizeof(local);
	if (getsockname(fd, reinterpret_cast<sockaddr *>(&local), &length) != 0) {
		return 0;
	}
	return local.ss_family == AF_INET || local.ss_family == AF_INET6 ? endpoint_of(local).port : 0;
}

bool is_listening(int fd) {
	int listens = 0;
	socklen_t length = sizeof(listens);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens != 0;
}

}  // namespace stolon::program
