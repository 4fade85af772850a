// Where readers are to be sent: which standbys are fit for them, and which pgbouncer of the
// read-only port leads to which. Pure functions; what has to be remembered goes in and comes out.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/model/clusterdata.h"
#include "core/model/info.h"
#include "core/plan/proxy_plan.h"

namespace stolon::core {

/// What was seen of one standby. An LSN alone is published at most every sleepInterval, so that it
/// says where the standby was when it was published, and, as long as no other follows, where it
/// still is at least until sleepInterval ago.
struct StandbySeen {
	DbUid db;
	Lsn replayed;
	Instant at;         ///< when `replayed` was first seen
	bool dated = true;  ///< false: it may have been published long before it was seen
	/// Since when it streams from nobody, or from another than the present master.
	std::optional<Instant> off_since;
	/// Since when its keeper has been silent, while its launcher says that the server runs.
	std::optional<Instant> silent_since;
	bool fit = false;      ///< when it was last looked at
	bool lagging = false;  ///< left out for its lag, until it has caught up
};

struct ReadState {
	DbUid master;
	/// The master's flushed LSN and when it was seen, oldest first.
	std::deque<std::pair<Instant, Lsn>> positions;
	std::map<KeeperUid, StandbySeen> standbys;
};

struct ReadInputs {
	Instant now;
	const ClusterData *data = nullptr;  ///< has a master
	std::map<KeeperUid, KeeperInfo> infos;
	/// What the launchers say, as far as they are there.
	std::map<KeeperUid, NodePhase> nodes;
	Lsn master_position;    ///< from the last beat; invalid: unknown
	bool fall_back = true;  ///< to the master, when no standby is fit
	ReadState state;
	/// What was heard last from the server itself is that it takes no connections.
	std::set<Backend> refusing;
};

struct ReadDecision {
	ReadState state;
	std::vector<Backend> backends;  ///< sorted; empty: readers wait
	bool from_master = false;       ///< for lack of a standby
	std::vector<Backend> standbys;  ///< all that are there, fit or not
	/// Where a statement that runs may end in peace: there, and at the master.
	std::vector<Backend> alive;
	std::vector<std::string> left_out;  ///< a sentence for each standby that is there and not fit
};

/// How long a standby that readers use may stream from nobody: after a failover or a switchover it
/// takes a moment to find the new master. And how long its keeper may be silent while its launcher
/// says that it runs: a presence can be lost for a moment (LESSONS C-8). In units of failInterval.
constexpr int off_intervals = 1;
/// A standby's publication may come later than sleepInterval by this much.
constexpr Duration publish_slack = seconds(2);
constexpr std::size_t max_positions_seen = 1000;

/// A standby is fit when its keeper is present and its data are what the view names, its launcher
/// does not say that the server is down, it takes connections, it streams from the present master
/// (or did, until less than failInterval ago), and it has replayed all but maxReadLag bytes; one
/// that lagged more comes back at half of that.
ReadDecision plan_readers(ReadInputs inputs);

/// How far `seen` is behind the master at least, as far as that is known; 0 if nothing is.
std::uint64_t lag_of(const ReadState &state, const StandbySeen &seen, Instant now,
                     Duration sleep_interval);

/// Gives each of the pgbouncers one of `backends`: what it had, if that is still there, so that few
/// clients are moved; the kernel spreads clients evenly over the pgbouncers, so these are spread
/// evenly over the backends (as many for each, or one more). With fewer pgbouncers than backends
/// some are not used. nullopt: there is no backend.
std::vector<std::optional<Backend>> assign_readers(std::vector<std::optional<Backend>> had,
                                                   const std::vector<Backend> &backends);

}  // namespace stolon::core
