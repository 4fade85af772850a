// stolon.conf, as the keeper worker writes it.
#pragma once

#include <cstdint>
#include <string>

#include "core/model/spec.h"
#include "core/plan/keeper_plan.h"
#include "extension/keeper/parameters.h"

namespace stolon::pg {

class Configuration {
public:
	Configuration();

	/// Brings the file, and with it the server, to what was decided (`target` is set); `local` then
	/// says what the file says. Returns whether a new observation is worth while. Throws
	/// std::runtime_error.
	bool apply(const core::ClusterSpec &spec, const core::KeeperDecision &decision,
	           core::KeeperLocal *local);
	/// Stands in the file that was written last.
	std::uint64_t token() const { return token_; }
	/// One sentence about a parameter that was left out; "": none was.
	const std::string &problem() const { return parameters_.problem(); }

private:
	UsableParameters parameters_;
	std::uint64_t token_;
	std::string text_;
};

}  // namespace stolon::pg
