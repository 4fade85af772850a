#include "proxy-hook/read_probes.h"

#include <algorithm>

namespace stolon::proxy {

namespace {

constexpr auto never = core::seconds(3600);

}  // namespace

void ReadProbes::watch(const std::vector<core::Backend> &standbys) {
	std::erase_if(probes_, [&](const auto &one) {
		return std::find(standbys.begin(), standbys.end(), one.first) == standbys.end();
	});
	for (const core::Backend &standby : standbys) {
		std::unique_ptr<Probe> &probe = probes_[standby];
		if (!probe) {
			probe = std::make_unique<Probe>(loop_);
			probe->watch(standby);
		}
	}
}

core::Instant ReadProbes::step(core::Instant now) {
	core::Instant wake = now + never;
	for (const auto &[standby, probe] : probes_) {
		wake = std::min(wake, probe->step(now));
	}
	return wake;
}

std::set<core::Backend> ReadProbes::refusing() const {
	std::set<core::Backend> out;
	for (const auto &[standby, probe] : probes_) {
		if (probe->is_refused()) {
			out.insert(standby);
		}
	}
	return out;
}

}  // namespace stolon::proxy
