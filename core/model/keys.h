// The names of the keys in the store. Everything lies under "<store-prefix>/<cluster-name>/".
#pragma once

#include <string>
#include <string_view>

#include "core/base/types.h"

namespace stolon::core {

constexpr std::string_view default_store_prefix = "stolon/cluster";

class Keys {
public:
	/// `prefix` without a trailing slash (one is removed), for example "stolon/cluster".
	Keys(std::string_view prefix, std::string_view cluster_name);

	const std::string &root() const { return root_; }  ///< with a trailing slash
	std::string clusterdata() const { return root_ + "clusterdata"; }
	std::string master() const { return root_ + "master"; }
	std::string beat(const KeeperUid &uid) const { return root_ + "keepers/beat/" + uid.value; }
	std::string keeper_info(const KeeperUid &uid) const {
		return root_ + "keepers/info/" + uid.value;
	}
	std::string node(const KeeperUid &uid) const { return root_ + "keepers/node/" + uid.value; }
	std::string sentinel_info(const SentinelUid &uid) const {
		return root_ + "sentinels/info/" + uid.value;
	}
	std::string sentinel_leader() const { return root_ + "sentinel-leader"; }
	std::string proxy_info(const ProxyUid &uid) const {
		return root_ + "proxies/info/" + uid.value;
	}
	std::string history(std::uint64_t number) const;  ///< zero-padded, so that keys sort by number

	/// Prefixes for walking a mirror.
	std::string beats() const { return root_ + "keepers/beat/"; }
	std::string keeper_infos() const { return root_ + "keepers/info/"; }
	std::string nodes() const { return root_ + "keepers/node/"; }
	std::string sentinel_infos() const { return root_ + "sentinels/info/"; }
	std::string proxy_infos() const { return root_ + "proxies/info/"; }
	std::string histories() const { return root_ + "history/"; }

private:
	std::string root_;
};

}  // namespace stolon::core
