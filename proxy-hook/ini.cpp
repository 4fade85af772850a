#include "proxy-hook/ini.h"

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

/// What differs from pgbouncer's own defaults, and can be set otherwise.
std::vector<std::pair<std::string, std::string>> defaults(const PoolOptions &options) {
	return {
	    // A client that logs in while there is no master waits like everybody else.
	    {"client_login_timeout", std::to_string(options.query_wait_timeout_s)},
	    {"server_connect_timeout", std::to_string(options.server_connect_timeout_s)},
	    {"tcp_keepalive", "1"},
	    {"tcp_keepidle", "2"},
	    {"tcp_keepintvl", "1"},
	    {"tcp_keepcnt", "3"},
	    {"tcp_user_timeout", "5000"},
	    {"ignore_startup_parameters", "extra_float_digits"},
	    {"log_connections", "0"},
	    {"log_disconnections", "0"},
	    {"log_stats", "0"},
	};
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
	core::Result<std::string> databases = render_databases(options.included, backends);
	if (!databases) {
		return databases.error();
	}
	std::ostringstream out;
	out << "; Written by stolon-proxy. Changes are overwritten.\n" << *databases << "\n[users]\n";
	for (const IncludedLine &line : options.included.users) {
		out << line.name << " = " << line.value << "\n";
	}
	out << "\n[pgbouncer]\n";
	for (const auto &[name, value] : defaults(options)) {
		if (!options.included.sets(name)) {
			out << name << " = " << value << "\n";
		}
	}
	for (const IncludedLine &line : options.included.settings) {
		out << line.name << " = " << line.value << "\n";
	}
	// The sockets are handed over by stolon-proxy.
	out << "listen_addr =\n"
	    << "unix_socket_dir =\n"
	    << "logfile = " << files.log << "\n"
	    << render_access(options.access) << "pool_mode = " << options.pool_mode << "\n"
	    << "default_pool_size = " << options.default_pool_size << "\n"
	    << "max_client_conn = " << options.max_client_conn << "\n"
	    << "query_wait_timeout = " << options.query_wait_timeout_s
	    << "\n"
	    // After a failed connection the next try follows at once: clients wait for it.
	    // A client that is still being looked up, though, is not told that its database does not
	    // exist: it waits, and would cost a connection after the other as fast as they fail.
	    << "server_login_retry = " << (options.access.auth_user.empty() ? "0" : "0.1") << "\n"
	    << "server_fast_close = 1\n"
	    // pgbouncer stops reading at the first line that it does not understand.
	    << marker_setting << " = " << marker << "\n";
	return out.str();
}

core::Result<std::string> render_databases(const Included &included,
                                           const std::vector<core::Backend> &backends) {
	core::Result<std::string> connection = connection_string(backends);
	if (!connection) {
		return connection.error();
	}
	std::string out = "[databases]\n";
	bool has_fallback = false;
	for (const IncludedLine &line : included.databases) {
		has_fallback = has_fallback || line.name == "*";
		out +=
		    line.name + " = " + *connection + (line.value.empty() ? "" : " ") + line.value + "\n";
	}
	return has_fallback ? out : out + "* = " + *connection + "\n";
}

bool is_marked(const AdminAnswer &config, const std::string &marker) {
	for (std::size_t row = 0; row < config.rows.size(); ++row) {
		if (config.cell(row, "key") == marker_setting) {
			return config.cell(row, "value") == marker;
		}
	}
	return true;
}

}  // namespace stolon::proxy
