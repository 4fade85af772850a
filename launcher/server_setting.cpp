#include "launcher/server_setting.h"

#include "launcher/process.h"

namespace stolon::launcher {

core::Result<std::string> server_setting(const std::string &bin_path, const std::string &pgdata,
                                         const std::string &name,
                                         const std::map<std::string, std::string> &parameters,
                                         Errors errors) {
	Command command;
	command.argv = {bin_path + "/postgres", "-D", pgdata, "-C", name};
	for (const auto &[parameter, value] : parameters) {
		command.argv.emplace_back("-c");
		command.argv.push_back(parameter + "=" + value);
	}
	command.discard_errors = errors == Errors::Discard;
	constexpr std::size_t max_size = 64 * 1024;
	auto text = text_of_command(command, max_size);
	if (text.ok())
		while (text->ends_with('\n'))
			text->pop_back();
	return text;
}

}  // namespace stolon::launcher
