// What the leading sentinel does next: a pure function from what was observed to the next
// clusterdata.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/model/clusterdata.h"
#include "core/model/info.h"
#include "core/plan/reason.h"

namespace stolon::core {

struct BeatObservation {
	Beat beat;
	std::int64_t mod_revision = 0;
	Instant seen_at;  ///< on the sentinel's own clock
	/// When the last one was seen that was sent by the master itself, not by a launcher to release
	/// it; zero: none was.
	Instant beaten_at;
	/// The furthest that any beat of this db in this epoch was seen to tell. After a restart in
	/// place the beats tell how far recovery has come, which is less than what had been
	/// acknowledged.
	WalPosition furthest;
};

struct SentinelInputs {
	Instant now;
	WallTime wall;  ///< the sentinel's clock on the wall: only for what an operator has scheduled
	/// Since when the sentinel has had unbroken contact with the store. An age is counted from here
	/// at the earliest, so that a store outage, which silences healthy masters too, is not taken
	/// for their death.
	Instant contact_since;
	ClusterData data;
	Instant data_seen_at;              ///< when the present revision of clusterdata was first seen
	Instant election_asked_at;         ///< when the open election was first seen with these voters
	std::int64_t master_revision = 0;  ///< mod_revision of the `master` key, 0 if absent
	Instant resume_seen_at;            ///< when the present permit to start in place was first seen
	Instant master_seen_at;            ///< when that revision was first seen
	std::map<KeeperUid, BeatObservation> beats;
	std::map<KeeperUid, KeeperInfo> infos;  ///< keeper workers that are present
	std::map<KeeperUid, NodeInfo> nodes;    ///< launchers that are present
	/// Since when the server of a keeper was seen to run without having been started anew.
	std::map<KeeperUid, Instant> running_since;
	/// Keepers whose server neither streams nor gets on, and since when: when it was last seen to.
	/// Time in which nothing of a keeper was present does not count.
	std::map<KeeperUid, Instant> standstill_since;
	std::map<ProxyUid, ProxyInfo> proxies;  ///< proxies that are present
	/// When the switchover in `data`, and when its present step, was first seen.
	Instant switchover_seen_at;
	Instant switchover_step_seen_at;
	std::vector<DbUid>
	    fresh_db_uids;  ///< random ones to take from, in order; enough for every keeper
};

struct SentinelDecision {
	bool write = false;
	ClusterData data;           ///< to be written when `write`
	bool write_master = false;  ///< also put the `master` key ({data.epoch, data.master})
	/// Additionally compare mod_revision of this beat: an election on its expiry or release is only
	/// right while it is the last one.
	std::optional<KeeperUid> guard_beat_of;
	std::int64_t guard_beat_revision = 0;
	std::optional<HistoryEvent> event;  ///< number and time are filled in by the caller
	std::vector<Reason> reasons;
	std::optional<Instant> wake_at;  ///< when the answer may change without anything being observed
};

/// One step; called again after each change. At most one kind of step is taken at a time, in the
/// order of the rules:
///
///  S-01 no master yet (Initializing): name a waiting node, without data, master with
///       init=New, epoch 1.
///  S-02 the first master beats and is writable: phase Normal, system_id learned, init=None.
///  S-03 the election is open and can be decided: name the winner. Whoever has failoverPriority 0
///       is asked and never wins; among equals the higher priority wins, then the lower keeper uid.
///  S-04 the election is open and nobody may win: name the old master again (a new epoch), when
///       every voter that is present has voted or electionPatience is over, and only once the old
///       master's node or its keeper is present again.
///  S-05 the master's beat has expired and somebody eligible is present: open an election.
///  S-06 the master released and somebody eligible is present: open an election.
///  S-07 the master released and nobody is eligible, or it has crashed and onMasterCrash says
///       restart: permit it to start again in place.
///       Also when its host went down, and all who could take over were started after it: then
///       everything went down, and the last master loses nothing. (S-04, when that shows later.)
///  S-08 the named master has not beaten in this epoch in time: as S-05, counted from when its
///       naming was seen.
///  S-09 a present node without an entry: add keeper and, when Normal, a db with init=Resync
///       following the master (maxStandbys).
///  S-10 a keeper's address changed: update it.
///  S-11 a standby db whose data are gone, or whose position is not contained in the master's
///       lineage, or whose data have been a primary's that nobody had named: a new db, Resync.
///  S-12 a db that is no longer anybody's current incarnation: forget it.
///  S-13 a copy runs as a standby, and is whole: init=None, so that vanished data are noticed.
///  S-14 an open election cannot be decided, and a standby is there that was not asked: ask it too.
///  S-15 the `master` key has vanished: put it again, or nobody could ever beat.
///  S-16 the master's beat says that it is unfit, and a standby is there that follows it closely:
///       open an election although its lease still runs. Not within 2 x failInterval of the naming.
///       Nobody is asked (S-14) or named (S-03, S-04) before that lease is over.
///  S-28 the master's timeline has changed: record its history, for an election in which nobody who
///       is present knows it.
///  S-26 the master of this term was writable and is in recovery again: note in `named_at` how far
///       it had come, as its beats tell less now, and another sentinel may not have seen more.
///  S-27 the first master (Initializing) has never beaten and its launcher is gone, or refuses to
///       go on: another waiting node becomes the first master, in a new epoch. Nothing can have
///       been acknowledged.
///
///  S-17 a standby has neither streamed from the master nor got on otherwise (replayed from an
///       archive) for standbyRepairTimeout since its launcher had it, although its keeper has tried
///       again (K-11): a new db, Resync. Only under a healthy master, one at a time unless a good
///       standby is left; never when the standby may have what the master lacks, or when it cannot
///       reach the master at all, as a clone could not either. Twice the time after each one that
///       has not helped.
///
///  A switchover (docs/decisions/0016-switchover.md), before the rules above:
///
///  S-20 a switchover is requested: accept it (step Checkpoint), or refuse it with the reason. One
///       that is scheduled waits for its time; one that is late by more than its max_delay is
///       refused.
///  S-21 the master has written the checkpoint, the target a restartpoint (or half of the step's
///       time is over), and the target is close: step Pause.
///  S-22 every proxy that is present says that its clients wait and no transaction is open: step
///       Stop. The master's launcher stops it and releases; S-06 and S-03 follow, where a target
///       that has everything is preferred.
///  S-23 the successor is writable: Done (Failed when another one was asked for).
///  S-24 a step takes too long, or what it rests on is not so any more: Refused while no client has
///       waited, Undone while the master still is the master, otherwise Failed.
///  S-29 an operator has cancelled it, and the master is not being stopped yet: Cancelled.
SentinelDecision plan_sentinel(const SentinelInputs &inputs);

}  // namespace stolon::core
