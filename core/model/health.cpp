#include "core/model/health.h"

#include <algorithm>
#include <string>

namespace stolon::core {
namespace {

Duration or_default(Duration given, Duration fallback) {
	return given > Duration(0) ? given : fallback;
}

Status check_timeout(const char *name, Duration value, Duration low) {
	if (value == Duration(0) || value >= low)
		return {};
	return invalid(std::string(name) + ": \"" + format_duration(value) +
	               "\" is too short; write at least \"" + format_duration(low) +
	               "\", or \"0s\" for failInterval");
}

}  // namespace

HealthLimits health_limits(const ClusterSpec &spec) {
	HealthLimits limits;
	limits.keeper_stall =
	    std::max(or_default(spec.keeper_stall_timeout, spec.fail_interval), min_keeper_stall);
	limits.recovery = or_default(spec.recovery_timeout, spec.fail_interval);
	limits.wal_stall = or_default(spec.wal_stall_timeout, spec.fail_interval);
	limits.min_wal_free = spec.min_wal_free_space;
	return limits;
}

Duration repair_bound(const ClusterSpec &spec) {
	if (spec.standby_repair_timeout == Duration(0))
		return Duration(0);
	return std::max({spec.standby_repair_timeout, spec.sleep_interval * 2, spec.fail_interval * 2});
}

Status check_health_options(const ClusterSpec &spec) {
	const Status statuses[] = {
	    check_timeout("keeperStallTimeout", spec.keeper_stall_timeout, min_keeper_stall),
	    check_timeout("recoveryTimeout", spec.recovery_timeout, min_health_timeout),
	    check_timeout("walStallTimeout", spec.wal_stall_timeout, min_health_timeout),
	};
	for (const Status &status : statuses)
		if (!status)
			return status;
	return {};
}

}  // namespace stolon::core
