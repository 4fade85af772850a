#include "stolonctl/spec_warnings.h"

#include <cstdio>

namespace stolon::ctl {

std::vector<std::string> spec_warnings(const core::ClusterSpec &spec,
                                       const core::ClusterData *data) {
	std::vector<std::string> warnings;
	for (const std::string &name : core::unknown_spec_options(spec)) {
		warnings.push_back("\"" + name +
		                   "\" is no option of the cluster spec; it is kept, and has no effect");
	}
	for (const auto &[uid, options] : spec.keepers) {
		if (data && !data->find_keeper(uid)) {
			warnings.push_back("keepers: there is no keeper " + uid.value +
			                   " yet; `stolonctl status` lists them");
		}
	}
	return warnings;
}

void print_spec_warnings(const core::ClusterSpec &spec, const core::ClusterData *data) {
	for (const std::string &warning : spec_warnings(spec, data)) {
		std::fprintf(stderr, "stolonctl: warning: %s\n", warning.c_str());
	}
}

}  // namespace stolon::ctl
