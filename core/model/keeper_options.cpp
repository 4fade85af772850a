#include "core/model/keeper_options.h"

#include "core/model/clusterdata.h"
#include "core/model/spec_options.h"

namespace stolon::core {
namespace {

constexpr std::string_view priority_name = "failoverPriority";

Error refuse(std::string_view name, const std::string &what) {
	return invalid(std::string(name) + ": " + what);
}

Result<KeeperOptions> parse_one(const Json &value, const std::string &name) {
	const auto given = OptionMap::of(value, name);
	if (!given)
		return given.error();
	// A misspelled option would let a keeper become master that never should.
	for (const std::string &key : value.keys())
		if (to_lower(key) != to_lower(priority_name))
			return refuse(name, "\"" + key + "\" is not known; allowed is \"failoverPriority\"");
	KeeperOptions options;
	const Json priority = given->get(priority_name);
	if (priority.is_missing())
		return options;
	if (!priority.is_integer() || priority.as_integer() < 0 ||
	    priority.as_integer() > KeeperOptions::max_priority)
		return refuse(
		    name + ".failoverPriority",
		    priority.dump().substr(0, 40) +
		        " is not acceptable; allowed is an integer from 0 (never the master) to " +
		        std::to_string(KeeperOptions::max_priority));
	options.failover_priority = static_cast<int>(priority.as_integer());
	return options;
}

}  // namespace

Result<KeeperOptionsMap> parse_keeper_options(const Json &value, std::string_view name) {
	if (!value.is_object())
		return refuse(name, "must be an object, such as {\"node3\": {\"failoverPriority\": 0}}");
	if (value.size() > ModelLimits::max_keepers)
		return refuse(name, "has " + std::to_string(value.size()) + " entries; " +
		                        std::to_string(ModelLimits::max_keepers) + " are allowed");
	KeeperOptionsMap map;
	for (const std::string &key : value.keys()) {
		const auto uid = KeeperUid::parse(key);
		if (!uid)
			return refuse(name, uid.error().message);
		const auto options = parse_one(value.get(key), std::string(name) + "." + key);
		if (!options)
			return options.error();
		map.emplace(*uid, *options);
	}
	return map;
}

Json keeper_options_to_json(const KeeperOptionsMap &options) {
	Json object = Json::object();
	for (const auto &[uid, one] : options) {
		Json inner = Json::object();
		if (one.failover_priority != KeeperOptions::usual_priority)
			inner.set(priority_name, Json::integer(one.failover_priority));
		object.set(uid.value, std::move(inner));
	}
	return object;
}

}  // namespace stolon::core
