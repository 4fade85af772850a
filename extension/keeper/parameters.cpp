#include "extension/keeper/parameters.h"

#include "extension/bridge/guard.h"

namespace stolon::pg {

namespace {

/// Names with a dot belong to libraries that may be loaded later.
bool is_known(const char *name) {
	bool known = false;
	guarded([name, &known] { known = parameter_exists(name); });
	return known;
}

/// "" when the server takes it. Nothing is set.
std::string problem_of(const std::string &name, const std::string &value) {
	if (name.find('.') != std::string::npos)
		return {};
	const char *name_text = name.c_str();
	const char *value_text = value.c_str();
	if (!is_known(name_text))
		return "this server has no parameter \"" + name + "\"";
	try {
		guarded([name_text, value_text] {
			set_config_option(name_text, value_text, PGC_POSTMASTER, PGC_S_FILE, GUC_ACTION_SET,
			                  false, ERROR, false);
		});
	} catch (const PgError &error) {
		return error.what();
	}
	return {};
}

}  // namespace

core::ClusterSpec UsableParameters::of(const core::ClusterSpec &spec) {
	if (spec.pg_parameters != given_) {
		usable_ = spec.pg_parameters;
		problem_.clear();
		std::erase_if(usable_, [this](const auto &parameter) {
			const std::string why = problem_of(parameter.first, parameter.second);
			if (!why.empty())
				problem_ = "pgParameters: " + why + "; it is left out";
			return !why.empty();
		});
		given_ = spec.pg_parameters;
	}
	core::ClusterSpec usable = spec;
	usable.pg_parameters = usable_;
	return usable;
}

}  // namespace stolon::pg
