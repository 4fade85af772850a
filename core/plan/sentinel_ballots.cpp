#include "core/plan/sentinel_ballots.h"

#include <algorithm>

#include "core/plan/sentinel_election.h"
#include "core/plan/sentinel_switchover.h"

namespace stolon::core::sentinel {

const KeeperUid &keeper_of_old_master(const SentinelInputs &inputs) {
	return inputs.data.find_db(inputs.data.election->old_master)->keeper;
}

const Beat *writable_beat(const SentinelInputs &inputs) {
	const Election &election = *inputs.data.election;
	const BeatObservation *seen = beat_of(inputs, keeper_of_old_master(inputs));
	const bool tells = seen && seen->beat.db == election.old_master &&
	                   seen->beat.epoch.next() == election.epoch && seen->beat.writable;
	return tells ? &seen->beat : nullptr;
}

namespace {

/// The election was opened because of what the old master's last beats said (S-16).
bool was_unfit(const SentinelInputs &inputs) {
	const BeatObservation *seen = beat_of(inputs, keeper_of_old_master(inputs));
	return seen && seen->beat.db == inputs.data.election->old_master &&
	       seen->beat.epoch.next() == inputs.data.election->epoch && !seen->beat.unfit.empty();
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

/// What a standby received behind the end of its timeline and has not replayed is half a record
/// that the promotion there cut off: nothing that counts.
WalPosition without_cut_off(const Ancestry &ancestry, Timeline known, WalPosition position,
                            Lsn replayed) {
	if (!ancestry.known || position.timeline == known) {
		return position;
	}
	for (const HistoryEntry &left : ancestry.history) {
		if (left.timeline == position.timeline && replayed.valid() && replayed <= left.end) {
			position.lsn = std::min(position.lsn, left.end);
		}
	}
	return position;
}

void judge_position(const SentinelInputs &inputs, const Ancestry &ancestry, WalPosition position,
                    Ballot &ballot) {
	ballot.position = position;
	const WalPosition known = inputs.data.election->last_known;
	const std::uint64_t max_lag = inputs.data.spec.max_standby_lag;
	if (!known.lsn.valid()) {
		ballot.acceptable = true;
		ballot.verdict = "is at " + position.to_string();
		return;
	}
	if (ballot.made_its_own && position.timeline == known.timeline) {
		ballot.verdict = "has begun its timeline itself, unnamed, " + position.to_string();
		return;
	}
	const Lineage lineage{position, ballot.info->history};
	const std::uint64_t tolerance = promotion_may_be_unseen(inputs) ? max_lag : 0;
	switch (place(lineage, known, ancestry, tolerance)) {
		case Standing::Contains:
			ballot.acceptable = true;
			ballot.promoted_line =
			    promotion_may_be_unseen(inputs) && position.timeline != known.timeline;
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
			                 ": nobody knows the history of timeline " +
			                 std::to_string(known.timeline.value) + " for certain";
			return;
	}
}

/// Where a candidate is that has received up to `position`.
void judge(const SentinelInputs &inputs, const Ancestry &ancestry, WalPosition position,
           Lsn replayed, Ballot &ballot) {
	const Timeline known = inputs.data.election->last_known.timeline;
	judge_position(inputs, ancestry, without_cut_off(ancestry, known, position, replayed), ballot);
}

Ballot read_ballot(const SentinelInputs &inputs, const Ancestry &ancestry, const Db &db) {
	Ballot ballot;
	ballot.db = &db;
	ballot.info = info_of(inputs, db);
	ballot.priority = inputs.data.spec.failover_priority_of(db.keeper);
	ballot.never_wins = is_never_elected(inputs, db.keeper);
	if (!ballot.info) {
		ballot.verdict = "is not present";
		return ballot;
	}
	ballot.made_its_own = made_its_own(*ballot.info, db);
	const auto &vote = ballot.info->vote;
	if (!vote || vote->epoch != inputs.data.election->epoch) {
		if (ballot.info->role == PgRole::Standby && is_known(ballot.info->position)) {
			Ballot as_published = ballot;
			judge(inputs, ancestry, ballot.info->position, ballot.info->replayed, as_published);
			ballot.promising =
			    as_published.acceptable && !ballot.never_wins && !ballot.made_its_own;
			ballot.promoted_line = as_published.promoted_line;
			ballot.position = as_published.position;
		}
		ballot.verdict = ballot.info->inconsistent
		                     ? "has not voted, as it has not replayed up to a consistent state"
		                     : "has not voted";
		return ballot;
	}
	ballot.voted = true;
	if (ballot.info->role != PgRole::Standby) {
		ballot.verdict = "is not a standby";
	} else if (!is_known(vote->position)) {
		ballot.verdict = "voted without a position";
	} else {
		judge(inputs, ancestry, vote->position, vote->replayed, ballot);
	}
	if (ballot.never_wins) {
		ballot.witnessed = ballot.acceptable ? ballot.position : WalPosition();
		ballot.acceptable = false;
		ballot.verdict += " (failoverPriority 0)";
	}
	return ballot;
}

/// What a member has that may not win is known to have been the old master's, as its beats are: the
/// winner may lack no more than maxStandbyLag of that, either.
void measure_against_witnesses(const SentinelInputs &inputs, std::vector<Ballot> &ballots) {
	const std::uint64_t max_lag = inputs.data.spec.max_standby_lag;
	for (const Ballot &witness : ballots) {
		for (Ballot &ballot : ballots) {
			if (!witness.witnessed.lsn.valid() || !ballot.acceptable ||
			    ballot.position.timeline != witness.witnessed.timeline) {
				continue;
			}
			const std::uint64_t lag = bytes_behind(witness.witnessed.lsn, ballot.position.lsn);
			if (lag > max_lag) {
				ballot.acceptable = false;
				ballot.verdict += ", " + std::to_string(lag) + " bytes behind " +
				                  witness.db->keeper.value + ", which may not win; more than " +
				                  "maxStandbyLag of " + std::to_string(max_lag);
			}
		}
	}
}

/// S-16 replaces a master that cannot work. Another one that cannot would only be replaced in turn.
void prefer_the_fit(const SentinelInputs &inputs, std::vector<Ballot> &ballots) {
	const bool one_is_fit = std::any_of(ballots.begin(), ballots.end(), [](const Ballot &ballot) {
		return ballot.acceptable && ballot.info->unfit.empty();
	});
	if (!one_is_fit || !was_unfit(inputs)) {
		return;
	}
	for (Ballot &ballot : ballots) {
		if (ballot.info && !ballot.info->unfit.empty()) {
			ballot.acceptable = ballot.promising = false;
			ballot.verdict += ", and is as unfit as the old master was: " + ballot.info->unfit;
		}
	}
}

}  // namespace

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
		const bool settled = ballot.voted || ballot.never_wins;
		count.all_voted = count.all_voted && settled;
		count.unanimous = count.unanimous && ballot.voted;
		count.present_silent = count.present_silent || (ballot.info && !settled);
		count.ballots.push_back(std::move(ballot));
	}
	measure_against_witnesses(inputs, count.ballots);
	prefer_the_fit(inputs, count.ballots);
	const Electorate present = find_electorate(inputs, election.old_master, election.last_known);
	for (const auto *some : {&present.voters, &present.witnesses}) {
		for (const auto &uid : *some) {
			if (std::find(election.voters.begin(), election.voters.end(), uid) ==
			    election.voters.end()) {
				count.unasked.push_back(read_ballot(inputs, ancestry, *inputs.data.find_db(uid)));
			}
		}
	}
	for (const auto &[uid, db] : inputs.data.dbs) {
		const bool asked =
		    std::find(election.voters.begin(), election.voters.end(), uid) != election.voters.end();
		count.everybody_asked = count.everybody_asked && (asked || uid == election.old_master);
	}
	return count;
}

