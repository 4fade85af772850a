// The text of a pgbouncer.ini, and how to tell that it was read.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/plan/proxy_plan.h"
#include "proxy-hook/access.h"
#include "proxy-hook/admin.h"
#include "proxy-hook/include.h"

namespace stolon::proxy {

/// What the operator chose, the same for all pgbouncers of a proxy.
struct PoolOptions {
	AccessOptions access;
	std::string pool_mode = "transaction";
	int default_pool_size = 20;
	int max_client_conn = 1000;
	int query_wait_timeout_s = 120;  ///< how long a client may queue; 0: for ever
	/// How long a connection to a server may take. Longer than any failover for the master: a host
	/// that is lost lets clients wait, and a change of master drops the attempt.
	int server_connect_timeout_s = 15;
	std::string include_file;  ///< of the operator's own settings; empty: none
	Included included;         ///< what is in it
};

/// Where the files of one pgbouncer lie.
struct BouncerFiles {
	std::string ini, log;
};

/// Refuses (Invalid) what cannot be written into an ini file: newlines.
core::Status check_pool_options(const PoolOptions &options);

/// `backends`: at least one, all with the same port (pgbouncer 1.18 has one port for a list of
/// hosts). `marker` comes back in SHOW CONFIG and so tells which text a pgbouncer has really read.
core::Result<std::string> render_ini(const PoolOptions &options, const BouncerFiles &files,
                                     const std::vector<core::Backend> &backends,
                                     const std::string &marker);

/// The section [databases]: the operator's, and "*" for all others, each leading to `backends`.
core::Result<std::string> render_databases(const Included &included,
                                           const std::vector<core::Backend> &backends);

/// The setting in which the marker stands: used by pgbouncer only when it logs to syslog, which it
/// does not here.
constexpr std::string_view marker_setting = "syslog_ident";

/// Whether SHOW CONFIG tells that marker.
bool is_marked(const AdminAnswer &config, const std::string &marker);

}  // namespace stolon::proxy
