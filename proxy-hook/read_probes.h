// Notices at once that a standby's Postgres is gone, as Probe does for the master: until its
// launcher's presence has run out the view still has it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "proxy-hook/probe.h"

namespace stolon::proxy {

class ReadProbes {
public:
	explicit ReadProbes(program::Loop &loop) : loop_(loop) {}

	/// Whom to watch from now on.
	void watch(const std::vector<core::Backend> &standbys);
	/// Does what is due; returns when it must be called again at the latest.
	core::Instant step(core::Instant now);
	/// Those of the watched that take no connections (Probe::is_refused).
	std::set<core::Backend> refusing() const;

private:
	program::Loop &loop_;
	std::map<core::Backend, std::unique_ptr<Probe>> probes_;
};

}  // namespace stolon::proxy
