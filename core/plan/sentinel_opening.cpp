// S-05, S-06, S-08, S-16: an election is opened. S-07: the master is permitted to start again in
// place.
#include <algorithm>

#include "core/plan/sentinel_draft.h"
#include "core/plan/sentinel_election.h"
#include "core/plan/sentinel_switchover.h"

namespace stolon::core::sentinel {

namespace {

/// Why this standby cannot be asked to vote; empty: it can.
std::string objection(const SentinelInputs &inputs, const Db &db, WalPosition last_known) {
	const KeeperInfo *info = info_of(inputs, db);
	if (!info) {
		return inputs.infos.contains(db.keeper) ? "its keeper still runs another db"
		                                        : "its keeper is not present";
	}
	if (info->role != PgRole::Standby) {
		return "it is not a standby";
	}
	if (!is_known(info->position)) {
		return "it does not know its WAL position yet";
	}
	// It could not be promoted. One that was whole once is only replaying what lies there.
	if (db.init == DbInit::Resync && info->inconsistent) {
		return "it is a copy that is not whole before it has received more WAL";
	}
	if (!last_known.lsn.valid()) {
		return {};
	}
	// What a standby publishes is up to sleepInterval old while it streams, so lag alone does not
	// exclude it: the votes will tell. Without an upstream it does not get any further.
	const std::uint64_t lag = bytes_behind(last_known.lsn, info->position.lsn);
	if (!info->streaming && info->position.timeline == last_known.timeline &&
	    lag > inputs.data.spec.max_standby_lag) {
		return "it has no upstream and is " + std::to_string(lag) +
		       " bytes behind the last known position (" + last_known.to_string() +
		       "), maxStandbyLag is " + std::to_string(inputs.data.spec.max_standby_lag);
	}
	return {};
}

/// The last position that the master is known to have reached.
WalPosition last_known_of(const SentinelInputs &inputs, const Db &master) {
	const BeatObservation *seen = beat_of(inputs, master.keeper);
	if (seen && seen->beat.db == master.uid && seen->beat.epoch == inputs.data.epoch) {
		const WalPosition told = further(seen->beat.position, seen->furthest);
		// While it is in recovery a beat tells what was replayed, which may be less than it has.
		if (is_known(told)) {
			return seen->beat.writable ? told : further(told, inputs.data.named_at);
		}
	}
	// It has not beaten since it was named: nothing can have been acknowledged beyond the vote that
	// it was named with.
	if (inputs.data.named_at.lsn.valid()) {
		return inputs.data.named_at;
	}
	const KeeperInfo *info = info_of(inputs, master);
	return info ? info->position : WalPosition{};
}

SentinelDecision open_election(const SentinelInputs &inputs, const Db &master,
                               const MasterHealth &health, Electorate electorate,
                               WalPosition last_known) {
	Draft draft(inputs);
	draft.data.epoch = inputs.data.epoch.next();
	draft.data.master = {};
	// A permit that was of no use to a master after an outage is kept, as it gets no second one.
	if (!is_back_with_its_host(inputs, master)) {
		draft.data.resume.reset();
	}
	Election election;
	election.epoch = draft.data.epoch;
	election.old_master = master.uid;
	election.last_known = last_known;
	Ancestry ancestry = ancestry_of(inputs, last_known.timeline, master.uid);
	if (ancestry.known && !ancestry.contradictory) {
		election.history = std::move(ancestry.history);
	}
	election.reason = health.sentence;
	election.lease_runs_for = lease_runs_for(inputs, master);

	for (const auto &witness : electorate.witnesses) {
		electorate.voters.push_back(witness);
	}
	std::vector<std::string> names;
	for (const auto &voter : electorate.voters) {
		const KeeperUid &keeper = inputs.data.find_db(voter)->keeper;
		names.push_back(voter.value + " on " + keeper.value +
		                (is_never_elected(inputs, keeper) ? " (failoverPriority 0)" : ""));
	}
	std::string sentence = health.sentence + " Election of epoch " +
	                       std::to_string(draft.data.epoch.value) + " is opened, last known is " +
	                       last_known.to_string() + ", ";
	if (election.lease_runs_for > Duration(0)) {
		// Whoever is asked stops receiving, and what the old master goes on acknowledging would be
		// lost.
		sentence += "its lease may run for up to " + age_text(election.lease_runs_for) +
		            " after its last beat; then these are asked: ";
	} else {
		sentence += "asked are ";
		election.voters = std::move(electorate.voters);
	}
	sentence += join(names, ", ") + ".";
	if (!electorate.excluded.empty()) {
		sentence += " Not asked: " + join(electorate.excluded, "; ") + ".";
	}
	draft.data.election = std::move(election);

	SentinelDecision decision = std::move(draft).finish(health.rule, std::move(sentence));
	decision.write_master = true;
	decision.guard_beat_of = master.keeper;
	const BeatObservation *seen = beat_of(inputs, master.keeper);
	decision.guard_beat_revision = seen ? seen->mod_revision : 0;
	return decision;
}

std::string why_nobody(const Electorate &electorate) {
	std::vector<std::string> reasons = electorate.excluded;
	for (const auto &witness : electorate.witnesses) {
		reasons.push_back(witness.value + ": its failoverPriority is 0");
	}
	return reasons.empty() ? "there is no standby" : join(reasons, "; ");
}

/// A server that has just been started again in place, and crashes again, will not do better next
/// time.
constexpr Duration pause_between_restarts = seconds(60);

/// onMasterCrash: the server is to be started again in place although somebody could take over.
bool prefers_restart(const SentinelInputs &inputs, const Db &master) {
	const BeatObservation &seen = *beat_of(inputs, master.keeper);
	const bool has_crashed = !seen.beat.clean && seen.beat.writable && seen.beat.unfit.empty();
	if (inputs.data.spec.on_master_crash != OnMasterCrash::Restart || !has_crashed ||
	    !node_of(inputs, master.keeper)) {
		return false;
	}
	// A permit for this very end has not helped, and its time is over.
	if (inputs.data.resume == ResumePermit{master.uid, seen.mod_revision}) {
		return false;
	}
	// The view has changed no earlier than with the last permit.
	return !inputs.data.resume ||
	       inputs.now >=
	           plus(latest({inputs.data_seen_at, inputs.contact_since}), pause_between_restarts);
}

/// Everything went down, and the last master is back: the others were started after its end and
/// have at most what it has. It gets one chance; whoever has not beaten after it is replaced.
bool is_first_of_all_to_go_on(const SentinelInputs &inputs, const Db &master,
                              const Electorate &electorate) {
	const ResumePermit permit{master.uid, beat_of(inputs, master.keeper)->mod_revision};
	return is_back_with_its_host(inputs, master) && inputs.data.resume != permit &&
	       std::none_of(electorate.voters.begin(), electorate.voters.end(), [&](const DbUid &uid) {
		       return has_outlived(inputs, *inputs.data.find_db(uid), master);
	       });
}

/// The permit to start again that answers exactly this release, or what is being waited for. `why`
/// says why nobody takes over.
SentinelDecision permit_resume(const SentinelInputs &inputs, const Db &master,
                               const MasterHealth &health, const std::string &why) {
	const BeatObservation &seen = *beat_of(inputs, master.keeper);
	const ResumePermit permit{master.uid, seen.mod_revision};
	if (inputs.data.resume == permit) {
		return wait_for("S-07",
		                "Master " + master.uid.value + " on keeper " + master.keeper.value +
		                    " is permitted to start again in place and has not beaten yet.");
	}
	Draft draft(inputs);
	draft.data.resume = permit;
	// Its next beats tell how far recovery has come, and a sentinel that has just been started has
	// not seen those of before.
	draft.data.named_at = further(draft.data.named_at, last_known_of(inputs, master));
	SentinelDecision decision = std::move(draft).finish(
	    "S-07", health.sentence + " " + why + ", so it is permitted to start again in place.");
	decision.guard_beat_of = master.keeper;
	decision.guard_beat_revision = seen.mod_revision;
	HistoryEvent event;
	event.kind = "restart";
	event.epoch = inputs.data.epoch;
	event.from = event.to = master.keeper;
	event.last_known = event.chosen = last_known_of(inputs, master);
	event.reason = decision.reasons.front().text;
	decision.event = std::move(event);
	return decision;
}

/// A master that was permitted to start again gets some time for it before a standby that has come
/// in the meantime is preferred; none when its host is away. Nullopt: no such time is running.
std::optional<Instant> resume_grace_until(const SentinelInputs &inputs, const Db &master) {
	const BeatObservation &seen = *beat_of(inputs, master.keeper);
	if (inputs.data.resume != ResumePermit{master.uid, seen.mod_revision} ||
	    !node_of(inputs, master.keeper)) {
		return std::nullopt;
	}
	const Instant from = latest({seen.seen_at, inputs.resume_seen_at, inputs.contact_since});
	const Instant until = plus(from, inputs.data.spec.fail_interval * 2);
	return inputs.now < until ? std::optional<Instant>(until) : std::nullopt;
}

/// Whether an unfit master, which may still serve its clients, is worth less than this standby.
bool follows_closely(const SentinelInputs &inputs, const Db &master, const DbUid &voter,
                     WalPosition last_known) {
	const KeeperInfo &info = *info_of(inputs, *inputs.data.find_db(voter));
	if (info.is_well(master.uid) && !info.catching_up) {
		return true;
	}
	return last_known.lsn.valid() && info.position.timeline == last_known.timeline &&
	       bytes_behind(last_known.lsn, info.position.lsn) <= inputs.data.spec.max_standby_lag;
}

/// The objections are the same for as long as nothing changes but positions: they are logged.
Electorate close_followers(const SentinelInputs &inputs, const Db &master, WalPosition last_known) {
	Electorate close;
	Electorate all = find_electorate(inputs, master.uid, {});
	close.excluded = std::move(all.excluded);
	close.witnesses = std::move(all.witnesses);
	for (const auto &voter : all.voters) {
		const KeeperInfo &info = *info_of(inputs, *inputs.data.find_db(voter));
		if (!info.unfit.empty()) {
			close.excluded.push_back(voter.value + " on " + info.uid.value +
			                         ": it is unfit, too: " + info.unfit);
		} else if (follows_closely(inputs, master, voter, last_known)) {
			close.voters.push_back(voter);
		} else {
			close.excluded.push_back(
			    voter.value + " on " + inputs.data.find_db(voter)->keeper.value +
			    ": it neither keeps up with the master's stream nor is it known to lie "
			    "within maxStandbyLag of it");
		}
	}
	return close;
}

/// S-16.
SentinelDecision replace_unfit(const SentinelInputs &inputs, const Db &master,
                               const MasterHealth &health) {
	// What the beat says may differ each time ("... for 7 s"); each change would be a line in the
	// log.
	const std::string unfit = "Master " + master.uid.value + " on keeper " + master.keeper.value +
	                          " says that it is unfit; `stolonctl status` shows why.";
	// Without this brake a master that nobody could replace would be thrown out again and again,
	// and one that has just been named would have no time to become fit.
	const Instant patience_end = plus(latest({inputs.master_seen_at, inputs.contact_since}),
	                                  inputs.data.spec.fail_interval * 2);
	if (inputs.now < patience_end) {
		return wait_for("S-16", unfit + " It was named only recently and gets some time.",
		                std::min(patience_end, health.expires_at));
	}
	const WalPosition last_known = last_known_of(inputs, master);
	Electorate electorate = close_followers(inputs, master, last_known);
	if (electorate.voters.empty()) {
		return wait_for(
		    "S-16",
		    unfit + " Nobody can take over (" + why_nobody(electorate) + "); it stays master.",
		    health.expires_at);
	}
	return open_election(inputs, master, health, std::move(electorate), last_known);
}

}  // namespace

Electorate find_electorate(const SentinelInputs &inputs, const DbUid &out, WalPosition last_known) {
	Electorate electorate;
	for (const auto &[uid, db] : inputs.data.dbs) {
		const Keeper *keeper = inputs.data.find_keeper(db.keeper);
		if (uid == out || !keeper || keeper->db != uid) {
			continue;
		}
		const std::string why = objection(inputs, db, last_known);
		if (why.empty() && is_never_elected(inputs, db.keeper)) {
			electorate.witnesses.push_back(uid);
		} else if (why.empty()) {
			electorate.voters.push_back(uid);
		} else {
			electorate.excluded.push_back(uid.value + " on " + db.keeper.value + ": " + why);
		}
	}
	return electorate;
}

SentinelDecision watch_master(const SentinelInputs &inputs, const Db &master) {
	const MasterHealth health = judge_master(inputs, master);
	if (health.state == MasterHealth::State::Alive) {
		SentinelDecision decision;
		decision.wake_at = health.expires_at;
		return decision;
	}
	if (health.state == MasterHealth::State::Unfit) {
		return replace_unfit(inputs, master, health);
	}
	if (health.state == MasterHealth::State::Expired) {
		if (const auto until = release_awaited_until(inputs, master)) {
			return wait_for(health.rule,
			                "Master " + master.uid.value + " on keeper " + master.keeper.value +
			                    " is being stopped for the switchover, and its lease has run out: "
			                    "waiting for its launcher's word that it has ended.",
			                until);
		}
	}
	const WalPosition last_known = last_known_of(inputs, master);
	Electorate electorate = find_electorate(inputs, master.uid, last_known);
	const bool released = health.state == MasterHealth::State::Released;
	if (released) {
		if (const auto until = resume_grace_until(inputs, master)) {
			return wait_for("S-07",
			                "Master " + master.uid.value + " on keeper " + master.keeper.value +
			                    " is permitted to start again in place and has not beaten yet.",
			                until);
		}
		if (electorate.voters.empty()) {
			return permit_resume(inputs, master, health,
			                     "Nobody else can take over (" + why_nobody(electorate) + ")");
		}
		if (is_first_of_all_to_go_on(inputs, master, electorate)) {
			return permit_resume(inputs, master, health,
			                     "All who could take over were started after its end");
		}
		if (prefers_restart(inputs, master)) {
			return permit_resume(inputs, master, health, "onMasterCrash is \"restart\"");
		}
	}
	if (electorate.voters.empty()) {
		return wait_for(health.rule, "Master " + master.uid.value + " on keeper " +
		                                 master.keeper.value +
		                                 " does not beat any more, and nobody can take over (" +
		                                 why_nobody(electorate) +
		                                 "); it stays named and is let in when it returns.");
	}
	return open_election(inputs, master, health, std::move(electorate), last_known);
}

}  // namespace stolon::core::sentinel
