// stolonctl: the operator's command.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "stolonctl/commands.h"

namespace {

constexpr const char *exit_codes =
    "Exit codes: 0 done; 1 failed (a message says why); 2 wrong arguments;\n"
    "3 the store cannot be reached.";

}  // namespace

int main(int argc, char **argv) {
	using namespace stolon;
	CLI::App app("Operates a stolon cluster.", "stolonctl");
	app.footer(exit_codes);
	app.require_subcommand(1);
	program::CommonOptions common;
	program::add_common_options(app, common);
	// `stolonctl version` needs no cluster; the other commands ask for the name themselves.
	app.get_option("--cluster-name")->required(false);

	auto add = [&app](const char *name, const char *help) {
		CLI::App *command = app.add_subcommand(name, help);
		command->fallthrough();
		command->footer(
		    std::string(
		        "The options for the store may be given here, too: see stolonctl --help.\n") +
		    exit_codes);
		return command;
	};
	ctl::InitOptions init_options;
	CLI::App *init =
	    add("init",
	        "Initialise a new cluster. Refuses when anything of a cluster of this name "
	        "exists; nothing is ever overwritten.");
	CLI::Option *text =
	    init->add_option("spec", init_options.spec_text, "The cluster spec, as JSON (default: {})");
	init->add_option("-f,--file", init_options.spec_file,
	                 "Read the spec from this file, - is standard input")
	    ->excludes(text);
	init->add_option(
	    "--from-keeper", init_options.from_keeper,
	    "After the store was lost: go on with the data of this keeper. Give the spec of "
	    "before, too");
	init->add_flag("--force", init_options.force,
	               "With --from-keeper: although another keeper may have newer data")
	    ->needs("--from-keeper");
	bool yes = false;
	init->add_flag("-y,--yes", yes, "Accepted for scripts; there is nothing to confirm");
	bool as_json = false;
	CLI::App *status =
	    add("status", "Show the cluster: master, election, keepers, sentinels, proxies.");
	status->add_flag("--json", as_json, "As JSON, for programs");
	ctl::SwitchoverOptions switchover_options;
	CLI::App *switchover = add("switchover",
	                           "Make another keeper the master. Clients of the proxies wait "
	                           "meanwhile; the old master becomes a standby.");
	switchover->add_option("--to", switchover_options.to,
	                       "The keeper (default: the standby that is closest)");
	switchover
	    ->add_option("--timeout", switchover_options.timeout,
	                 "For each step; one that takes longer ends the switchover, and while the "
	                 "master has not been stopped everything is as before")
	    ->capture_default_str();
	CLI::Option *at = switchover->add_option("--at", switchover_options.at,
	                                         "Begin at this time (RFC 3339, or 'YYYY-MM-DD "
	                                         "HH:MM[:SS]' here); the command does not wait");
	CLI::Option *cancel =
	    switchover
	        ->add_option("--cancel", switchover_options.cancelled_id,
	                     "End the present switchover, or the one of this ID, scheduled or under "
	                     "way, before the master is stopped")
	        ->expected(0, 1)
	        ->type_name("[ID]")
	        ->excludes(at);
	std::string diverged_keeper;
	CLI::App *diverged = add("diverged",
	                         "List what was set aside on the keepers: WAL that only one of them "
	                         "had, and data directories that were replaced.");
	diverged->add_option("keeper", diverged_keeper, "Only of this keeper");
	std::string removed;
	CLI::App *removekeeper = add(
	    "removekeeper",
	    "Forget a keeper that is not there any more, with its replication slots. Refused for the "
	    "master, and for a keeper that is present. Its data directory is not touched.");
	removekeeper->add_option("keeper", removed, "The keeper's uid")->required();
	CLI::App *spec = add("spec", "Print the cluster spec in effect, as JSON.");
	CLI::App *update = add("update",
	                       "Change the cluster spec, at once and while everything runs: "
	                       "stolonctl update --patch '{\"maxStandbyLag\": 4194304}'");
	std::string patch;
	update
	    ->add_option("--patch,patch", patch,
	                 "JSON that is merged into the spec; null takes an option out")
	    ->required();
	CLI::App *version = add("version", "Print the version.");

	if (std::optional<int> code = program::parse_arguments(app, argc, argv)) {
		return *code;
	}
	program::init_logging("stolonctl", common.log_level);
	if (init->parsed()) {
		return ctl::run_init(common, init_options);
	}
	if (status->parsed()) {
		return ctl::run_status(common, as_json);
	}
	if (switchover->parsed()) {
		switchover_options.cancel = cancel->count() > 0;
		return ctl::run_switchover(common, switchover_options);
	}
	if (diverged->parsed()) {
		return ctl::run_diverged(common, diverged_keeper);
	}
	if (removekeeper->parsed()) {
		return ctl::run_removekeeper(common, removed);
	}
	if (spec->parsed()) {
		return ctl::run_spec(common);
	}
	if (update->parsed()) {
		return ctl::run_update(common, patch);
	}
	if (version->parsed()) {
		std::puts(program::version_text().c_str());
	}
	return program::ExitOk;
}
