// S-20 to S-24, S-29: a switchover, from the request to its outcome.
#include "core/plan/sentinel_switchover.h"

#include <algorithm>

#include "core/plan/launcher_plan.h"
#include "core/plan/sentinel_draft.h"
#include "core/plan/sentinel_switchover_parties.h"

namespace stolon::core::sentinel {

namespace {

using Phase = SwitchoverPhase;

KeeperUid keeper_of(const SentinelInputs &inputs, const DbUid &uid) {
	const Db *db = inputs.data.find_db(uid);
	return db ? db->keeper : KeeperUid();
}

Instant step_began_at(const SentinelInputs &inputs) {
	return latest({inputs.switchover_step_seen_at, inputs.contact_since});
}

Instant step_ends_at(const SentinelInputs &inputs) {
	return plus(step_began_at(inputs), inputs.data.switchover->timeout);
}

/// The end of the operation: its outcome stands in clusterdata and in the history.
SentinelDecision end(const SentinelInputs &inputs, const char *rule, Phase outcome,
                     const std::string &why) {
	Draft draft(inputs);
	Switchover &switchover = *draft.data.switchover;
	switchover.phase = outcome;
	switchover.reason = why;
	HistoryEvent event;
	event.kind = "switchover";
	event.epoch = inputs.data.epoch;
	event.from = keeper_of(inputs, switchover.from);
	event.to = outcome == Phase::Done || outcome == Phase::Failed
	               ? keeper_of(inputs, inputs.data.master)
	               : event.from;
	event.chosen = inputs.data.named_at;
	event.reason = why;
	event.duration_ms = to_ms(inputs.now - inputs.switchover_seen_at);
	event.operation = switchover.id;
	event.outcome = to_string(outcome);
	SentinelDecision decision = std::move(draft).finish(
	    rule, "Switchover " + switchover.id + " is " + to_string(outcome) + ": " + why);
	decision.event = std::move(event);
	return decision;
}

/// S-24: how it ends when it cannot go on depends on how far it has come.
SentinelDecision give_up(const SentinelInputs &inputs, const std::string &why) {
	const Phase phase = inputs.data.switchover->phase;
	const bool early = phase == Phase::Requested || phase == Phase::Checkpoint;
	const std::string step = early && phase == Phase::Requested
	                             ? std::string()
	                             : std::string("in step ") + to_string(phase) + ": ";
	return end(inputs, phase == Phase::Requested ? "S-20" : "S-24",
	           early ? Phase::Refused : Phase::Undone, step + why);
}

SentinelDecision next_step(const SentinelInputs &inputs, const char *rule, Phase phase,
                           const std::string &sentence) {
	Draft draft(inputs);
	draft.data.switchover->phase = phase;
	return std::move(draft).finish(rule,
	                               "Switchover " + inputs.data.switchover->id + ": " + sentence);
}

/// Whether it is for now; otherwise a wait, or the refusal of one whose time has passed.
std::optional<SentinelDecision> wait_for_its_time(const SentinelInputs &inputs) {
	const Switchover &switchover = *inputs.data.switchover;
	if (!switchover.at) {
		return std::nullopt;
	}
	const std::string time = format_wall_time(*switchover.at);
	if (inputs.wall < *switchover.at) {
		// The clock on the wall may be set meanwhile.
		const Duration left = std::min<Duration>(*switchover.at - inputs.wall, seconds(1));
		return wait_for("S-20", "Switchover " + switchover.id + " is scheduled for " + time + ".",
		                inputs.now + left);
	}
	if (inputs.wall - *switchover.at > SwitchoverLimits::max_delay) {
		return give_up(inputs, "its time was " + time +
		                           ", and nobody could begin it then; now it is " +
		                           age_text(inputs.wall - *switchover.at) + " late");
	}
	return std::nullopt;
}

/// S-29.
SentinelDecision cancel(const SentinelInputs &inputs) {
	const Switchover &switchover = *inputs.data.switchover;
	return end(inputs, "S-29", Phase::Cancelled,
	           "by an operator" + (switchover.phase == Phase::Requested
	                                   ? ", before it began"
	                                   : std::string(", in step ") + to_string(switchover.phase)));
}

/// S-20.
SentinelDecision accept(const SentinelInputs &inputs) {
	const ClusterData &data = inputs.data;
	const Db *master = data.master.empty() ? nullptr : data.find_db(data.master);
	if (data.election || !master || data.phase != ClusterPhase::Normal) {
		return give_up(inputs, data.election ? "an election is open" : "there is no master");
	}
	if (const std::string why = objection_to_master(inputs, *master); !why.empty()) {
		return give_up(inputs, why);
	}
	DbUid target;
	std::string why;
	if (data.switchover->to.empty()) {
		target = choose_switchover_target(inputs, *master, why);
	} else if (const Db *db = data.db_of(data.switchover->to)) {
		target = db->uid;
		why = objection_to_target(inputs, target);
	} else {
		why = data.find_keeper(data.switchover->to)
		          ? "keeper " + data.switchover->to.value + " has no database"
		          : "there is no keeper " + data.switchover->to.value;
	}
	if (target.empty() || (!data.switchover->to.empty() && !why.empty())) {
		return give_up(inputs, why);
	}
	Draft draft(inputs);
	Switchover &switchover = *draft.data.switchover;
	switchover.phase = Phase::Checkpoint;
	switchover.epoch = data.epoch;
	switchover.generation = draft.data.generation;
	switchover.from = master->uid;
	switchover.target = target;
	// One that answers a release of before; from now on it says that nobody could take over.
	draft.data.resume.reset();
	return std::move(draft).finish(
	    "S-20", "Switchover " + switchover.id + " from " + name_of(inputs, master->uid) + " to " +
	                name_of(inputs, target) + " begins with a checkpoint on the master.");
}

/// What speaks against going on while the master is still up; empty: nothing.
std::string objection(const SentinelInputs &inputs, const Db &master) {
	const std::string why = objection_to_master(inputs, master);
	return why.empty() ? objection_to_target(inputs, inputs.data.switchover->target) : why;
}

SentinelDecision wait_or_give_up(const SentinelInputs &inputs, const char *rule,
                                 const std::string &awaited) {
	const Instant until = step_ends_at(inputs);
	if (inputs.now >= until) {
		return give_up(inputs, awaited + ", after " + age_text(inputs.data.switchover->timeout));
	}
	return wait_for(rule, "Switchover " + inputs.data.switchover->id + " waits: " + awaited + ".",
	                until);
}

/// S-21.
SentinelDecision checkpoint(const SentinelInputs &inputs, const Db &master) {
	const Switchover &switchover = *inputs.data.switchover;
	if (const std::string why = objection(inputs, master); !why.empty()) {
		return give_up(inputs, why);
	}
	if (info_of(inputs, master)->checkpointed_for != switchover.id) {
		return wait_or_give_up(inputs, "S-21",
		                       "the master's checkpoint has not ended, or a standby "
		                       "that is far behind would hold up its stop (the master's "
		                       "log names it)");
	}
	// The release tells what the last beat has told. One that was not writable yet proves nothing
	// about the end of its WAL, so that the old master's data would be made anew.
	if (!beat_of(inputs, master.keeper)->beat.writable) {
		return wait_or_give_up(inputs, "S-21", "no beat has told yet that the master is writable");
	}
	const Db &target = *inputs.data.find_db(switchover.target);
	// It saves time after the promotion, but nothing rests on it.
	const Instant patience = step_began_at(inputs) + switchover.timeout / 2;
	if (info_of(inputs, target)->checkpointed_for != switchover.id && inputs.now < patience) {
		return wait_for(
		    "S-21",
		    "Switchover " + switchover.id + " waits: the target's restartpoint has not ended.",
		    patience);
	}
	if (!objection_to_lag(inputs, master, target).empty()) {
		// The numbers change all the time, and each change would be a line in the log.
		return inputs.now < step_ends_at(inputs)
		           ? wait_or_give_up(inputs, "S-21", "the target is not close enough")
		           : give_up(inputs, objection_to_lag(inputs, master, target));
	}
	return next_step(inputs, "S-21", Phase::Pause,
	                 "the checkpoint is written and the target is close; clients are to wait.");
}

/// S-22.
SentinelDecision pause(const SentinelInputs &inputs, const Db &master) {
	const Switchover &switchover = *inputs.data.switchover;
	if (const std::string why = objection(inputs, master); !why.empty()) {
		return give_up(inputs, why);
	}
	std::vector<std::string> busy;
	for (const auto &[uid, proxy] : inputs.proxies) {
		if (proxy.paused_for != switchover.id) {
			busy.push_back(uid.value);
		}
	}
	if (!busy.empty()) {
		return wait_or_give_up(inputs, "S-22", "transactions are open behind " + join(busy, ", "));
	}
	// Clients that know no proxy have gone on, and perhaps the target has not.
	const Db &target = *inputs.data.find_db(switchover.target);
	if (const std::string lag = objection_to_lag(inputs, master, target); !lag.empty()) {
		return inputs.now < step_ends_at(inputs)
		           ? wait_or_give_up(inputs, "S-22", "the target has fallen behind")
		           : give_up(inputs, lag);
	}
	return next_step(inputs, "S-22", Phase::Stop,
	                 "no proxy has a transaction open; the master is to stop.");
}

/// The launcher is at work. It escalates by itself, and its release leads on.
bool is_being_stopped(const SentinelInputs &inputs, const Db &master) {
	const NodeInfo *node = node_of(inputs, master.keeper);
	return node && (node->phase == NodePhase::Stopping || node->phase == NodePhase::Stopped);
}

/// The master is named and has not released yet: what S-05 and S-06 wait for as well.
std::optional<SentinelDecision> stop(const SentinelInputs &inputs, const Db &master) {
	if (judge_master(inputs, master).state == MasterHealth::State::Released ||
	    is_being_stopped(inputs, master)) {
		return std::nullopt;
	}
	return wait_or_give_up(inputs, "S-24",
	                       "the master " + name_of(inputs, master.uid) + " has not stopped");
}

/// S-23.
std::optional<SentinelDecision> promote(const SentinelInputs &inputs) {
	const Switchover &switchover = *inputs.data.switchover;
	const Db *master = inputs.data.find_db(inputs.data.master);
	const KeeperInfo *info = master ? info_of(inputs, *master) : nullptr;
	if (!info || !info->writable || info->writable_epoch != inputs.data.epoch) {
		return std::nullopt;
	}
	const std::string name = name_of(inputs, master->uid) + " is the master";
	const bool as_asked = master->uid == switchover.target || switchover.to.empty();
	return end(inputs, "S-23", as_asked ? Phase::Done : Phase::Failed,
	           as_asked ? name : name + "; the target did not have everything, or did not vote");
}

/// Whether the view is still the one that this step began with.
bool is_as_expected(const SentinelInputs &inputs) {
	const ClusterData &data = inputs.data;
	const Switchover &switchover = *data.switchover;
	switch (switchover.phase) {
		case Phase::Checkpoint:
		case Phase::Pause:
			return data.master == switchover.from && data.epoch == switchover.epoch;
		case Phase::Stop:
			// A permit to start again (S-07) says that nobody else could take over.
			return switchover_of_election(inputs) ||
			       (data.master == switchover.from && data.epoch == switchover.epoch &&
			        !data.resume);
		case Phase::Promote:
			return !data.election && data.epoch == switchover.epoch.next();
		default:
			return true;
	}
}

/// S-24: other rules have decided about the master.
SentinelDecision end_as_it_came(const SentinelInputs &inputs) {
	const Switchover &switchover = *inputs.data.switchover;
	const std::string step = std::string("in step ") + to_string(switchover.phase) + ": ";
	if (inputs.data.master == switchover.from) {
		return end(inputs, "S-24", Phase::Undone,
		           step + "nobody could take over without loss, so the old master is master again");
	}
	return end(inputs, "S-24", Phase::Failed,
	           step + "a master has failed meanwhile; see the elections since then");
}

}  // namespace

const Switchover *switchover_of_election(const SentinelInputs &inputs) {
	const auto &switchover = inputs.data.switchover;
	const auto &election = inputs.data.election;
	const bool matches = switchover && switchover->phase == Phase::Stop && election &&
	                     election->old_master == switchover->from &&
	                     election->epoch == switchover->epoch.next();
	return matches ? &*switchover : nullptr;
}

std::optional<Instant> release_awaited_until(const SentinelInputs &inputs, const Db &master) {
	const auto &switchover = inputs.data.switchover;
	const NodeInfo *node = node_of(inputs, master.keeper);
	if (!switchover || switchover->phase != Phase::Stop || switchover->from != master.uid ||
	    !node || node->db != master.uid || !is_being_stopped(inputs, master)) {
		return std::nullopt;
	}
	// At the end of the step the launcher's stop becomes an immediate one.
	const Instant until =
	    plus(step_ends_at(inputs), LauncherTimes::immediate_stop + inputs.data.spec.fail_interval);
	return inputs.now < until ? std::optional<Instant>(until) : std::nullopt;
}

std::optional<SentinelDecision> lead_switchover(const SentinelInputs &inputs) {
	if (!inputs.data.switchover || inputs.data.switchover->is_over()) {
		return std::nullopt;
	}
	const Switchover &switchover = *inputs.data.switchover;
	if (switchover.cancel && switchover.phase < Phase::Stop) {
		return cancel(inputs);
	}
	if (switchover.phase == Phase::Requested) {
		auto wait = wait_for_its_time(inputs);
		return wait ? std::move(*wait) : accept(inputs);
	}
	if (!is_as_expected(inputs)) {
		return end_as_it_came(inputs);
	}
	const Db *master =
	    inputs.data.master.empty() ? nullptr : inputs.data.find_db(inputs.data.master);
	if (!master) {
		return std::nullopt;
	}
	switch (switchover.phase) {
		case Phase::Checkpoint:
			return checkpoint(inputs, *master);
		case Phase::Pause:
			return pause(inputs, *master);
		case Phase::Stop:
			return stop(inputs, *master);
		case Phase::Promote:
			return promote(inputs);
		default:
			return std::nullopt;
	}
}

}  // namespace stolon::core::sentinel
