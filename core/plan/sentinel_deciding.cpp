// S-03: the winner of an open election is named. S-04: the old master is named again. S-14: a
// standby that came late is asked too.
#include <algorithm>

#include "core/plan/sentinel_draft.h"
#include "core/plan/sentinel_election.h"
#include "core/plan/sentinel_switchover.h"

namespace stolon::core::sentinel {

namespace {

/// What is known about one voter.
struct Ballot {
	const Db *db = nullptr;
	const KeeperInfo *info = nullptr;  ///< nullptr: not present
	bool voted = false;
	bool acceptable = false;
	std::uint64_t lag = 0;  ///< bytes behind the last known position, when acceptable
	std::string verdict;    ///< one clause for the log
};

struct Count {
	std::vector<Ballot> ballots;
	bool all_voted = true;        ///< also those that are not present: they may be ahead
	bool present_silent = false;  ///< somebody is present and has not voted
	bool everybody_asked = true;  ///< no standby of the view is left out
};

const KeeperUid &keeper_of_old_master(const SentinelInputs &inputs) {
	return inputs.data.find_db(inputs.data.election->old_master)->keeper;
}

/// The last beat (or release) of the old master's last term if it said writable, else nullptr. One
/// of an earlier term says nothing: it may have been promoted again since.
const Beat *writable_beat(const SentinelInputs &inputs) {
	const Election &election = *inputs.data.election;
	const BeatObservation *seen = beat_of(inputs, keeper_of_old_master(inputs));
	const bool tells = seen && seen->beat.db == election.old_master &&
	                   seen->beat.epoch.next() == election.epoch && seen->beat.writable;
	return tells ? &seen->beat : nullptr;
}

/// True when the old master may have been promoted without any beat telling of it, so that its line
/// has gone on to a timeline that is not known here. Its last known position is then at the end of
/// the timeline that it was promoted from, or a little behind that end: a vote counts bytes
/// received, a promotion ends the timeline behind the last whole record. A standby that followed it
/// is not refused for these bytes.
bool promotion_may_be_unseen(const SentinelInputs &inputs) {
	const Timeline named_on = inputs.data.named_at.timeline;
	return named_on.valid() && !writable_beat(inputs) &&
	       inputs.data.election->last_known.timeline == named_on;
}

void judge_position(const SentinelInputs &inputs, const Ancestry &ancestry, Ballot &ballot) {
	const WalPosition known = inputs.data.election->last_known;
	const WalPosition position = ballot.info->vote->position;
	const std::uint64_t max_lag = inputs.data.spec.max_standby_lag;
	if (!known.lsn.valid()) {
		ballot.acceptable = true;
		ballot.verdict = "is at " + position.to_string();
		return;
	}
	const Lineage lineage{position, ballot.info->history};
	const std::uint64_t tolerance = promotion_may_be_unseen(inputs) ? max_lag : 0;
	switch (place(lineage, known, ancestry, tolerance)) {
		case Standing::Contains:
			ballot.acceptable = true;
			ballot.verdict = "has everything, " + position.to_string();
			return;
		case Standing::Behind:
			ballot.lag = bytes_behind(known.lsn, position.lsn);
			ballot.acceptable = ballot.lag <= max_lag;
			ballot.verdict =
			    "is " + std::to_string(ballot.lag) + " bytes behind, " + position.to_string() +
			    (ballot.acceptable ? ""
			                       : ", more than maxStandbyLag of " + std::to_string(max_lag));
			return;
		case Standing::Unrelated:
			ballot.verdict = "has diverged, " + position.to_string();
			return;
		case Standing::Unplaced:
			ballot.verdict = "cannot be placed, " + position.to_string() +
			                 ": nobody present knows the history of timeline " +
			                 std::to_string(known.timeline.value) + " for certain";
			return;
	}
}

Ballot read_ballot(const SentinelInputs &inputs, const Ancestry &ancestry, const Db &db) {
	Ballot ballot;
	ballot.db = &db;
	ballot.info = info_of(inputs, db);
	if (!ballot.info) {
		ballot.verdict = "is not present";
		return ballot;
	}
	const auto &vote = ballot.info->vote;
	if (!vote || vote->epoch != inputs.data.election->epoch) {
		ballot.verdict = "has not voted";
		return ballot;
	}
	ballot.voted = true;
	if (ballot.info->role != PgRole::Standby) {
		ballot.verdict = "is not a standby";
	} else if (!vote->position.timeline.valid() || !vote->position.lsn.valid()) {
		ballot.verdict = "voted without a position";
	} else {
		judge_position(inputs, ancestry, ballot);
	}
	return ballot;
}

Count count_votes(const SentinelInputs &inputs) {
	const Election &election = *inputs.data.election;
	Ancestry ancestry{!election.history.empty(), false, election.history};
	if (!ancestry.known) {
		ancestry = ancestry_of(inputs, election.last_known.timeline, election.old_master);
	}
	Count count;
	for (const auto &uid : election.voters) {
		const Db *db = inputs.data.find_db(uid);
		if (!db) {
			continue;
		}
		Ballot ballot = read_ballot(inputs, ancestry, *db);
		count.all_voted = count.all_voted && ballot.voted;
		count.present_silent = count.present_silent || (ballot.info && !ballot.voted);
		count.ballots.push_back(std::move(ballot));
	}
	for (const auto &[uid, db] : inputs.data.dbs) {
		const bool asked =
		    std::find(election.voters.begin(), election.voters.end(), uid) != election.voters.end();
		count.everybody_asked = count.everybody_asked && (asked || uid == election.old_master);
	}
	return count;
}

/// Where the old master's WAL ends, if it was shut down cleanly at the end of its last term;
/// nullopt: unknown, and it may have more than anybody knows.
std::optional<WalPosition> clean_end(const SentinelInputs &inputs) {
	const Beat *last = writable_beat(inputs);
	if (!last || !last->released || !last->clean || !last->position.timeline.valid() ||
	    !last->position.lsn.valid() || last->position != inputs.data.election->last_known) {
		return std::nullopt;
	}
	return last->position;
}

/// True when nothing of the old master's WAL is missing here: it ended in an orderly way, and this
/// vote goes on from its very end, on its own timeline.
bool has_all_of_old_master(const SentinelInputs &inputs, const Ballot &ballot) {
	const auto end = clean_end(inputs);
	return end && ballot.acceptable && ballot.lag == 0 &&
	       ballot.info->vote->position.timeline == end->timeline &&
	       ballot.info->vote->position.lsn >= end->lsn;
}

/// The target of a switchover, once it has voted and has everything; nobody can have more, so that
/// the other votes need not be waited for. Nullptr: the ordinary rules decide.
const Ballot *choose_target(const SentinelInputs &inputs, const Count &count) {
	const Switchover *switchover = switchover_of_election(inputs);
	if (!switchover) {
		return nullptr;
	}
	for (const auto &ballot : count.ballots) {
		if (ballot.db->uid == switchover->target && has_all_of_old_master(inputs, ballot)) {
			return &ballot;
		}
	}
	return nullptr;
}

/// The most advanced acceptable vote; among equals the lower keeper uid. Nullptr: nobody.
const Ballot *choose(const SentinelInputs &inputs, const Count &count) {
	// Without any last known position nothing tells a good vote from a stale one, except that
	// everybody who could have more has voted.
	if (!inputs.data.election->last_known.lsn.valid() &&
	    !(count.all_voted && count.everybody_asked)) {
		return nullptr;
	}
	const Ballot *best = nullptr;
	for (const auto &ballot : count.ballots) {
		if (!ballot.acceptable) {
			continue;
		}
		const Lsn lsn = ballot.info->vote->position.lsn;
		if (!best || lsn > best->info->vote->position.lsn ||
		    (lsn == best->info->vote->position.lsn && ballot.db->keeper < best->db->keeper)) {
			best = &ballot;
		}
	}
	return best;
}

std::string verdicts(const Count &count) {
	std::vector<std::string> parts;
	for (const auto &ballot : count.ballots) {
		parts.push_back(ballot.db->uid.value + " on " + ballot.db->keeper.value + " " +
		                ballot.verdict);
	}
	return join(parts, "; ");
}

HistoryEvent event_of(const SentinelInputs &inputs, std::string kind, const KeeperUid &to,
                      WalPosition chosen) {
	const Election &election = *inputs.data.election;
	HistoryEvent event;
	event.kind = std::move(kind);
	event.epoch = election.epoch;
	event.from = keeper_of_old_master(inputs);
	event.to = to;
	event.last_known = election.last_known;
	event.chosen = chosen;
	event.reason = election.reason;
	// The opening has written `master`; asking others later only writes the view.
	const Instant opened =
	    inputs.master_revision != 0 ? inputs.master_seen_at : inputs.data_seen_at;
	event.duration_ms = to_ms(inputs.now - opened);
	return event;
}

/// True when what this voter has goes on with the winner's WAL.
bool is_on_line_of(const Lineage &winner, const KeeperInfo &voter) {
	return voter.role == PgRole::Standby &&
	       can_go_on_with(winner, Lineage{voter.vote->position, voter.history},
	                      voter.vote->replayed);
}

/// The keepers whose data must not follow the winner. Its promotion begins a timeline whose number
/// is one more than the highest that it knows of. When the old master's line may have gone on to a
/// timeline that the winner has not reached, that number may exist already, with other content, and
/// PostgreSQL would stream the one behind the other. Whoever may have followed there starts anew.
/// Only a master that was writable on the winner's own timeline cannot have begun the next one.
std::vector<KeeperUid> keepers_to_renew(const SentinelInputs &inputs, const Count &count,
                                        const Ballot &best) {
	const Election &election = *inputs.data.election;
	const Lineage winner{best.info->vote->position, best.info->history};
	const Beat *writable = writable_beat(inputs);
	const bool number_may_exist =
	    !writable || writable->position.timeline != winner.position.timeline;
	std::vector<KeeperUid> renewed;
	for (const auto &[uid, db] : inputs.data.dbs) {
		const Keeper *keeper = inputs.data.find_keeper(db.keeper);
		if (uid == best.db->uid || uid == election.old_master || !keeper || keeper->db != uid) {
			continue;
		}
		const auto ballot =
		    std::find_if(count.ballots.begin(), count.ballots.end(),
		                 [&, &uid = uid](const Ballot &one) { return one.db->uid == uid; });
		const bool voted = ballot != count.ballots.end() && ballot->voted;
		if (voted ? !is_on_line_of(winner, *ballot->info) : number_may_exist) {
			renewed.push_back(db.keeper);
		}
	}
	return renewed;
}

SentinelDecision name_winner(const SentinelInputs &inputs, const Count &count, const Ballot &best) {
	const Election &election = *inputs.data.election;
	const WalPosition chosen = best.info->vote->position;
	Draft draft(inputs);
	draft.data.election.reset();
	draft.data.resume.reset();
	draft.data.master = best.db->uid;
	draft.data.named_at = chosen;
	Db &winner = draft.data.dbs.at(best.db->uid);
	winner.init = DbInit::None;
	draft.touch(winner);
	// The old master's data may hold WAL that nobody else has. Its keeper gets a new incarnation,
	// so that the launcher moves that directory aside instead of following with it. Only where the
	// winner begins at the very end of what lies there, it goes on as it is.
	const bool keeps_data = has_all_of_old_master(inputs, best);
	if (!keeps_data) {
		draft.replace_db(keeper_of_old_master(inputs), DbInit::Resync, best.db->uid);
	}
	std::vector<std::string> anew;
	for (const auto &keeper : keepers_to_renew(inputs, count, best)) {
		anew.push_back(inputs.data.find_keeper(keeper)->db.value + " on " + keeper.value);
		draft.replace_db(keeper, DbInit::Resync, best.db->uid);
	}
	draft.follow_master();
	const bool planned = switchover_of_election(inputs);
	if (planned) {
		draft.data.switchover->phase = SwitchoverPhase::Promote;
	}

	SentinelDecision decision = std::move(draft).finish(
	    "S-03",
	    "The election of epoch " + std::to_string(election.epoch.value) + " is won by " +
	        best.db->uid.value + " on keeper " + best.db->keeper.value + " at " +
	        chosen.to_string() + "; last known was " + election.last_known.to_string() +
	        ". Votes: " + verdicts(count) + "." +
	        (keeps_data ? " The old master was shut down cleanly and goes on with its data." : "") +
	        (anew.empty() ? ""
	                      : " Made anew, because they are not known to be on its line: " +
	                            join(anew, ", ") + "."));
	decision.write_master = true;
	if (!planned) {
		decision.event = event_of(inputs, "failover", best.db->keeper, chosen);
	}
	return decision;
}

/// The old master's data directory is at hand: its launcher or its keeper says so.
bool old_master_is_present(const SentinelInputs &inputs, const Db &old_master) {
	const NodeInfo *node = node_of(inputs, old_master.keeper);
	return (node && node->db == old_master.uid) || info_of(inputs, old_master);
}

SentinelDecision name_old_master(const SentinelInputs &inputs, const Count &count,
                                 const Db &old_master) {
	const Election &election = *inputs.data.election;
	Draft draft(inputs);
	draft.data.election.reset();
	// A fresh epoch, so that no beat and no vote of before can be taken for one of now.
	draft.data.epoch = inputs.data.epoch.next();
	draft.data.master = old_master.uid;
	draft.data.named_at = election.last_known;
	draft.data.resume.reset();
	const BeatObservation *seen = beat_of(inputs, old_master.keeper);
	if (seen && seen->beat.released && seen->beat.db == old_master.uid) {
		draft.data.resume = ResumePermit{old_master.uid, seen->mod_revision};
	}
	draft.follow_master();
	draft.touch(draft.data.dbs.at(old_master.uid));

	SentinelDecision decision = std::move(draft).finish(
	    "S-04", "Nobody can win the election of epoch " + std::to_string(election.epoch.value) +
	                " (" + verdicts(count) + "; last known was " + election.last_known.to_string() +
	                "), so the old master " + old_master.uid.value + " on keeper " +
	                old_master.keeper.value + " is named again in epoch " +
	                std::to_string(inputs.data.epoch.next().value) + ".");
	decision.write_master = true;
	decision.event = event_of(inputs, "resume", old_master.keeper, election.last_known);
	return decision;
}

/// S-14: standbys that are eligible now and have not been asked; none: nullopt.
std::optional<SentinelDecision> ask_late_standbys(const SentinelInputs &inputs) {
	const Election &election = *inputs.data.election;
	Draft draft(inputs);
	auto &voters = draft.data.election->voters;
	std::vector<std::string> added;
	for (const auto &uid :
	     find_electorate(inputs, election.old_master, election.last_known).voters) {
		if (std::find(voters.begin(), voters.end(), uid) == voters.end()) {
			voters.push_back(uid);
			added.push_back(uid.value);
		}
	}
	if (added.empty()) {
		return std::nullopt;
	}
	const std::string which = "The election of epoch " + std::to_string(election.epoch.value);
	return std::move(draft).finish(
	    "S-14", (election.voters.empty()
	                 ? which + " can begin, as the old master's lease is over. Asked are "
	                 : which + " could not be decided; these standbys are asked as well: ") +
	                join(added, ", ") + ".");
}

/// Patience is over or everybody has voted, and no vote is acceptable.
SentinelDecision fall_back(const SentinelInputs &inputs, const Count &count, Instant from) {
	const Election &election = *inputs.data.election;
	const Db &old_master = *inputs.data.find_db(election.old_master);
	if (auto decision = ask_late_standbys(inputs)) {
		return std::move(*decision);
	}
	const ClusterSpec &spec = inputs.data.spec;
	const Instant last_call = plus(from, std::max(spec.fail_interval, spec.election_patience));
	if (count.present_silent && inputs.now < last_call) {
		return wait_for("S-04",
		                "No vote of epoch " + std::to_string(election.epoch.value) +
		                    " is acceptable so far (" + verdicts(count) +
		                    "); a standby that is present gets a little longer.",
		                last_call);
	}
	if (!old_master_is_present(inputs, old_master)) {
		return wait_for("S-04", "Nobody can win the election of epoch " +
		                            std::to_string(election.epoch.value) + " (" + verdicts(count) +
		                            "; last known was " + election.last_known.to_string() +
		                            "). Waiting for the old master " + old_master.uid.value +
		                            " on keeper " + old_master.keeper.value +
		                            ", or for a standby that is close enough.");
	}
	return name_old_master(inputs, count, old_master);
}

}  // namespace

SentinelDecision decide_election(const SentinelInputs &inputs) {
	const Election &election = *inputs.data.election;
	if (!inputs.data.find_db(election.old_master)) {
		return wait_for("S-03",
		                "The open election names an old master that is not in the view; "
		                "nothing is decided. Check clusterdata.");
	}
	const Instant over_at = lease_over_at(inputs);
	if (inputs.now < over_at) {
		return wait_for(
		    "S-03",
		    "The election of epoch " + std::to_string(election.epoch.value) +
		        " was opened while the lease of the old master " + election.old_master.value +
		        " was running. Waiting until it is over, or until that server says that "
		        "it acknowledges nothing any more.",
		    over_at);
	}
	const Count count = count_votes(inputs);
	const Instant from = latest({inputs.data_seen_at, inputs.contact_since});
	const Instant patience_end = plus(from, inputs.data.spec.election_patience);
	if (const Ballot *target = choose_target(inputs, count)) {
		return name_winner(inputs, count, *target);
	}
	if (!count.all_voted && inputs.now < patience_end) {
		return wait_for("S-03",
		                "The election of epoch " + std::to_string(election.epoch.value) +
		                    " waits for votes: " + verdicts(count) + ".",
		                patience_end);
	}
	if (const Ballot *best = choose(inputs, count)) {
		return name_winner(inputs, count, *best);
	}
	return fall_back(inputs, count, from);
}

}  // namespace stolon::core::sentinel
