// The commands that only read.
#include <cstdio>

#include "stolonctl/commands.h"
#include "stolonctl/connection.h"
#include "stolonctl/diverged.h"
#include "stolonctl/status.h"

namespace stolon::ctl {

namespace {

int print(const std::string &text) {
	const bool written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
	return written ? program::ExitOk
	               : fail(program::ExitFailed, "cannot write to standard output").exit_code;
}

}  // namespace

int run_status(const program::CommonOptions &common, bool as_json) {
	auto loaded = load_initialised(common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return failure->exit_code;
	}
	const ClusterView &view = std::get<ClusterView>(loaded);
	const StatusReport report = make_report(view);
	return print(as_json ? status_json(common.cluster_name, view, report).dump(true) + "\n"
	                     : status_text(common.cluster_name, view, report));
}

int run_diverged(const program::CommonOptions &common, const std::string &keeper) {
	core::KeeperUid only;
	if (!keeper.empty()) {
		const auto uid = core::KeeperUid::parse(keeper);
		if (!uid.ok()) {
			return fail(program::ExitUsage, "keeper: " + uid.error().message).exit_code;
		}
		only = *uid;
	}
	auto loaded = load_initialised(common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return failure->exit_code;
	}
	const ClusterView &view = std::get<ClusterView>(loaded);
	if (!only.empty() && view.nodes.count(only) == 0) {
		return fail(program::ExitFailed, "no launcher of keeper \"" + keeper +
		                                     "\" is present, and nobody else knows what lies "
		                                     "there; start it, or look for postgres.diverged-* in "
		                                     "its data directory")
		    .exit_code;
	}
	return print(diverged_text(view, only));
}

int run_spec(const program::CommonOptions &common) {
	auto loaded = load_initialised(common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return failure->exit_code;
	}
	return print(core::spec_to_json(std::get<ClusterView>(loaded).data->spec).dump(true) + "\n");
}

}  // namespace stolon::ctl
