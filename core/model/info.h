// What the parts tell about themselves in the store: beats, keeper, node (launcher), sentinel and
// proxy infos, and the history. Every type has a parse_* that validates and bounds, and a
// *_to_text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/time.h"
#include "core/base/types.h"
#include "core/model/diverged.h"

namespace stolon::core {

/// keepers/beat/<keeper>: the fencing heartbeat of the master, or the launcher's word that it is
/// over.
struct Beat {
	Epoch epoch;
	DbUid db;
	std::int64_t master_revision = 0;  ///< mod_revision of `master` that the sender acts on
	/// Random, one for each start of a postmaster: a copy of the data directory that is started
	/// elsewhere has the same names, but not the same instance.
	std::string instance;
	Duration valid{0};      ///< how long observers must wait after having seen it (failInterval)
	WalPosition position;   ///< flushed WAL, the "last known position" of an election
	bool writable = false;  ///< recovery is over
	bool released = false;  ///< every process of this master is gone
	std::string reason;     ///< why it was released
	/// Why this master cannot work, in one sentence; empty: it can. It keeps its lease, as nobody
	/// may be there to take over, but an election may be opened although the lease still runs.
	std::string unfit;
	/// Its own lease worker has seen that `master` names it no longer, and has taken its deadline
	/// away: nothing is acknowledged any more in this term. Its processes live, so it is not
	/// `released`.
	bool yielded = false;
	/// With `released`: the server was shut down cleanly, and `position` is the end of its WAL,
	/// behind the shutdown checkpoint.
	bool clean = false;
	/// With `released`: the launcher has found the server down when it was started itself. The
	/// whole host went down, and perhaps everything.
	bool found_down = false;

	bool operator==(const Beat &) const = default;
};
Result<Beat> parse_beat(std::string_view text);
std::string beat_to_text(const Beat &beat);

/// The share of a beat's validity for which the sender itself relies on it; the rest is for clocks
/// that run apart. DESIGN: 0.9 x failInterval, counted from before the beat was sent.
constexpr int beat_own_percent = 90;
/// Beats per validity.
constexpr int beats_per_validity = 5;

/// One line of a timeline history: `timeline` ended at `end`, where the next began.
struct HistoryEntry {
	Timeline timeline;
	Lsn end;
	bool operator==(const HistoryEntry &) const = default;
};

/// A frozen standby's vote: it follows nobody and will never again follow an older epoch.
struct Vote {
	Epoch epoch;
	WalPosition position;  ///< max(received and flushed, replayed)
	Lsn replayed;
	bool operator==(const Vote &) const = default;
};

enum class PgRole { Unknown, Standby, Primary };

/// keepers/info/<keeper>, by the keeper worker, under its lease: present as long as the key is.
struct KeeperInfo {
	KeeperUid uid;
	DbUid db;
	std::string instance;          ///< random, one for each start of the postmaster
	std::uint64_t generation = 0;  ///< of the view, applied
	Epoch epoch;                   ///< highest epoch that this keeper has honoured (on disk)
	PgRole role = PgRole::Unknown;
	bool writable = false;  ///< primary, out of recovery, with a valid lease in `writable_epoch`
	Epoch writable_epoch;
	WalPosition position;  ///< primary: flushed; standby: max(received, replayed)
	Lsn replayed;
	/// Where its recovery would begin after a crash (redo position of the last checkpoint in
	/// pg_control): the WAL from here on is what it may need again.
	Lsn redo;
	/// The walreceiver is connected to `upstream`, and what that has arrives.
	bool streaming = false;
	bool catching_up = false;  ///< it streams, and is further behind than maxStandbyLag
	/// It does not stream because its replay is paused, delayed or waits for a query.
	bool replay_held = false;
	/// Why this standby does not get on as it should, in one sentence; empty: it does, or only for
	/// a moment not.
	std::string trouble;
	std::string trouble_since;  ///< RFC 3339, wall clock, for people only
	/// It does not stream because its upstream cannot be reached, or does not let it in.
	bool unreachable = false;
	DbUid upstream;
	std::vector<HistoryEntry>
	    history;            ///< ancestors of position.timeline, oldest first, bounded (64)
	Timeline checkpointed;  ///< timeline of the last checkpoint that is in pg_control
	std::optional<Vote> vote;
	std::string message;  ///< the problem that the keeper has, in one sentence; empty: none
	std::string unfit;    ///< why this standby could not work as master either; empty: it could
	/// As in DataState: what lies on its timeline may be of its own making.
	bool was_primary = false;
	/// Standby: it has not replayed the WAL that makes one whole out of what lies there, so that it
	/// could not be promoted. A clone or a rewound server may lack that WAL.
	bool inconsistent = false;
	bool replay_paused = false;    ///< standby: somebody has paused the replay of WAL
	std::string checkpointed_for;  ///< a checkpoint that was begun for this switchover has ended

