// S-03: the winner of an open election is named. S-04: the old master is named again. S-14: a
// standby that came late is asked too.
#include <algorithm>

#include "core/plan/sentinel_ballots.h"
#include "core/plan/sentinel_draft.h"
#include "core/plan/sentinel_election.h"
#include "core/plan/sentinel_switchover.h"

namespace stolon::core::sentinel {

namespace {

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
	event.duration_ms = to_ms(inputs.now - election_opened_at(inputs));
	return event;
}

/// True when what this voter has goes on with the winner's WAL.
bool is_on_line_of(const Lineage &winner, const Ballot &ballot) {
	const KeeperInfo &voter = *ballot.info;
	const WalPosition applied = applied_of(voter.vote->position, voter.vote->replayed);
	// Usually the winner has the most; not where a standby with more may not win.
	const bool beyond =
	    applied.timeline == winner.position.timeline && applied.lsn > winner.position.lsn;
	return voter.role == PgRole::Standby && !ballot.made_its_own && !beyond &&
	       can_go_on_with(winner, Lineage{voter.vote->position, voter.history},
	                      voter.vote->replayed);
}

/// The winner's promotion begins a timeline whose number is one more than the highest that it knows
/// of. When the old master's line may have gone on to a timeline that the winner has not reached,
/// that number may exist already, with other content. Only a master that was writable on the
/// winner's own timeline cannot have begun the next one.
bool number_may_exist(const SentinelInputs &inputs, const Ballot &best) {
	const Beat *writable = writable_beat(inputs);
	return !writable || writable->position.timeline != best.info->vote->position.timeline;
}

/// The keepers whose data must not follow the winner: PostgreSQL would stream one timeline behind
/// another of the same number. Whoever may have followed there starts anew.
std::vector<KeeperUid> keepers_to_renew(const SentinelInputs &inputs, const Count &count,
                                        const Ballot &best) {
	const Election &election = *inputs.data.election;
	const Lineage winner{best.info->vote->position, best.info->history};
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
		if (voted ? !is_on_line_of(winner, *ballot) : number_may_exist(inputs, best)) {
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
	draft.data.master_history.reset();
	if (!best.info->history.empty() && best.info->position.timeline == chosen.timeline) {
		draft.data.master_history = TimelineHistory{chosen.timeline, best.info->history};
	}
	Db &winner = draft.data.dbs.at(best.db->uid);
	winner.init = DbInit::None;
	winner.handed_over = false;
	draft.touch(winner);
	// The old master's data may hold WAL that nobody else has. Its keeper gets a new incarnation,
	// so that the launcher moves that directory aside instead of following with it. Only where the
	// winner begins at the very end of what lies there, it goes on as it is.
	const bool keeps_data = has_all_of_old_master(inputs, best);
	const bool clone_anew = number_may_exist(inputs, best);
	if (keeps_data) {
		draft.data.dbs.at(election.old_master).handed_over = true;
	} else {
		draft.replace_db(keeper_of_old_master(inputs), DbInit::Resync, best.db->uid, clone_anew);
	}
	std::vector<std::string> anew;
	for (const auto &keeper : keepers_to_renew(inputs, count, best)) {
		const Db &before = *inputs.data.db_of(keeper);
		anew.push_back(before.uid.value + " on " + keeper.value);
		const KeeperInfo *info = info_of(inputs, before);
		const bool its_own = info && made_its_own(*info, before);
		draft.replace_db(keeper, DbInit::Resync, best.db->uid, clone_anew || its_own);
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

/// The launcher has this data directory, and can start it.
bool is_at_hand(const SentinelInputs &inputs, const Db &db) {
	const NodeInfo *node = node_of(inputs, db.keeper);
	return node && node->db == db.uid && node->phase != NodePhase::Refusing;
}

bool old_master_is_present(const SentinelInputs &inputs, const Db &old_master) {
	return is_at_hand(inputs, old_master) || info_of(inputs, old_master);
}

/// S-04. `why`: a clause, with which the sentence begins.
SentinelDecision name_old_master(const SentinelInputs &inputs, const Count &count,
                                 const std::string &why) {
	const Election &election = *inputs.data.election;
	const Db &old_master = *inputs.data.find_db(election.old_master);
	Draft draft(inputs);
	draft.data.election.reset();
	// A fresh epoch, so that no beat and no vote of before can be taken for one of now.
	draft.data.epoch = inputs.data.epoch.next();
	draft.data.master = old_master.uid;
	draft.data.named_at = election.last_known;
	draft.data.resume.reset();
	draft.data.dbs.at(old_master.uid).handed_over = false;
	const BeatObservation *seen = beat_of(inputs, old_master.keeper);
	if (seen && seen->beat.released && seen->beat.db == old_master.uid) {
		draft.data.resume = ResumePermit{old_master.uid, seen->mod_revision};
	}
	draft.follow_master();
	draft.touch(draft.data.dbs.at(old_master.uid));

	SentinelDecision decision = std::move(draft).finish(
	    "S-04", why + " (" + verdicts(count) + "; last known was " +
	                election.last_known.to_string() + "), so the old master " +
	                old_master.uid.value + " on keeper " + old_master.keeper.value +
	                " is named again in epoch " + std::to_string(inputs.data.epoch.next().value) +
	                ".");
	decision.write_master = true;
	decision.event = event_of(inputs, "resume", old_master.keeper, election.last_known);
	return decision;
}

/// S-14: standbys that are eligible now and have not been asked; none: nullopt.
std::optional<SentinelDecision> ask_late_standbys(const SentinelInputs &inputs, const Count &count,
                                                  const std::string &why) {
	if (std::all_of(count.unasked.begin(), count.unasked.end(),
	                [](const Ballot &ballot) { return ballot.never_wins; })) {
		return std::nullopt;
	}
	Draft draft(inputs);
	std::vector<std::string> added;
	for (const auto &ballot : count.unasked) {
		draft.data.election->voters.push_back(ballot.db->uid);
		added.push_back(ballot.db->uid.value + " on " + ballot.db->keeper.value);
	}
	const Election &election = *inputs.data.election;
	return std::move(draft).finish(
	    "S-14",
	    "The election of epoch " + std::to_string(election.epoch.value) +
	        (election.voters.empty() ? " can begin, as the old master's lease is over. Asked are "
	                                 : " " + why + "; these standbys are asked as well: ") +
	        join(added, ", ") + ".");
}

/// Until when somebody who is present, and matters, is waited for.
Instant last_call_of(const SentinelInputs &inputs, Instant from) {
	const ClusterSpec &spec = inputs.data.spec;
	return plus(from, std::max(spec.fail_interval, spec.election_patience));
}

/// Patience is over or everybody has voted, and no vote is acceptable.
SentinelDecision fall_back(const SentinelInputs &inputs, const Count &count, Instant from) {
	const Election &election = *inputs.data.election;
	const Db &old_master = *inputs.data.find_db(election.old_master);
	if (auto decision = ask_late_standbys(inputs, count, "could not be decided")) {
		return std::move(*decision);
	}
	const Instant last_call = last_call_of(inputs, from);
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
	return name_old_master(
	    inputs, count,
	    "Nobody can win the election of epoch " + std::to_string(election.epoch.value));
}

/// The master was stopped for a switchover, and not all of its WAL is known to have been streamed
/// (the stop took too long). It is well and has everything, so that it goes on; in an election what
/// only it has would be lost.
bool was_stopped_in_vain(const SentinelInputs &inputs) {
	const Db &old_master = *inputs.data.find_db(inputs.data.election->old_master);
	const BeatObservation *seen = beat_of(inputs, old_master.keeper);
	return switchover_of_election(inputs) && is_at_hand(inputs, old_master) && seen &&
	       seen->beat.db == old_master.uid && seen->beat.epoch.next() == inputs.data.epoch &&
	       seen->beat.released && !seen->beat.clean;
}

/// The same when it was stopped cleanly, and nobody who has voted has its end: the stream broke at
/// the last moment.
bool was_stopped_for_nobody(const SentinelInputs &inputs, const Count &count) {
	const Db &old_master = *inputs.data.find_db(inputs.data.election->old_master);
	return switchover_of_election(inputs) && is_at_hand(inputs, old_master) && clean_end(inputs) &&
	       std::none_of(count.ballots.begin(), count.ballots.end(), [&](const Ballot &ballot) {
		       return has_all_of_old_master(inputs, ballot);
	       });
}

/// As when it is opened (S-07): a standby that seemed to be there was down as well.
bool old_master_goes_on(const SentinelInputs &inputs, const Count &count) {
	const Db &old_master = *inputs.data.find_db(inputs.data.election->old_master);
	const BeatObservation *seen = beat_of(inputs, old_master.keeper);
	return writable_beat(inputs) && is_back_with_its_host(inputs, old_master) &&
	       inputs.data.resume != ResumePermit{old_master.uid, seen->mod_revision} &&
	       std::none_of(count.ballots.begin(), count.ballots.end(), [&](const Ballot &ballot) {
		       return ballot.acceptable && has_outlived(inputs, *ballot.db, old_master);
	       });
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
	const Instant from = latest({inputs.election_asked_at, inputs.contact_since});
	const Instant patience_end = plus(from, inputs.data.spec.election_patience);
	if (const Ballot *target = choose_target(inputs, count)) {
		return name_winner(inputs, count, *target);
	}
	if (was_stopped_in_vain(inputs)) {
		return name_old_master(inputs, count,
		                       "The stop for the switchover came to nothing, and only the old "
		                       "master has everything");
	}
	if (!count.all_voted && inputs.now < patience_end) {
		return wait_for("S-03",
		                "The election of epoch " + std::to_string(election.epoch.value) +
		                    " waits for votes: " + verdicts(count) + ".",
		                patience_end);
	}
	if (was_stopped_for_nobody(inputs, count)) {
		return name_old_master(inputs, count,
		                       "The stop for the switchover came to nothing, as nobody has all "
		                       "that the old master has");
	}
	if (const Ballot *best = choose(inputs, count)) {
		if (old_master_goes_on(inputs, count)) {
			return name_old_master(inputs, count,
			                       "Everything went down, and the old master is back with what "
			                       "it had");
		}
		if (silent_and_ahead(count.unasked, *best)) {
			return *ask_late_standbys(inputs, count, "would be won by less than is there");
		}
		const Instant last_call = last_call_of(inputs, from);
		const Ballot *ahead = silent_and_ahead(count.ballots, *best);
		if (ahead && inputs.now < last_call) {
			return wait_for("S-03",
			                "The election of epoch " + std::to_string(election.epoch.value) +
			                    " waits a little longer for " + ahead->db->uid.value +
			                    " on keeper " + ahead->db->keeper.value +
			                    ", which has not voted but was at " +
			                    ahead->info->position.to_string() + ": " + verdicts(count) + ".",
			                last_call);
		}
		return name_winner(inputs, count, *best);
	}
	return fall_back(inputs, count, from);
}

}  // namespace stolon::core::sentinel
