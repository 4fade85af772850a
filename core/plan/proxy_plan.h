// Where clients are to be sent: a pure function from the view to the proxy's goal.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/model/clusterdata.h"
#include "core/model/info.h"
#include "core/plan/reason.h"

namespace stolon::core {

struct Backend {
	std::string host;
	int port = 0;
	auto operator<=>(const Backend &) const = default;
};

/// What the pgbouncers have been brought to.
struct ProxyState {
	std::optional<Backend> master;  ///< where the file on disk points; nullopt: nowhere yet
	Epoch epoch;
	bool paused = true;
};

struct ProxyInputs {
	Instant now;
	std::optional<ClusterData> data;
	std::map<KeeperUid, KeeperInfo> infos;
	Instant view_confirmed_at;  ///< when the last answered linearizable read was sent
	Duration proxy_timeout = seconds(10);
	ProxyState state;
};

enum class ProxyGoal {
	Keep,   ///< as it is
	Queue,  ///< pause: there is no master, or it is not writable yet
	Serve,  ///< point at `master`, resume
	Close,  ///< no view for proxyTimeout: close connections to the master, clients queue
};

struct ProxyDecision {
	ProxyGoal goal = ProxyGoal::Keep;
	std::optional<Backend> master;
	Epoch epoch;
	std::vector<Backend> standbys;  ///< for the read-only port, sorted; the master if there is none
	Reason reason;
	std::optional<Instant> wake_at;
};

ProxyDecision plan_proxy(const ProxyInputs &inputs);

}  // namespace stolon::core
