// `clusterdata`: spec, view, generation, epoch, election. Written by the leading sentinel and by
// operators, always by compare-and-swap; read by everybody.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/types.h"
#include "core/model/info.h"
#include "core/model/spec.h"
#include "core/model/switchover.h"

namespace stolon::core {

constexpr int clusterdata_format_version = 1;

struct ModelLimits {
	static constexpr std::size_t max_keepers = 100;
	static constexpr std::size_t max_dbs = 200;
	static constexpr std::size_t max_value_bytes =
	    512 * 1024;  ///< of any value that we read from the store
};

enum class ClusterPhase {
	Initializing,  ///< No master has ever been writable. No election happens.
	Normal,
};

/// How the data of a db come to be on its keeper.
enum class DbInit {
	New,     ///< initdb: only ever for the first master, only while the phase is Initializing.
	Resync,  ///< a fresh clone of `follow`.
	None,    ///< the data are there; if they are not, the launcher refuses and reports.
};

/// One incarnation of data on a keeper. A resync gives the keeper a new one.
struct Db {
	DbUid uid;
	KeeperUid keeper;
	std::uint64_t generation = 0;  ///< of the view, when this entry last changed
	DbInit init = DbInit::None;
	/// With Resync: what lies on that host is of no use for it, whatever its timelines are called:
	/// no rewind, no "nothing has diverged". Another promotion may have begun a timeline of the
	/// same number, and then neither PostgreSQL nor pg_rewind can tell the two apart.
	bool clone_anew = false;
	DbUid follow;  ///< the upstream; empty: this db is (or was last) the master
	/// It was the master, was shut down, and the next master has begun at the very end of its WAL.
	/// What was a primary otherwise, and is named no longer, has to be looked at before it follows.
	bool handed_over = false;
	/// The incarnation that this one replaces on its keeper; empty: none. What the others' slots
	/// have kept for that one is kept for this one: a rewind of the old data needs it.
	DbUid replaces;
	/// How often in a row this keeper's data were made anew without coming to stream (S-17).
	/// Then what lies there is of no use, whatever its lineage: it has to be a clone.
	std::uint64_t repairs = 0;

	Json extra;  ///< unknown fields
	bool operator==(const Db &) const = default;
};

/// A host that has been seen, with the address under which others reach its Postgres.
struct Keeper {
	KeeperUid uid;
	DbUid db;  ///< the current incarnation; empty: none yet
	std::string host;
	int port = 0;

	Json extra;
	bool operator==(const Keeper &) const = default;
};

/// An open election. While it is there `ClusterData::master` is empty.
struct Election {
	Epoch epoch;
	DbUid old_master;        ///< may be named again if nobody else is eligible
	WalPosition last_known;  ///< from the old master's last beat
	/// Ancestors of last_known.timeline as far as they were known when the election was opened:
	/// without them a standby that is still on an older timeline cannot be placed.
	std::vector<HistoryEntry> history;
	/// How long the old master may go on acknowledging, counted from when its last beat was seen:
	/// the validity in that beat. 0: its lease was over when the election was opened. Nobody else
	/// is named before that time is over.
	Duration lease_runs_for{0};
	std::vector<DbUid> voters;  ///< standbys that are asked to freeze and vote
	std::string reason;

	bool operator==(const Election &) const = default;
};

/// The master's launcher released its beat and nobody else can take over: start again in place.
struct ResumePermit {
	DbUid db;
	std::int64_t beat_revision = 0;  ///< mod_revision of the `released` beat that this answers

	bool operator==(const ResumePermit &) const = default;
};

/// A timeline and its ancestors, oldest first, with the place where each ended.
struct TimelineHistory {
	Timeline timeline;
	std::vector<HistoryEntry> history;

	bool operator==(const TimelineHistory &) const = default;
};

struct ClusterData {
	int format_version = clusterdata_format_version;
	std::string
	    cluster_uid;  ///< made at init: 16 hexadecimal digits; written into every data directory
	std::string system_id;  ///< PostgreSQL's system identifier, once the first master has been made
	ClusterSpec spec;
	std::uint64_t generation = 0;  ///< grows with each change of the view
	Epoch epoch;                   ///< of the last election (also an open one)
	ClusterPhase phase = ClusterPhase::Initializing;
	DbUid master;  ///< named; empty while an election is open
	/// The position with which `master` (while an election is open: the old master) was named: what
	/// an election knows about it when it dies before its first beat, or before a beat has told of
	/// its promotion. Invalid: the first master, which was named without data.
	WalPosition named_at;
	/// Of the master (while an election is open: the old one): that of the vote that it was named
	/// with, and its own once it is writable. It changes only with a timeline, and an election
	/// cannot place standbys on older timelines without it. Not there on timeline 1.
	std::optional<TimelineHistory> master_history;
	std::optional<Election> election;
	std::optional<ResumePermit> resume;
	std::optional<Switchover> switchover;  ///< the last one that was asked for
	std::map<KeeperUid, Keeper> keepers;
	std::map<DbUid, Db> dbs;
	Json extra;

	bool operator==(const ClusterData &) const = default;

	const Db *find_db(const DbUid &uid) const;
	const Keeper *find_keeper(const KeeperUid &uid) const;
	/// The keeper's current incarnation, or nullptr.
	const Db *db_of(const KeeperUid &uid) const;
	/// The keeper on which the named master lives, or nullptr.
	const Keeper *master_keeper() const;
	/// The keeper of this db, if its address is known, or nullptr.
	const Keeper *reachable_keeper_of(const DbUid &uid) const;
};

/// Reads and validates: sizes, references between keepers and dbs, at most one of master/election,
/// known format version. Invalid says what is wrong; nothing is repaired silently.
Result<ClusterData> parse_clusterdata(std::string_view text);
std::string clusterdata_to_text(const ClusterData &data);

/// The value of the `master` key: what keepers' beats are guarded by.
struct MasterKey {
	Epoch epoch;
	DbUid db;  ///< empty while an election is open
	bool operator==(const MasterKey &) const = default;
};
Result<MasterKey> parse_master_key(std::string_view text);
std::string master_key_to_text(const MasterKey &key);

/// A new cluster's value, ready to be put when no `clusterdata` exists.
ClusterData initial_clusterdata(ClusterSpec spec, std::string cluster_uid);

}  // namespace stolon::core
