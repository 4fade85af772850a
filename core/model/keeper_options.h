// What an operator says of single keepers: the option `keepers` of the cluster spec,
// {"node3": {"failoverPriority": 0}}.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/base/types.h"

namespace stolon::core {

struct KeeperOptions {
	static constexpr int usual_priority = 100;
	static constexpr int max_priority = 1000;

	/// failoverPriority: among standbys that have received equally much the highest becomes master.
	/// 0: it is never elected.
	int failover_priority = usual_priority;

	bool operator==(const KeeperOptions &) const = default;
};

/// By keeper; those that are not named have the defaults.
using KeeperOptionsMap = std::map<KeeperUid, KeeperOptions>;

/// Invalid, beginning with `name`, for anything but an object of objects with known options.
Result<KeeperOptionsMap> parse_keeper_options(const Json &value, std::string_view name);
Json keeper_options_to_json(const KeeperOptionsMap &options);

}  // namespace stolon::core
