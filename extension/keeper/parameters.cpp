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

core::ClusterSpec usable_spec(const core::ClusterSpec &spec, std::string *problem) {
	core::ClusterSpec usable = spec;
	problem->clear();
	std::erase_if(usable.pg_parameters, [problem](const auto &parameter) {
		const std::string why = problem_of(parameter.first, parameter.second);
		if (why.empty())
			return false;
		*problem = "pgParameters: " + why + "; it is left out";
		return true;
	});
	return usable;
}

}  // namespace stolon::pg
