// The lease as the two workers and the gates use it. All functions are short and take the spinlock
// themselves.
#pragma once

#include "extension/fence/shared.h"

namespace stolon::pg {

/// May this server acknowledge at this moment? One atomic read and one clock read.
inline bool lease_valid() {
	return boottime_ns() < pg_atomic_read_u64(&shared_state()->deadline_ns);
}

/// Time left, 0 when it has run out.
inline uint64 lease_remaining_ns() {
	const uint64 deadline = pg_atomic_read_u64(&shared_state()->deadline_ns);
	const uint64 now = boottime_ns();
	return deadline > now ? deadline - now : 0;
}

/// Keeper worker: from now on act as master of this epoch. No change when the same mandate is in
/// force.
void give_mandate(uint64 epoch, int64 master_revision, int64 valid_ms, const char *db);
/// Keeper worker: recovery is over. The lease worker looks whether its beats have told that.
void recovery_is_over();
/// Keeper worker: not the master (any more). Takes the deadline away at once. `successor`: the
/// keeper that is, "" when there is none. False: that was known already.
bool withdraw_mandate(FenceReason reason, uint64 successor_epoch, const char *successor);

/// A beat on the strength of this revision of `master` was put, and nothing has taken the lease
/// away since. Says nothing about whether it is valid at this instant.
bool has_won_lease(int64 master_revision);

/// Lease worker: a beat of mandate `sequence` is about to be sent. Observers will go by it as soon
/// as they see it, whether or not its answer arrives here, so that a deadline which reaches beyond
/// what it says is drawn in (failInterval was lowered).
void beat_is_sent(uint64 sequence, uint64 sent_ns, int64 valid_ms);
/// Lease worker: the beat of mandate `sequence`, sent at `sent_ns`, was put. Ignored when the
/// mandate has changed since.
void beat_was_put(uint64 sequence, uint64 sent_ns, int64 valid_ms);
/// Lease worker: the store said that `master` is not what this mandate rests on. Ends the mandate.
/// `other_named`: it names another db, not just none.
void mandate_was_refused(uint64 sequence, uint64 successor_epoch, bool other_named);
/// Lease worker: another server beats under this one's name (a copy of its data directory). Takes
/// the deadline away; the mandate stays, since the store still names this db.
void lease_was_taken(uint64 sequence, const char *problem);
/// Lease worker: a beat was not answered.
void beat_failed(const char *problem);

}  // namespace stolon::pg
