// etcd v3 over its HTTP JSON gateway (/v3/kv/range, /v3/kv/txn, /v3/lease/*, /v3/watch), by libcurl
// multi.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/store.h"

namespace stolon::store {

struct EtcdOptions {
	std::vector<std::string>
	    endpoints;  ///< "http://10.0.0.1:2379"; a text without a scheme means http
	std::string ca_file, cert_file, key_file;
	std::string user,
	    password;  ///< empty user: no authentication. Tokens are fetched and renewed inside.
	bool block_signals =
	    false;  ///< block all signals around libcurl's calls (it may start resolver threads)
	std::size_t max_body_bytes = 8 * 1024 * 1024;
	/// When the endpoints have only answered from the past for so long, the cluster has been
	/// restored or built anew, and what it answers is the present.
	Duration setback_limit = core::seconds(10);
};

/// Splits "a,b,c", trims, checks each URL (scheme http or https, host, port 1..65535; at most 16).
core::Result<std::vector<std::string>> parse_endpoints(std::string_view text);

/// Reads "user:password" from the first line of a file that only its owner can read (mode 0600 or
/// stricter).
core::Result<std::pair<std::string, std::string>> read_credentials_file(const std::string &path);

/// Fails with Invalid on bad options (also unreadable TLS files); does not connect. The caller has
/// called curl_global_init.
core::Result<std::unique_ptr<Store>> make_etcd_store(EtcdOptions options);

}  // namespace stolon::store
