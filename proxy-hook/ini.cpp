#include "proxy-hook/ini.h"

#include <map>
#include <sstream>

namespace stolon::proxy {

namespace {

bool is_one_line(const std::string &text) {
	return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

/// Host names and addresses need none of these, and they mean something in a connection string.
bool is_host(const std::string &host) {
	return !host.empty() && is_one_line(host) &&
	       host.find_first_of(" \t,;'\"=%#") == std::string::npos;
}

core::Result<std::string> connection_string(const std::vector<core::Backend> &backends) {
	std::string hosts;
	for (const core::Backend &backend : backends) {
		if (!is_host(backend.host) || backend.port < 1 || backend.port > 65535) {
			return core::invalid("\"" + backend.host + ":" + std::to_string(backend.port) +
			                     "\" is not an address that clients can be sent to");
		}
		if (backend.port != backends.front().port) {
			return core::invalid("backends with different ports cannot share one pgbouncer");
		}
		hosts += (hosts.empty() ? "" : ",") + backend.host;
	}
	if (hosts.empty()) {
		return core::invalid("there is no address to send clients to");
	}
	return "host=" + hosts + " port=" + std::to_string(backends.front().port);
}

}  // namespace

core::Status check_pool_options(const PoolOptions &options) {
	if (!is_one_line(options.pool_mode)) {
		return core::invalid("an option contains a line break");
	}
	return {};
}

core::Result<std::string> render_ini(const PoolOptions &options, const BouncerFiles &files,
                                     const std::vector<core::Backend> &backends,
                                     const std::string &marker) {
	if (core::Status status = check_pool_options(options); !status) {
		return status.error();
	}
	core::Result<std::string> connection = connection_string(backends);
	if (!connection) {
		return connection.error();
	}
	std::ostringstream out;
	out << "; Written by stolon-proxy. Changes are overwritten.\n"
	    << "[databases]\n"
	    << "* = " << *connection << "\n\n"
	    << "[pgbouncer]\n"
	    // The sockets are handed over by stolon-proxy.
	    << "listen_addr =\n"
	    << "unix_socket_dir =\n"
	    << "logfile = " << files.log << "\n"
	    << render_access(options.access) << "pool_mode = " << options.pool_mode << "\n"
	    << "default_pool_size = " << options.default_pool_size << "\n"
	    << "max_client_conn = " << options.max_client_conn << "\n"
	    << "query_wait_timeout = " << options.query_wait_timeout_s
	    << "\n"
	    // A client that logs in while there is no master waits like everybody else.
	    << "client_login_timeout = " << options.query_wait_timeout_s
	    << "\n"
	    // After a failed connection the next try follows at once: clients wait for it.
	    // A client that is still being looked up, though, is not told that its database does not
	    // exist: it waits, and would cost a connection after the other as fast as they fail.
	    << "server_login_retry = " << (options.access.auth_user.empty() ? "0" : "0.1") << "\n"
	    << "server_connect_timeout = " << options.server_connect_timeout_s << "\n"
	    << "server_fast_close = 1\n"
	    << "tcp_keepalive = 1\n"
	    << "tcp_keepidle = 2\n"
	    << "tcp_keepintvl = 1\n"
	    << "tcp_keepcnt = 3\n"
	    << "tcp_user_timeout = 5000\n"
	    << "ignore_startup_parameters = extra_float_digits\n"
	    << "log_connections = 0\n"
	    << "log_disconnections = 0\n"
	    << "log_stats = 0\n"
	    // pgbouncer stops reading at the first line that it does not understand.
	    << marker_setting << " = " << marker << "\n";
	return out.str();
}

std::vector<core::Backend> with_common_port(const std::vector<core::Backend> &backends) {
	std::map<int, std::vector<core::Backend>> by_port;
	for (const core::Backend &backend : backends) {
		by_port[backend.port].push_back(backend);
	}
	std::vector<core::Backend> best;
	for (auto &[port, group] : by_port) {
		if (group.size() > best.size()) {
			best = std::move(group);
		}
	}
	return best;
}

}  // namespace stolon::proxy
