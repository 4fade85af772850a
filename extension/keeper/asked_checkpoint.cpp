#include "extension/keeper/asked_checkpoint.h"

#include "extension/keeper/actions.h"
#include "extension/keeper/local_state.h"

namespace stolon::pg {

namespace {

// While one that took longer was being written, much has become dirty again.
constexpr auto long_checkpoint = core::seconds(1);
constexpr int max_rounds = 2;
// A restartpoint needs a checkpoint record of the master, and is not even begun before that has
// been replayed.
constexpr auto restartpoint_pause = core::milliseconds(50);

}  // namespace

// One that was under way before does not count: it leaves out what was written since it began. A
// restartpoint begins at an older position, and writes all that is dirty all the same.
void AskedCheckpoint::ask(const core::KeeperLocal &local, core::Instant now) {
	rounds_++;
	from_ = local.in_recovery ? core::Lsn{checkpointed_position().value + 1} : local.position.lsn;
	asked_at_ = now;
	repeat_at_ = now + restartpoint_pause;
	request_checkpoint();
}

bool AskedCheckpoint::has_ended(const std::string &id, const core::KeeperLocal &local,
                                core::Instant now) {
	if (id != id_) {
		id_ = id;
		rounds_ = 0;
		position_ = {};
		ask(local, now);
		return false;
	}
	if (position_.valid())
		return true;
	if (checkpointed_position() < from_) {
		if (local.in_recovery && now >= repeat_at_) {
			request_checkpoint();
			repeat_at_ = now + restartpoint_pause;
		}
		return false;
	}
	if (!local.in_recovery && now - asked_at_ > long_checkpoint && rounds_ < max_rounds) {
		ask(local, now);
		return false;
	}
	ended_at_ = now;
	position_ = local.position.lsn;
	return true;
}

}  // namespace stolon::pg
