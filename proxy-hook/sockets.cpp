#include "proxy-hook/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace stolon::proxy {

namespace {

/// Connections that wait here while there is no master; the kernel caps it at net.core.somaxconn.
constexpr int listen_backlog = 4096;

struct SocketAddress {
	sockaddr_storage storage{};
	socklen_t length = 0;
	int family = AF_UNSPEC;
	const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&storage); }
};

bool to_ipv4(const std::string &host, int port, SocketAddress &out) {
	auto *in = reinterpret_cast<sockaddr_in *>(&out.storage);
	if (inet_pton(AF_INET, host.c_str(), &in->sin_addr) != 1) {
		return false;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(static_cast<std::uint16_t>(port));
	out.length = sizeof(*in);
	out.family = AF_INET;
	return true;
}

bool to_ipv6(const std::string &host, int port, SocketAddress &out) {
	auto *in = reinterpret_cast<sockaddr_in6 *>(&out.storage);
	if (inet_pton(AF_INET6, host.c_str(), &in->sin6_addr) != 1) {
		return false;
	}
	in->sin6_family = AF_INET6;
	in->sin6_port = htons(static_cast<std::uint16_t>(port));
	out.length = sizeof(*in);
	out.family = AF_INET6;
	return true;
}

std::vector<SocketAddress> addresses_of(const ListenAddress &address) {
	std::vector<std::string> hosts{address.host};
	if (address.host == "*") {
		hosts = {"0.0.0.0", "::"};
	}
	std::vector<SocketAddress> out;
	for (const std::string &host : hosts) {
		SocketAddress one;
		if (to_ipv4(host, address.port, one) || to_ipv6(host, address.port, one)) {
			out.push_back(one);
		}
	}
	return out;
}

core::Error failed(const std::string &what, int error_number) {
	return core::invalid("cannot " + what + ": " + std::strerror(error_number));
}

std::string text_of(const ListenAddress &address) {
	return "port " + std::to_string(address.port) + " of " + address.host;
}

/// IPv6 is absent from some kernels; then "*" means IPv4 alone.
bool is_missing_ipv6(const SocketAddress &address) {
	return address.family == AF_INET6 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
}

core::Result<Fd> bound_socket(const SocketAddress &address, const ListenAddress &given,
                              bool reuse_port) {
	Fd fd(socket(address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	const int on = 1;
	if (!fd) {
		return failed("make a socket", errno);
	}
	setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address.family == AF_INET6) {
		setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	}
	if (reuse_port && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) {
		return failed("share " + text_of(given) + " among pgbouncers", errno);
	}
	if (bind(fd.get(), address.get(), address.length) != 0) {
		return failed("listen on " + text_of(given), errno);
	}
	return fd;
}

core::Result<sockaddr_un> unix_address(const std::string &path) {
	sockaddr_un address{};
	address.sun_family = AF_UNIX;
	if (path.size() >= sizeof(address.sun_path)) {
		return core::invalid("the path of the socket " + path +
		                     " is too long; choose a shorter --run-dir");
	}
	std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
	return address;
}

}  // namespace

core::Status check_listen_address(const ListenAddress &address) {
	if (addresses_of(address).empty()) {
		return core::invalid("the listen address \"" + address.host +
		                     "\" is neither an IP address nor *");
	}
	return {};
}

core::Status check_port_is_free(const ListenAddress &address) {
	for (const SocketAddress &one : addresses_of(address)) {
		core::Result<Fd> probe = bound_socket(one, address, false);
		if (!probe && !is_missing_ipv6(one)) {
			return probe.error();
		}
	}
	return {};
}

core::Result<std::vector<Fd>> listen_tcp(const ListenAddress &address) {
	std::vector<Fd> out;
	for (const SocketAddress &one : addresses_of(address)) {
		core::Result<Fd> fd = bound_socket(one, address, true);
		if (!fd && !out.empty() && is_missing_ipv6(one)) {
			continue;
		}
		if (!fd) {
			return fd.error();
		}
		if (listen(fd->get(), listen_backlog) != 0) {
			return failed("listen on " + text_of(address), errno);
		}
		out.push_back(std::move(*fd));
	}
	return out;
}

core::Result<Fd> listen_unix(const std::string &path) {
	core::Result<sockaddr_un> address = unix_address(path);
	if (!address) {
		return address.error();
	}
	Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (!fd) {
		return failed("make a socket", errno);
	}
	unlink(path.c_str());
	// Nobody else may reach it, also not between bind and listen: the directory is private.
	if (bind(fd.get(), reinterpret_cast<sockaddr *>(&*address), sizeof(*address)) != 0 ||
	    chmod(path.c_str(), 0600) != 0 || listen(fd.get(), listen_backlog) != 0) {
		return failed("listen on " + path, errno);
	}
	return fd;
}

core::Result<Fd> connect_unix(const std::string &path) {
	core::Result<sockaddr_un> address = unix_address(path);
	if (!address) {
		return address.error();
	}
	Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (!fd) {
		return failed("make a socket", errno);
	}
	if (connect(fd.get(), reinterpret_cast<sockaddr *>(&*address), sizeof(*address)) != 0) {
		return core::Error{core::ErrorKind::Unavailable,
		                   "cannot connect to " + path + ": " + std::strerror(errno)};
	}
	return fd;
}

}  // namespace stolon::proxy
