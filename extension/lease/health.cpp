#include "extension/lease/health.h"

#include <algorithm>

#include "core/model/info.h"

namespace stolon::pg {

namespace {

using core::Duration;
using core::Instant;

// The limit and not the time that has passed: what beats say is logged when it changes.
std::string beyond(const char *problem, int64 limit_ms) {
	return std::string(problem) + " for more than " + std::to_string(limit_ms) + " ms";
}

bool exceeds(Duration lasted, int64 limit_ms) {
	return limit_ms > 0 && lasted >= core::milliseconds(limit_ms);
}

bool is_wal_io(uint32 wait_event) {
	return wait_event == WAIT_EVENT_WAL_SYNC || wait_event == WAIT_EVENT_WAL_WRITE ||
	       wait_event == WAIT_EVENT_WAL_INIT_SYNC || wait_event == WAIT_EVENT_WAL_INIT_WRITE;
}

// One process does the writing, the others wait for its lock.
bool somebody_writes_wal() {
	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++) {
		const PGPROC &process = ProcGlobal->allProcs[i];
		const uint32 wait_event = *const_cast<volatile const uint32 *>(&process.wait_event_info);
		if (process.pid != 0 && is_wal_io(wait_event))
			return true;
	}
	return false;
}

}  // namespace

std::string Health::problem(Instant now, const Mandate &mandate) {
	if (mandate.sequence != mandate_sequence_) {
		*this = Health();
		mandate_sequence_ = mandate.sequence;
		looked_at_ = now;
	}
	// Two beats may lie a little further apart than they should, not more.
	const Duration interval = core::milliseconds(mandate.valid_ms) / core::beats_per_validity;
	look(std::min(now - looked_at_, interval * 2));
	looked_at_ = now;
	const HealthState limits = copy_health();
	if (exceeds(recovering_, limits.recovery_ms))
		return beyond("recovery has not ended", limits.recovery_ms);
	if (exceeds(wal_stalled_, limits.wal_stall_ms))
		return beyond("a flush of WAL has not ended", limits.wal_stall_ms);
	// Last, since it is often what a disk does to it.
	if (exceeds(keeper_still_, limits.keeper_stall_ms))
		return beyond("the keeper worker has stood still", limits.keeper_stall_ms);
	return limits.disk_problem;
}

void Health::look(Duration step) {
	keeper_still_ = keeper_has_moved() ? Duration(0) : keeper_still_ + step;
	recovering_ = recovery_gets_on() ? Duration(0) : recovering_ + step;
	wal_stalled_ = wal_write_stands() ? wal_stalled_ + step : Duration(0);
}

// A promotion may have much to replay, and nobody else has less of it: it is late when it stands
// still. After a crash somebody else may be ready at once, so that the recovery counts as a whole.
bool Health::recovery_gets_on() {
	if (!RecoveryInProgress())
		return true;
	const XLogRecPtr before = replayed_;
	replayed_ = GetXLogReplayRecPtr(nullptr);
	return GetRecoveryState() == RECOVERY_STATE_ARCHIVE && replayed_ != before;
}

bool Health::keeper_has_moved() {
	const uint64 before = keeper_moved_ns_;
	keeper_moved_ns_ = pg_atomic_read_u64(&shared_state()->keeper_moved_ns);
	return keeper_moved_ns_ != before;
}

// A slow disk moves the pointer now and then; with a dead one somebody writes, and it stands.
bool Health::wal_write_stands() {
	TimeLineID timeline = 0;
	const XLogRecPtr before = flushed_;
	flushed_ = RecoveryInProgress() ? InvalidXLogRecPtr : flush_position(&timeline);
	return flushed_ != InvalidXLogRecPtr && flushed_ == before && somebody_writes_wal();
}

}  // namespace stolon::pg