	Json extra;
	bool operator==(const KeeperInfo &) const = default;
	/// A standby that can be relied on: it streams from `master`, and nothing is wrong with it.
	bool is_well(const DbUid &master) const;
};
Result<KeeperInfo> parse_keeper_info(std::string_view text);
std::string keeper_info_to_text(const KeeperInfo &info);

enum class NodePhase {
	Waiting,
	Initializing,
	Cloning,
	Starting,
	Running,
	Stopping,
	Stopped,
	Refusing,
	Rewinding
};

/// keepers/node/<keeper>, by the launcher, under its lease.
struct NodeInfo {
	KeeperUid uid;
	NodePhase phase = NodePhase::Waiting;
	std::string message;  ///< progress, or why it refuses, one sentence
	std::string boot_id;
	std::string host;  ///< advertised address of Postgres
	int port = 0;
	DbUid db;                 ///< of the data directory; empty: it holds none
	std::string system_id;    ///< of the data directory; empty: it holds none
	std::string cluster_uid;  ///< of the data directory's stolon.state
	Epoch epoch;              ///< the highest that its keeper had honoured when this was read
	/// Of the data directory of a server that is down: at least up to here it has WAL. Invalid: not
	/// known.
	WalPosition position;
	/// That is all that lies there, not only a place behind which there may be more.
	bool position_is_end = false;
	/// failInterval as the data directory knows it from before, of a server that is down; 0: not
	/// known.
	Duration fail_interval{0};
	int pg_version = 0;                  ///< server_version_num
	std::string last_exit;               ///< how the last postmaster of `db` ended, "" if none did
	std::vector<DivergedData> diverged;  ///< what is kept aside, newest first, bounded

	Json extra;
	bool operator==(const NodeInfo &) const = default;
};
Result<NodeInfo> parse_node_info(std::string_view text);
std::string node_info_to_text(const NodeInfo &info);

/// sentinels/info/<uid>
struct SentinelInfo {
	SentinelUid uid;
	std::string host;
	std::int64_t pid = 0;
	bool operator==(const SentinelInfo &) const = default;
};
Result<SentinelInfo> parse_sentinel_info(std::string_view text);
std::string sentinel_info_to_text(const SentinelInfo &info);

/// proxies/info/<uid>
struct ProxyInfo {
	ProxyUid uid;
	std::uint64_t generation = 0;  ///< of the view, applied
	Epoch epoch;                   ///< clients are sent to the master of this epoch
	DbUid master;                  ///< empty: clients queue
	bool paused = false;
	/// Clients wait for this switchover, and no transaction is open any more.
	std::string paused_for;
	std::string host;
	int port = 0;
	int ro_port = 0;    ///< 0: none
	int processes = 0;  ///< pgbouncers that there should be
	int running = 0;    ///< that there are
	/// Only while clients wait, and at most once a second; nullopt: not counted.
	std::optional<int> clients, waiting;
	std::vector<std::string> readers;  ///< HOST:PORT, where readers are sent; bounded (64)
	bool readers_at_master = false;    ///< for lack of a standby
	Json extra;
	bool operator==(const ProxyInfo &) const = default;
};
Result<ProxyInfo> parse_proxy_info(std::string_view text);
std::string proxy_info_to_text(const ProxyInfo &info);

/// history/<n>: one event.
struct HistoryEvent {
	std::uint64_t number = 0;
	std::string time;  ///< RFC 3339, wall clock, for people only
	std::string kind;  ///< "init", "failover", "resume", ...
	Epoch epoch;
	KeeperUid from, to;
	WalPosition last_known, chosen;
	std::string reason;
	/// From the election's opening to the naming; of a switchover: from its request to its end.
	std::int64_t duration_ms = 0;
	std::string operation;  ///< the switchover's id; empty: nobody asked for it
	std::string outcome;    ///< of that operation: "done", "refused", "undone", "failed"
	bool operator==(const HistoryEvent &) const = default;
};
Result<HistoryEvent> parse_history_event(std::string_view text);
std::string history_event_to_text(const HistoryEvent &event);

/// $PGDATA/stolon.state: whose data these are. Written atomically; outlives everything.
struct DataState {
	std::string cluster_name;
	std::string cluster_uid;
	KeeperUid keeper;
	DbUid db;
	Epoch epoch;  ///< highest epoch that this keeper has voted in or followed
	/// These data have been a primary's since they were made, and were then started as a standby's
	/// again. When nobody had named it (somebody has promoted it by hand), it has begun a timeline
	/// whose number another one may have, too; so it follows nobody.
	bool was_primary = false;
	bool operator==(const DataState &) const = default;
};
Result<DataState> parse_data_state(std::string_view text);
std::string data_state_to_text(const DataState &state);

}  // namespace stolon::core
