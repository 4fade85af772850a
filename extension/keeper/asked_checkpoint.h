// The checkpoint that a switchover asks for: what is on disk then need not be written while clients
// wait.
#pragma once

#include <string>

#include "core/plan/keeper_plan.h"

namespace stolon::pg {

class AskedCheckpoint {
public:
	/// Asks for it when `id` is new, and says whether it has ended. To be called every few
	/// milliseconds until then.
	bool has_ended(const std::string &id, const core::KeeperLocal &local, core::Instant now);

	core::Instant ended_at() const { return ended_at_; }
	/// How far the WAL had been flushed when it had ended.
	core::Lsn position() const { return position_; }

private:
	void ask(const core::KeeperLocal &local, core::Instant now);

	std::string id_;
	int rounds_ = 0;
	core::Lsn from_;  ///< the redo position that it has at least
	core::Instant asked_at_, repeat_at_, ended_at_;
	core::Lsn position_;
};

}  // namespace stolon::pg
