#include "launcher/usable_spec.h"

#include "launcher/process.h"

namespace stolon::launcher {

namespace {

using Parameters = std::map<std::string, std::string>;

bool accepts(const std::string &bin_path, const std::string &pgdata, const Parameters &parameters,
             bool discard_errors) {
	Command command;
	// Without stolon.conf, which may hold what is to be judged.
	command.argv = {bin_path + "/postgres", "-D", pgdata, "-C", "port", "-c",
	                "config_file=/dev/null"};
	for (const auto &[name, value] : parameters) {
		command.argv.emplace_back("-c");
		command.argv.push_back(name + "=" + value);
	}
	command.discard_output = true;
	command.discard_errors = discard_errors;
	return run_command(command).ok();
}

}  // namespace

UsableSpec usable_spec(const std::string &bin_path, const std::string &pgdata,
                       const core::ClusterSpec &spec) {
	UsableSpec usable{spec, {}};
	Parameters &parameters = usable.spec.pg_parameters;
	if (parameters.empty() || accepts(bin_path, pgdata, parameters, true) ||
	    !accepts(bin_path, pgdata, {}, true))
		return usable;
	std::erase_if(parameters, [&](const auto &parameter) {
		if (accepts(bin_path, pgdata, {parameter}, false))
			return false;
		usable.left_out.push_back(parameter.first);
		return true;
	});
	return usable;
}

}  // namespace stolon::launcher
