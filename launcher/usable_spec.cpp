#include "launcher/usable_spec.h"

#include "launcher/server_setting.h"

namespace stolon::launcher {

namespace {

using Parameters = std::map<std::string, std::string>;

bool accepts(const std::string &bin_path, const std::string &pgdata, Parameters parameters,
             Errors errors) {
	// Without stolon.conf, which may hold what is to be judged.
	parameters["config_file"] = "/dev/null";
	return server_setting(bin_path, pgdata, "port", parameters, errors).ok();
}

}  // namespace

UsableSpec usable_spec(const std::string &bin_path, const std::string &pgdata,
                       const core::ClusterSpec &spec) {
	UsableSpec usable{spec, {}};
	Parameters &parameters = usable.spec.pg_parameters;
	if (parameters.empty() || accepts(bin_path, pgdata, parameters, Errors::Discard) ||
	    !accepts(bin_path, pgdata, {}, Errors::Discard))
		return usable;
	std::erase_if(parameters, [&](const auto &parameter) {
		if (accepts(bin_path, pgdata, {parameter}, Errors::Tell))
			return false;
		usable.left_out.push_back(parameter.first);
		return true;
	});
	return usable;
}

}  // namespace stolon::launcher