std::optional<WalPosition> clean_end(const SentinelInputs &inputs) {
	const Beat *last = writable_beat(inputs);
	if (!last || !last->released || !last->clean || !last->position.timeline.valid() ||
	    !last->position.lsn.valid() || last->position != inputs.data.election->last_known) {
		return std::nullopt;
	}
	return last->position;
}

bool has_all_of_old_master(const SentinelInputs &inputs, const Ballot &ballot) {
	const auto end = clean_end(inputs);
	return end && ballot.acceptable && ballot.lag == 0 &&
	       ballot.info->vote->position.timeline == end->timeline &&
	       ballot.info->vote->position.lsn >= end->lsn;
}

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

namespace {

bool is_better(const Ballot &one, const Ballot &other) {
	if (one.made_its_own != other.made_its_own) {
		return other.made_its_own;
	}
	if (one.promoted_line != other.promoted_line) {
		return one.promoted_line;
	}
	const Lsn mine = one.position.lsn;
	const Lsn theirs = other.position.lsn;
	if (mine != theirs) {
		return mine > theirs;
	}
	if (one.info->unfit.empty() != other.info->unfit.empty()) {
		return one.info->unfit.empty();
	}
	return one.priority != other.priority ? one.priority > other.priority
	                                      : one.db->keeper < other.db->keeper;
}

}  // namespace

const Ballot *choose(const SentinelInputs &inputs, const Count &count) {
	// Without any last known position nothing tells a good vote from a stale one, except that
	// everybody who could have more has voted.
	if (!inputs.data.election->last_known.lsn.valid() &&
	    !(count.unanimous && count.everybody_asked)) {
		return nullptr;
	}
	const Ballot *best = nullptr;
	for (const auto &ballot : count.ballots) {
		if (!ballot.acceptable) {
			continue;
		}
		if (!best || is_better(ballot, *best)) {
			best = &ballot;
		}
	}
	return best;
}

const Ballot *silent_and_ahead(const std::vector<Ballot> &ballots, const Ballot &best) {
	for (const auto &ballot : ballots) {
		if (!ballot.promising) {
			continue;
		}
		const bool ahead = ballot.promoted_line != best.promoted_line
		                       ? ballot.promoted_line
		                       : ballot.position.lsn > best.position.lsn;
		if (ahead) {
			return &ballot;
		}
	}
	return nullptr;
}

std::string verdicts(const Count &count) {
	std::vector<std::string> parts;
	for (const auto &ballot : count.ballots) {
		parts.push_back(ballot.db->uid.value + " on " + ballot.db->keeper.value + " " +
		                ballot.verdict);
	}
	return join(parts, "; ");
}

}  // namespace stolon::core::sentinel
