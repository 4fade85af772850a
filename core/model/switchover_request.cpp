#include "core/model/switchover_request.h"

#include <algorithm>

namespace stolon::core {

namespace {

std::string problem_of_time(const Switchover &request, WallTime now) {
	if (!request.at)
		return {};
	if (*request.at < now)
		return "the time " + format_wall_time(*request.at) + " is over, it is " +
		       format_wall_time(now);
	if (*request.at - now > SwitchoverLimits::max_ahead)
		return "the time " + format_wall_time(*request.at) + " is more than a year away";
	return {};
}

}  // namespace

bool is_switchover_id(std::string_view text) {
	return text.size() == SwitchoverLimits::id_digits &&
	       std::all_of(text.begin(), text.end(),
	                   [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<ClusterData> with_switchover(ClusterData data, const Switchover &request,
                                    bool sentinel_leads, WallTime now) {
	if (data.switchover && !data.switchover->is_over())
		return invalid("switchover " + data.switchover->id + " is " +
		               (data.switchover->is_running() ? "under way (" : "there already (") +
		               describe_state(*data.switchover) + "); wait for its end, or cancel it");
	if (!sentinel_leads)
		return invalid("no sentinel leads, so nobody would carry it out; start one");
	if (!request.to.empty() && !data.find_keeper(request.to))
		return invalid("there is no keeper " + request.to.value);
	if (const std::string problem = problem_of_time(request, now); !problem.empty())
		return invalid(problem);
	data.switchover = request;
	++data.generation;
	return data;
}

Result<ClusterData> with_cancelled_switchover(ClusterData data, const std::string &id) {
	if (!data.switchover)
		return invalid("there is no switchover to cancel");
	Switchover &switchover = *data.switchover;
	if (!id.empty() && switchover.id != id)
		return invalid("switchover " + id + " is not the present one, which is " + switchover.id +
		               " (" + describe_state(switchover) + ")");
	if (switchover.is_over())
		return invalid("switchover " + switchover.id + " is over (" + describe_state(switchover) +
		               ")");
	if (switchover.phase >= SwitchoverPhase::Stop)
		return invalid("too late: switchover " + switchover.id + " is " +
		               describe_state(switchover) + ", the master is being replaced");
	switchover.cancel = true;
	++data.generation;
	return data;
}

}  // namespace stolon::core
