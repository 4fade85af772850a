// The checkpoints that others wait for, and what pg_control says of the last one.
#pragma once

#include <string>

#include "core/plan/keeper_plan.h"
#include "extension/keeper/asked_checkpoint.h"

namespace stolon::pg {

class Checkpoints {
public:
	/// Asks for those that are wanted: on a new timeline, and for a switchover.
	void see_to(core::Instant now, const core::KeeperLocal &local,
	            const core::KeeperDecision &decision);
	/// When to look again, at the latest; nothing wakes us up for it.
	core::Instant look_again_at() const { return look_again_at_; }

	/// Reads a file, once in `pause`: not while an election waits for a vote.
	void look_at_redo(core::Instant now, core::Duration pause);
	core::Lsn redo() const { return redo_; }

	/// Of the last checkpoint in pg_control, out of recovery.
	core::Timeline timeline() const { return timeline_; }
	/// The checkpoint for this switchover has ended, and every standby has confirmed it.
	const std::string &ended_for() const { return ended_for_; }

private:
	void see_to_timeline(core::Instant now, const core::KeeperLocal &local);
	void see_to_switchover(core::Instant now, const core::KeeperLocal &local,
	                       const core::KeeperDecision &decision);

	core::Instant look_again_at_;
	core::Timeline timeline_, requested_on_;
	core::Instant look_at_;
	std::string ended_for_;  // id of a switchover
	AskedCheckpoint asked_;
	core::Instant cut_off_at_;  ///< when the walsenders of stragglers were ended last
	core::Lsn redo_;
	core::Instant redo_look_at_;
};

}  // namespace stolon::pg
