// What the rules of the sentinel plan ask of its inputs: who is present, how old is what, who lies
// where in the WAL. Only sentinel_*.cpp use it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "core/lineage/lineage.h"
#include "core/plan/sentinel_plan.h"

namespace stolon::core::sentinel {

/// `from` + `by`, without wrapping: contact_since may lie in the farthest future.
Instant plus(Instant from, Duration by);
Instant latest(std::initializer_list<Instant> instants);

/// Both its timeline and its LSN are told.
bool is_known(WalPosition position);
/// How many bytes `behind` is behind `ahead`; 0 when it is not.
std::uint64_t bytes_behind(Lsn ahead, Lsn behind);

/// What the keeper worker of exactly this incarnation says, or nullptr when it is not present.
const KeeperInfo *info_of(const SentinelInputs &inputs, const Db &db);
/// The launcher on this keeper, or nullptr; one with another cluster's data counts as absent.
const NodeInfo *node_of(const SentinelInputs &inputs, const KeeperUid &uid);
/// Its server ends again and again; its launcher is there and does not ask for help.
bool does_not_stay_up(const NodeInfo &node);
/// Its launcher has made this copy and has started it. It may still lack WAL without which it is
/// not whole.
bool is_made(const SentinelInputs &inputs, const Db &db);
/// A node that has nothing and asks to be told what to become.
bool is_blank(const NodeInfo &node);
/// The last beat put by this keeper's host, of whichever db and epoch, or nullptr.
const BeatObservation *beat_of(const SentinelInputs &inputs, const KeeperUid &uid);

/// Its failoverPriority is 0: no election makes it the master.
bool is_never_elected(const SentinelInputs &inputs, const KeeperUid &uid);

/// What the beats say about the named master.
struct MasterHealth {
	enum class State { Alive, Unfit, Released, Expired };
	State state = State::Alive;
	Instant expires_at;    ///< when Alive or Unfit: it is Expired from here on
	std::string rule;      ///< S-05, S-06, S-08 or S-16
	std::string sentence;  ///< what was seen, with the numbers that mattered
};
MasterHealth judge_master(const SentinelInputs &inputs, const Db &master);

/// What lies on its timeline may be of its own making: its data have been a primary's, and it did
/// not hand over.
bool made_its_own(const KeeperInfo &info, const Db &db);

/// The master's whole host went down while it was well, and is back with its data: it can go on
/// where it was. Only what its launcher says in the released beat and its own entry counts.
bool is_back_with_its_host(const SentinelInputs &inputs, const Db &master);
/// The server of this standby was seen to run before the master's last beat, and has not been
/// started anew since: it received until the master's end.
bool has_outlived(const SentinelInputs &inputs, const Db &standby, const Db &master);

/// For how long observers must believe in the lease of this beat's sender, counted from when they
/// saw the beat. 0: it has said itself that it acknowledges nothing any more.
Duration validity_of(const Beat &beat);

/// How long the lease of a server whose term ends now may go on, counted from when its last beat
/// was seen; 0: it is over.
Duration lease_runs_for(const SentinelInputs &inputs, const Db &master);
/// When the open election was first seen: the opening has written `master`; whatever writes the
/// view later, an operator too, does not move this.
Instant election_opened_at(const SentinelInputs &inputs);
/// When the lease that the open election found is over; at the latest now, when it is.
Instant lease_over_at(const SentinelInputs &inputs);

/// Ancestors of a timeline, as far as clusterdata or somebody present knows them.
struct Ancestry {
	bool known = false;
	bool contradictory = false;  ///< two servers disagree about it: then nobody can be placed
	std::vector<HistoryEntry> history;
};
/// Of a timeline of the (old) master. What was recorded while it was writable counts first, then
/// what it says itself, then what the others say.
Ancestry ancestry_of(const SentinelInputs &inputs, Timeline timeline, const DbUid &master);

/// Where a candidate lies in relation to a position that is known to have been reached.
enum class Standing {
	Contains,   ///< it has everything up to there
	Behind,     ///< the same line, but not as far
	Unrelated,  ///< it left that line before that position, or was never on it
	Unplaced,   ///< nobody knows the line well enough to tell
};
/// `fork_tolerance`: a candidate that left the line at most so many bytes before `known` counts as
/// Contains (see promotion_may_be_unseen); 0 otherwise.
Standing place(const Lineage &candidate, WalPosition known, const Ancestry &ancestry,
               std::uint64_t fork_tolerance);

/// Whether a standby that has received up to `standby` and replayed up to `replayed` (0: unknown)
/// can go on with the WAL of a server with the lineage `upstream`.
bool can_go_on_with(const Lineage &upstream, const Lineage &standby, Lsn replayed);
/// What cannot be taken back of a standby's WAL: what was replayed. What was received may end
/// within a record, a little behind the point where the next timeline began, and is then simply
/// dropped.
WalPosition applied_of(WalPosition position, Lsn replayed);

/// False when both name the same ancestor but not its same end: then they are different lines with
/// the same timeline numbers.
bool histories_agree(const std::vector<HistoryEntry> &a, const std::vector<HistoryEntry> &b);

/// The master's lineage as it says itself, once it is writable in the present epoch; else nullopt.
std::optional<Lineage> lineage_of_master(const SentinelInputs &inputs);

/// "1.5s": for sentences; whole milliseconds.
std::string age_text(Duration age);
std::string join(const std::vector<std::string> &parts, const std::string &separator);

}  // namespace stolon::core::sentinel
