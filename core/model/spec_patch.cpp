#include "core/model/spec_patch.h"

#include "core/model/spec_options.h"

namespace stolon::core {
namespace {

/// The name by which `object` has this field already, in whatever case.
std::string name_in(const Json &object, const std::string &name) {
	for (const std::string &key : object.keys())
		if (to_lower(key) == to_lower(name))
			return key;
	return name;
}

Json merge(const Json &target, const Json &patch) {
	if (!patch.is_object())
		return patch;
	Json merged = target.is_object() ? target : Json::object();
	for (const std::string &name : patch.keys()) {
		const Json value = patch.get(name);
		const std::string place = name_in(merged, name);
		if (value.is_null())
			merged.erase(place);
		else
			merged.set(place, merge(merged.get(place), value));
	}
	return merged;
}

}  // namespace

Result<ClusterSpec> patch_spec(const ClusterSpec &spec, const Json &patch) {
	if (!patch.is_object())
		return invalid("the patch must be an object, such as {\"failInterval\": \"3s\"}");
	const Json before = spec_to_stored_json(spec);
	auto after = parse_spec(merge(before, patch));
	if (!after)
		return after.error();
	for (const std::string &name : patch.keys())
		if (to_lower(name) == "newconfig" && after->new_config_initdb != spec.new_config_initdb)
			return invalid("newConfig: has been used already, by the first master's initdb");
	return after;
}

}  // namespace stolon::core
