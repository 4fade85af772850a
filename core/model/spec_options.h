// Option names of the cluster spec: matched without regard to case, and the ones that stolon has
// and this version cannot honour. Used by spec.cpp only.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/base/json.h"

namespace stolon::core {

/// ASCII letters in lower case; everything else stays.
std::string to_lower(std::string_view text);

/// The fields of an object by their name in any case.
class OptionMap {
public:
	/// Invalid, beginning with `what`, if it is no object or two keys differ only in case.
	static Result<OptionMap> of(const Json &object, std::string_view what);

	/// Missing if it is not there or null.
	Json get(std::string_view name) const;

private:
	std::map<std::string, Json> values_;  ///< by lower-case name
};

/// Refuses an option that stolon has and this version would silently not honour. A value that says
/// what this version does anyway is let through.
Status check_unsupported(const OptionMap &options);

/// True for the names that check_unsupported knows, in any case.
bool is_stolon_option(std::string_view name);

}  // namespace stolon::core
