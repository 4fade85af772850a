// What `stolonctl status` says about a cluster.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "stolonctl/cluster_view.h"

namespace stolon::ctl {

/// How the cluster is, worst first.
enum class Health {
	NoMaster,      ///< an election is open, or nobody is named: clients wait
	NotWritable,   ///< a master is named and has not said that it can be written to
	Initializing,  ///< no master has ever been writable
	Degraded,      ///< clients can write, and something else is amiss
	Good,
};

/// One keeper as the operator sees it: the view beside what it and its launcher say.
struct KeeperStatus {
	core::KeeperUid uid;
	core::DbUid db;
	bool named_master = false;
	int failover_priority = core::KeeperOptions::usual_priority;
	std::string
	    unfit;  ///< why it cannot work, as its last beat as the named master says; empty: it can
	core::PgRole role = core::PgRole::Unknown;
	bool reports = false;   ///< its keeper worker is present, so Postgres runs
	bool launcher = false;  ///< its launcher is present
	std::string host;
	int port = 0;
	core::WalPosition position;
	std::optional<std::uint64_t> lag_bytes;  ///< behind the master, as both reported last
	bool writable = false;                   ///< in the present epoch
	bool streaming = false;                  ///< from the present master
	std::string other_upstream;              ///< the db that it streams from instead
	bool inconsistent = false;               ///< cannot be promoted yet
	bool catching_up = false;                ///< streams, and is further behind than maxStandbyLag
	std::string trouble;                     ///< why this standby does not get on; empty: it does
	std::string trouble_since;
	bool voted = false;  ///< in the open election
	std::uint64_t applied_generation = 0;
	core::NodePhase phase = core::NodePhase::Waiting;  ///< meaningful if `launcher`
	std::vector<std::string> messages;                 ///< its own and its launcher's
};

struct StatusReport {
	Health health = Health::Good;
	std::string headline;               ///< one sentence
	std::vector<std::string> warnings;  ///< what else somebody should look at
	std::vector<KeeperStatus> keepers;
};

/// `view.data` must be there.
StatusReport make_report(const ClusterView &view);

std::string health_name(Health health);  ///< "no master", "not writable", ...

std::string status_text(const std::string &cluster_name, const ClusterView &view,
                        const StatusReport &report);
core::Json status_json(const std::string &cluster_name, const ClusterView &view,
                       const StatusReport &report);

}  // namespace stolon::ctl
