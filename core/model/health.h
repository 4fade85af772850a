// From when on a master counts as unfit: the limits that the spec sets, with the defaults filled
// in.
#pragma once

#include <cstdint>

#include "core/model/spec.h"

namespace stolon::core {

/// A master beyond one of these says so in its beats (Beat::unfit).
struct HealthLimits {
	Duration keeper_stall{0};  ///< the keeper worker has not gone round its loop for so long
	Duration recovery{0};      ///< recovery or a promotion has not ended for so long
	Duration wal_stall{0};     ///< backends have waited for a WAL flush for so long, and none ended
	std::uint64_t min_wal_free = 0;  ///< free bytes where pg_wal lies; 0: not looked at

	bool operator==(const HealthLimits &) const = default;
};

/// keeperStallTimeout is at least so long: a busy machine keeps a healthy worker waiting, too.
constexpr Duration min_keeper_stall = seconds(2);
/// The other two: below it, mere slowness would cost the lease.
constexpr Duration min_health_timeout = seconds(1);

/// A timeout of 0s stands for failInterval (keeperStallTimeout: for at least `min_keeper_stall`).
HealthLimits health_limits(const ClusterSpec &spec);

/// From when on a standby that neither streams nor gets on is to be made anew:
/// standbyRepairTimeout, but long enough that what it publishes can tell that it gets on. 0: never.
Duration repair_bound(const ClusterSpec &spec);

/// Invalid, with the option's name, if one is set to less than is allowed.
Status check_health_options(const ClusterSpec &spec);

}  // namespace stolon::core
