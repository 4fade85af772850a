// What the keeper worker does next with a running Postgres: a pure function from the view and the
// local state.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/model/clusterdata.h"
#include "core/model/health.h"
#include "core/model/info.h"
#include "core/plan/reason.h"

namespace stolon::core {

/// Whom stolon.conf lets this server follow. Empty db: nobody.
struct FollowTarget {
	DbUid db;
	std::string host;
	int port = 0;
	bool operator==(const FollowTarget &) const = default;
};

/// A physical slot of stolon's on this server.
struct LocalSlot {
	std::string name;
	bool active = false;
	int sender = 0;           ///< pid of the walsender that uses it
	Lsn restart{};            ///< WAL from here on is kept; in use: what its standby has flushed
	bool lost = false;        ///< it kept more than maxSlotWalKeepSize, and keeps nothing any more
	bool holds_xmin = false;  ///< it also keeps dead rows (hot_standby_feedback)
	bool operator==(const LocalSlot &) const = default;
};

/// What another member has told last about itself.
struct MemberReport {
	WalPosition position;
	Lsn redo;
};

struct KeeperLocal {
	DataState state;  ///< of $PGDATA/stolon.state, as last written
	bool in_recovery = true;
	bool lease_won = false;     ///< a beat on the strength of the present `master` revision was put
	bool promoting = false;     ///< a promotion was asked for and recovery is not over
	bool config_known = false;  ///< `target` and `electing` are what the written stolon.conf says
	FollowTarget target;
	bool electing = false;
	/// The startup process has read the stolon.conf that was written last, no walreceiver is left,
	/// and all WAL that lies here is accounted for in `position`.
	bool quiet = false;
	bool inconsistent = false;  ///< as in KeeperInfo
	WalPosition position;       ///< max(received and flushed, replayed)
	Lsn replayed;
	std::vector<HistoryEntry> history;  ///< ancestors of position.timeline
	Lsn redo;                           ///< as in KeeperInfo; invalid: not known yet
	std::vector<LocalSlot> slots;
	Duration stood_still{0};    ///< a standby: neither streamed nor got further (StreamHealth)
	Duration since_repoint{0};  ///< since the last `repoint`, or the start
};

struct KeeperInputs {
	KeeperUid uid;
	std::string cluster_name;
	std::optional<ClusterData> data;
	std::optional<MasterKey> master;
	std::int64_t master_revision = 0;  ///< mod_revision of the `master` key
	KeeperLocal local;
	std::map<DbUid, MemberReport> reports;  ///< of the other incarnations that run now
	std::set<KeeperUid> present;            ///< whose launcher or keeper worker is there
};

struct NewSlot {
	std::string name;
	std::string like;  ///< it keeps WAL from where this one does; empty: from now on
	bool operator==(const NewSlot &) const = default;
};

struct SlotAdvance {
	std::string name;
	Lsn to;  ///< not below where it is
	bool operator==(const SlotAdvance &) const = default;
};

/// The goal; the worker does what differs from the present state, in this order.
struct KeeperDecision {
	/// Beat as master of `epoch` on the strength of `master_revision`; otherwise no mandate.
	bool act_as_master = false;
	Epoch epoch;
	std::int64_t master_revision = 0;
	Duration valid{0};
	HealthLimits health;  ///< beyond them the beats are to say that this master is unfit
	/// Not the master, for good: another one is named, or an election is open. (Unset when nothing
	/// is known.)
	bool lost = false;
	KeeperUid successor;  ///< when known

	std::optional<Epoch> save_epoch;     ///< write it to disk before anything else of this decision
	bool forget_was_primary = false;     ///< write that to disk, too
	std::optional<FollowTarget> target;  ///< stolon.conf is to say this; unset: leave it as it is
	bool electing = false;               ///< ... with the short retry interval
	bool freeze = false;   ///< frozen for an election: whatever still receives WAL is to end
	bool repoint = false;  ///< write stolon.conf again, and begin the stream anew
	bool promote = false;
	std::optional<Vote> vote;           ///< publish it
	std::vector<NewSlot> create_slots;  ///< before any is dropped
	std::vector<std::string> drop_slots;
	std::vector<SlotAdvance> advance_slots;  ///< and let them keep no dead rows
	/// Write a checkpoint, and tell when it has ended, for the switchover of this id; empty: none.
	std::string checkpoint_for;
	/// Of that switchover's target, and of clones that are being made: they say only now and then
	/// how far they are, and at once when the server stops.
	std::vector<std::string> spared_slots;
	bool publish_often = false;  ///< a switchover looks at positions
	/// The view's generation once everything above is in force; 0: not a member of the view.
	std::uint64_t generation = 0;
	Reason reason;
	std::string message;  ///< a problem for the operator, published in the info
};

///  K-01 no view, or it is another cluster's: change nothing (LESSONS C-8).
///
///  K-02 these data are not this keeper's present incarnation: no master; the launcher will replace
///       them.
///
///  K-03 an epoch below the one on disk: change nothing.
///
///  K-04 named master, and the `master` key agrees: save the epoch, mandate, then promote if in
///       recovery, slots for all others.
///
///  K-05 named master, the `master` key does not agree (yet): wait; no mandate if it names another.
///
///  K-06 an election is open and this standby is a voter: freeze, save the epoch, vote when
///       quiet and consistent.
///
///  K-07 an election is open otherwise: no mandate, nothing else changes.
///
///  K-08 another is master and this is a standby: follow its upstream live, slots for all others,
///       which are kept as far back as those may need.
///
///  K-12 ... but its data have been a primary's that nobody had named: follow nobody, until the
///       sentinel has them looked at (S-11).
///
///  K-09 another is master and this is a primary: no mandate; the launcher stops it.
///
///  K-10 a switchover is running: the master and the target write the checkpoint that it asks for,
///       and everybody tells positions often.
///
///  K-11 a standby has not got on for half of standbyRepairTimeout: it connects to its upstream
///       anew.
KeeperDecision plan_keeper(const KeeperInputs &inputs);

/// The slots that are in use by a standby that has not flushed up to `upto`, but for `spared`. A
/// server that is stopped waits for each of them, for as long as one may be silent.
std::vector<LocalSlot> stragglers(const std::vector<LocalSlot> &slots, Lsn upto,
                                  const std::vector<std::string> &spared);

}  // namespace stolon::core
