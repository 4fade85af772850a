// The votes of an open election: who has voted, who may win, who does. Only sentinel_*.cpp use it.
#pragma once

#include "core/plan/sentinel_facts.h"

namespace stolon::core::sentinel {

/// What is known about one voter.
struct Ballot {
	const Db *db = nullptr;
	const KeeperInfo *info = nullptr;  ///< nullptr: not present
	int priority = 0;
	bool never_wins = false;
	bool voted = false;
	bool acceptable = false;
	/// Present, has not voted, and would be acceptable where it says that it is.
	bool promising = false;
	/// It followed the old master through a promotion that no beat told of. Whatever others have on
	/// the timeline before, however much, the old master did not have.
	bool promoted_line = false;
	/// It has been a primary without having been named: what it has beyond the beginning of its
	/// timeline is worth nothing, so that others are preferred, however far it is.
	bool made_its_own = false;
	/// Where it stands for comparisons: as it says, but not behind the end of its timeline on the
	/// master's line.
	WalPosition position;
	/// A sound vote of a member that may not win.
	WalPosition witnessed;
	std::uint64_t lag = 0;  ///< bytes behind the last known position, when acceptable
	std::string verdict;    ///< one clause for the log
};

struct Count {
	std::vector<Ballot> ballots;  ///< of those that were asked
	std::vector<Ballot> unasked;  ///< of standbys that could be asked and were not
	bool all_voted = true;        ///< of those that may win, also if not present: they may be ahead
	bool unanimous = true;        ///< all that were asked have voted
	bool present_silent = false;  ///< somebody is present and has not voted
	bool everybody_asked = true;  ///< no standby of the view is left out
};

Count count_votes(const SentinelInputs &inputs);
/// What is known about each voter, in one sentence.
std::string verdicts(const Count &count);

/// The target of a switchover, once it has voted and has everything; nobody can have more, so that
/// the other votes need not be waited for. Nullptr: the ordinary rules decide.
const Ballot *choose_target(const SentinelInputs &inputs, const Count &count);
/// The most advanced acceptable vote; among equals the one with the higher
/// failoverPriority, then the lower keeper uid. Nullptr: nobody.
const Ballot *choose(const SentinelInputs &inputs, const Count &count);
/// A standby that is silent, but present, and says of itself that it has more than the best vote,
/// or nullptr.
const Ballot *silent_and_ahead(const std::vector<Ballot> &ballots, const Ballot &best);

const KeeperUid &keeper_of_old_master(const SentinelInputs &inputs);
/// The last beat (or release) of the old master's last term if it said writable, else nullptr. One
/// of an earlier term says nothing: it may have been promoted again since.
const Beat *writable_beat(const SentinelInputs &inputs);
/// Where the old master's WAL ends, if it was shut down cleanly at the end of its last term;
/// nullopt: unknown, and it may have more than anybody knows.
std::optional<WalPosition> clean_end(const SentinelInputs &inputs);
/// True when nothing of the old master's WAL is missing here: it ended in an orderly way, and this
/// vote goes on from its very end, on its own timeline.
bool has_all_of_old_master(const SentinelInputs &inputs, const Ballot &ballot);

}  // namespace stolon::core::sentinel
