#include "extension/keeper/checkpoints.h"

#include <algorithm>
#include <csignal>

#include "extension/keeper/actions.h"
#include "extension/keeper/local_state.h"

#include "extension/bridge/pg.h"

namespace stolon::pg {

namespace {

constexpr core::Instant never{core::Duration::max()};
constexpr core::Duration timeline_poll = core::milliseconds(200);
constexpr core::Duration switchover_poll = core::milliseconds(10);
// A standby that works confirms the checkpoint's record within milliseconds.
constexpr core::Duration straggler_patience = core::milliseconds(500);
// A few times wal_retrieve_retry_interval: a standby that is well streams again by then.
constexpr core::Duration straggler_return = core::milliseconds(300);

// The stop of this server would wait for them, and clients with it.
void cut_off(const std::vector<core::LocalSlot> &late) {
	for (const core::LocalSlot &slot : late) {
		ereport(LOG, (errmsg("stolon: standby \"%s\" does not confirm; its walsender is ended "
		                     "for a switchover",
		                     slot.name.c_str())));
		kill(slot.sender, SIGTERM);
	}
}

}  // namespace

void Checkpoints::see_to(core::Instant now, const core::KeeperLocal &local,
                         const core::KeeperDecision &decision) {
	look_again_at_ = never;
	see_to_timeline(now, local);
	see_to_switchover(now, local, decision);
}

// Nobody may rewind against a new timeline before a checkpoint on it is in pg_control (C-1).
void Checkpoints::see_to_timeline(core::Instant now, const core::KeeperLocal &local) {
	const core::Timeline present = local.position.timeline;
	if (local.in_recovery || timeline_ == present)
		return;
	if (now >= look_at_) {
		timeline_ = checkpointed_timeline();
		look_at_ = now + timeline_poll;
	}
	if (timeline_ == present)
		return;
	if (requested_on_ != present) {
		request_checkpoint();
		requested_on_ = present;
	}
	look_again_at_ = std::min(look_again_at_, look_at_);
}

void Checkpoints::see_to_switchover(core::Instant now, const core::KeeperLocal &local,
                                    const core::KeeperDecision &decision) {
	const std::string &id = decision.checkpoint_for;
	if (id.empty() || id == ended_for_)
		return;
	look_again_at_ = std::min(look_again_at_, now + switchover_poll);
	if (!asked_.has_ended(id, local, now))
		return;
	const auto late = core::stragglers(local.slots, asked_.position(), decision.spared_slots);
	// One that is behind and well is back at once.
	if (now < cut_off_at_ + straggler_return)
		return;
	if (late.empty()) {
		ended_for_ = id;
	} else if (now >= asked_.ended_at() + straggler_patience) {
		cut_off(late);
		cut_off_at_ = now;
	}
}

void Checkpoints::look_at_redo(core::Instant now, core::Duration pause) {
	if (now < redo_look_at_)
		return;
	redo_ = checkpointed_position();
	redo_look_at_ = now + pause;
}

}  // namespace stolon::pg
