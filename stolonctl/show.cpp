// The commands that only read.
#include <cstdio>

#include "stolonctl/commands.h"
#include "stolonctl/connection.h"
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

int run_spec(const program::CommonOptions &common) {
	auto loaded = load_initialised(common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return failure->exit_code;
	}
	return print(core::spec_to_json(std::get<ClusterView>(loaded).data->spec).dump(true) + "\n");
}

}  // namespace stolon::ctl
