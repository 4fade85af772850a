// Whether this server takes the parameters that the spec gives.
#pragma once

#include <map>
#include <string>

#include "core/model/spec.h"

namespace stolon::pg {

class UsableParameters {
public:
	/// The spec without the pgParameters that this server would refuse: one unknown name makes it
	/// refuse the whole file, and with it the upstream that it is to follow; one bad value keeps it
	/// from starting the next time.
	core::ClusterSpec of(const core::ClusterSpec &spec);
	/// One sentence about the last that was left out; "": none was.
	const std::string &problem() const { return problem_; }

private:
	using Parameters = std::map<std::string, std::string>;

	/// The server judges each only when the spec says something else than the last time: the keeper
	/// worker asks in each of its steps.
	Parameters given_, usable_;
	std::string problem_;
};

}  // namespace stolon::pg
