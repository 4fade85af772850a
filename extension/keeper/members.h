// What the other members tell about themselves in the store, as the keeper plan wants it.
#pragma once

#include <map>
#include <set>

#include "core/model/keys.h"
#include "core/plan/keeper_plan.h"
#include "store/mirror.h"

namespace stolon::pg {

class Members {
public:
	Members(const store::Mirror &mirror, const core::Keys &keys) : mirror_(mirror), keys_(keys) {}

	/// Fills in reports and present. A value that cannot be read counts as absent.
	void tell(core::KeeperInputs *inputs);
	/// How far this incarnation says that it is; unset: it says nothing.
	core::WalPosition position_of(const core::DbUid &db);

private:
	void read_changes();
	void read();

	const store::Mirror &mirror_;
	const core::Keys &keys_;
	std::uint64_t changes_ = 0;
	std::map<core::DbUid, core::MemberReport> reports_;
	std::set<core::KeeperUid> present_;
};

}  // namespace stolon::pg
