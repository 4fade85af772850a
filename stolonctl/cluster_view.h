// Everything that the store says about one cluster, read in one consistent snapshot.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/model/clusterdata.h"
#include "core/model/info.h"
#include "core/model/keys.h"
#include "store/store.h"

namespace stolon::ctl {

struct ClusterView {
	std::optional<core::ClusterData> data;  ///< nullopt: the cluster has not been initialised
	std::int64_t data_revision = 0;         ///< its mod_revision, 0 if there is none
	std::map<core::KeeperUid, core::KeeperInfo> infos;  ///< keeper workers that are present
	std::map<core::KeeperUid, core::NodeInfo> nodes;    ///< launchers that are present
	std::map<core::KeeperUid, core::Beat> beats;
	std::map<core::SentinelUid, core::SentinelInfo> sentinels;
	core::SentinelUid leader;  ///< empty: nobody leads
	std::map<core::ProxyUid, core::ProxyInfo> proxies;
	std::optional<core::HistoryEvent> last_event;
	/// Values that cannot be read, one sentence each. Only a damaged clusterdata is an error.
	std::vector<std::string> problems;
	/// Keys that outlive the processes that wrote them: what a cluster leaves behind.
	std::vector<std::string> lasting_keys;
};

/// Reads all keys below keys.root(). Invalid: clusterdata is damaged (the message says how).
core::Result<ClusterView> make_view(const core::Keys &keys,
                                    const std::vector<store::KeyValue> &kvs);

}  // namespace stolon::ctl
