// The sockets of another process, reached through duplicates (pidfd_getfd).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace stolon::program {

/// A numeric address and a port; empty and 0 for what is no TCP socket.
struct Endpoint {
	std::string host;
	int port = 0;
};

/// The numbers of a process's fds, none of one that has ended; nullopt (errno says why): they
/// cannot be read.
std::optional<std::vector<int>> fd_numbers(int pid);

/// Of a duplicate: where the other side is, and our own port (0: no TCP socket).
Endpoint remote_end_of(int fd);
int local_port_of(int fd);
/// It accepts connections.
bool is_listening(int fd);

}  // namespace stolon::program
