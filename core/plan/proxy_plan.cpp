#include "core/plan/proxy_plan.h"

#include <algorithm>

namespace stolon::core {

namespace {

/// What the named master's keeper says about the incarnation that is named. Nothing, when its info
/// is absent or is about another one.
enum class Word { Nothing, NotWritable, Writable };

Word word_of_master(const ProxyInputs &inputs) {
	const Keeper *keeper = inputs.data->master_keeper();
	if (keeper == nullptr) {
		return Word::Nothing;
	}
	auto info = inputs.infos.find(keeper->uid);
	if (info == inputs.infos.end() || info->second.db != inputs.data->master) {
		return Word::Nothing;
	}
	const bool writable =
	    info->second.writable && info->second.writable_epoch == inputs.data->epoch;
	return writable ? Word::Writable : Word::NotWritable;
}

std::optional<Backend> address_of(const ClusterData &data, const DbUid &uid) {
	const Keeper *keeper = data.reachable_keeper_of(uid);
	return keeper ? std::optional(Backend{keeper->host, keeper->port}) : std::nullopt;
}

ProxyDecision queue(const ProxyInputs &inputs, Reason reason) {
	ProxyDecision decision;
	decision.goal = ProxyGoal::Queue;
	decision.reason = std::move(reason);
	if (inputs.data) {
		decision.epoch = inputs.data->epoch;
		decision.master = address_of(*inputs.data, inputs.data->master);
	}
	return decision;
}

bool is_served(const ProxyInputs &inputs, const Backend &master) {
	return !inputs.state.paused && inputs.state.master == master &&
	       inputs.state.epoch == inputs.data->epoch;
}

ProxyDecision serve(const ProxyInputs &inputs, const Backend &master) {
	ProxyDecision decision;
	decision.goal = is_served(inputs, master) ? ProxyGoal::Keep : ProxyGoal::Serve;
	decision.master = master;
	decision.epoch = inputs.data->epoch;
	decision.readers_follow = true;
	decision.reason = {"P-05", "the master is writable"};
	return decision;
}

ProxyDecision keep(const ProxyInputs &inputs, Reason reason) {
	ProxyDecision decision;
	decision.master = inputs.state.master;
	decision.epoch = inputs.state.epoch;
	decision.reason = std::move(reason);
	return decision;
}

/// Beyond its timeout the sentinel ends a step itself; its word takes a moment.
constexpr Duration pause_slack = seconds(1);

/// When the pause that the view's switchover asks for ends at the latest; nullopt: it asks for
/// none.
std::optional<Instant> switchover_pauses_until(const ProxyInputs &inputs) {
	const auto &switchover = inputs.data->switchover;
	const bool pauses = switchover &&
	                    (switchover->phase == SwitchoverPhase::Pause ||
	                     switchover->phase == SwitchoverPhase::Stop) &&
	                    switchover->from == inputs.data->master &&
	                    switchover->epoch == inputs.data->epoch;
	if (!pauses) {
		return std::nullopt;
	}
	const Instant until = inputs.switchover_step_seen_at + switchover->timeout + pause_slack;
	return inputs.now < until ? std::optional(until) : std::nullopt;
}

ProxyDecision pause_for_switchover(const ProxyInputs &inputs, Instant until) {
	const Switchover &switchover = *inputs.data->switchover;
	ProxyDecision decision =
	    queue(inputs, {"P-10", "switchover " + switchover.id + " is under way"});
	decision.master = address_of(*inputs.data, switchover.target);
	decision.paused_for = switchover.id;
	decision.wake_at = until;
	return decision;
}

/// The named master cannot be served yet. Whoever is still connected to another one is cut: an
/// idle session there would notice only at its next statement, if at all.
ProxyDecision wait_for_master(const ProxyInputs &inputs, const Backend &master, Reason reason) {
	ProxyDecision decision = queue(inputs, std::move(reason));
	if (inputs.state.master && *inputs.state.master != master) {
		decision.goal = ProxyGoal::Close;
		decision.reason = {"P-11", "another master is named, and it is not writable yet"};
	}
	return decision;
}

ProxyDecision decide_by_master(const ProxyInputs &inputs) {
	const std::optional<Backend> master = address_of(*inputs.data, inputs.data->master);
	if (!master) {
		return queue(
		    inputs, {"P-03", inputs.data->election ? "an election is open" : "no master is named"});
	}
	if (const auto until = switchover_pauses_until(inputs)) {
		return pause_for_switchover(inputs, *until);
	}
	if (inputs.master_released) {
		return queue(inputs, {"P-04", "the master has ended"});
	}
	if (inputs.master_refuses) {
		return queue(inputs, {"P-09", "connections to the master are refused"});
	}
	switch (word_of_master(inputs)) {
		case Word::Writable:
			return serve(inputs, *master);
		case Word::NotWritable:
			return wait_for_master(inputs, *master, {"P-06", "the master is not writable"});
		case Word::Nothing:
			break;
	}
	if (is_served(inputs, *master)) {
		return keep(inputs, {"P-07", "the master's keeper is silent; nothing else is known"});
	}
	return wait_for_master(inputs, *master,
	                       {"P-08", "the master has not said yet that it is writable"});
}

}  // namespace

ProxyDecision plan_proxy(const ProxyInputs &inputs) {
	const Instant view_expires = inputs.view_confirmed_at + inputs.proxy_timeout;
	if (inputs.now >= view_expires) {
		ProxyDecision decision;
		decision.goal = ProxyGoal::Close;
		decision.without_view = true;
		decision.reason = {"P-01", "the cluster view could not be confirmed for " +
		                               format_duration(inputs.proxy_timeout)};
		return decision;
	}
	ProxyDecision decision = inputs.data ? decide_by_master(inputs)
	                                     : keep(inputs, {"P-02", "no cluster view was seen yet"});
	decision.without_view = !inputs.data;
	decision.wake_at = std::min(decision.wake_at.value_or(view_expires), view_expires);
	return decision;
}

}  // namespace stolon::core
