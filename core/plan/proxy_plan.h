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
	std::optional<Backend> master;  ///< where clients were last sent; nullopt: nowhere yet
	Epoch epoch;                    ///< of that master
	bool paused = true;
};

struct ProxyInputs {
	Instant now;
	std::optional<ClusterData> data;
	std::map<KeeperUid, KeeperInfo> infos;
	/// The named master's launcher has released its beat: its processes are gone, and an election
	/// or a start in place follows.
	bool master_released = false;
	/// Connections to the named master are being refused: nothing listens there, or it is starting.
	bool master_refuses = false;
	/// When the last answered linearizable read was sent; before the first one, when the proxy was
	/// started.
	Instant view_confirmed_at;
	Duration proxy_timeout = seconds(10);
	ProxyState state;
	/// When the present step of the view's switchover was first seen.
	Instant switchover_step_seen_at;
};

enum class ProxyGoal {
	Keep,   ///< as it is
	Queue,  ///< pause: there is no master, or it is not writable yet
	Serve,  ///< point at `master`, resume
	Close,  ///< close connections to the master that clients were sent to; they queue
};

struct ProxyDecision {
	ProxyGoal goal = ProxyGoal::Keep;
	/// Serve: where to. Queue: where clients will probably be sent next, so that the files can be
	/// written ahead.
	std::optional<Backend> master;
	Epoch epoch;
	/// No view is known, or none that can be relied on any more.
	bool without_view = false;
	/// Queue for the switchover of this id: it waits to hear that no transaction is open.
	std::string paused_for;
	/// The read-only port follows the view (see plan_readers); false: it is left as it is, because
	/// nobody knows whom the standbys are going to follow.
	bool readers_follow = false;
	Reason reason;
	std::optional<Instant> wake_at;
};

/// The rules, the first that fits:
///
///  P-01 no view was confirmed for proxyTimeout: Close.
///  P-02 no view was ever seen: Keep (pgbouncers that an earlier proxy left behind go on).
///  P-03 no master is named (an election is open, or the cluster is new): Queue.
///  P-04 the master's launcher has released it: Queue, the election has not been opened yet.
///  P-05 the master says that it is writable in this epoch: Serve (Keep when it is so already).
///  P-06 the master says that it is not writable: Queue.
///  P-07 the master says nothing, and clients are being sent to it: Keep. Its keeper's presence may
///       be lost for a moment; missing information changes nothing (LESSONS C-8).
///  P-08 the master says nothing, and was not served yet: Queue.
///  P-10 (before P-04) a switchover is in its step Pause or Stop and the master is the old one:
///  Queue.
///       Not for longer than its timeout and a little: a sentinel that dies must not leave clients
///       waiting for ever.
///  P-11 (instead of P-06, P-08) clients were last sent to another server than the one that is
///       named now: Close. That one is not the master any more, and what it says does not count.
///  P-09 connections to the master break, are refused or get no answer, whatever it said last:
///  Queue.
ProxyDecision plan_proxy(const ProxyInputs &inputs);

}  // namespace stolon::core
