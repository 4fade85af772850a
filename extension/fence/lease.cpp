#include "extension/fence/lease.h"

#include "core/model/info.h"

namespace stolon::pg {

namespace {

// The part of a validity that the sender itself relies on.
uint64 own_share_ns(int64 valid_ms) {
	return static_cast<uint64>(valid_ms) * 1000000ULL / 100 * core::beat_own_percent;
}

}  // namespace

void give_mandate(uint64 epoch, int64 master_revision, int64 valid_ms, const char *db) {
	SharedState *state = shared_state();
	SpinLockAcquire(&state->mutex);
	Mandate &mandate = state->mandate;
	// The keeper worker's copy of the store may be older than the refusal that the lease worker
	// got.
	if (master_revision == state->refused_revision) {
		SpinLockRelease(&state->mutex);
		return;
	}
	const bool same = mandate.active && mandate.epoch == epoch &&
	                  mandate.master_revision == master_revision && mandate.valid_ms == valid_ms;
	const bool same_term = mandate.active && mandate.master_revision == master_revision;
	if (!same) {
		mandate.sequence++;
		mandate.active = true;
		mandate.epoch = epoch;
		mandate.master_revision = master_revision;
		mandate.valid_ms = valid_ms;
		strlcpy(mandate.db, db, sizeof mandate.db);
		// A beat of another term says nothing about this one.
		if (!same_term)
			pg_atomic_write_u64(&state->deadline_ns, 0);
		state->reason = FenceReason::StoreUnreachable;
	}
	SpinLockRelease(&state->mutex);
	if (!same)
		wake(&SharedState::lease_latch);
}

void recovery_is_over() {
	wake(&SharedState::lease_latch);
}

bool withdraw_mandate(FenceReason reason, uint64 successor_epoch, const char *successor) {
	SharedState *state = shared_state();
	SpinLockAcquire(&state->mutex);
	const bool changed = state->mandate.active || state->reason != reason ||
	                     state->successor_epoch != successor_epoch ||
	                     strcmp(state->successor, successor) != 0;
	if (changed) {
		pg_atomic_write_u64(&state->deadline_ns, 0);
		state->mandate.sequence++;
		state->mandate.active = false;
		state->reason = reason;
		state->other_named = successor[0] != '\0';
		state->successor_epoch = successor_epoch;
		strlcpy(state->successor, successor, sizeof state->successor);
	}
	SpinLockRelease(&state->mutex);
	if (!changed)
		return false;
	wake(&SharedState::lease_latch);
	ConditionVariableBroadcast(&state->lease_changed);
	return true;
}

bool has_won_lease(int64 master_revision) {
	SharedState *state = shared_state();
	SpinLockAcquire(&state->mutex);
	const bool won = state->mandate.active && state->mandate.master_revision == master_revision &&
	                 pg_atomic_read_u64(&state->deadline_ns) != 0;
	SpinLockRelease(&state->mutex);
	return won;
}

void beat_is_sent(uint64 sequence, uint64 sent_ns, int64 valid_ms) {
	SharedState *state = shared_state();
	const uint64 limit = sent_ns + own_share_ns(valid_ms);
	SpinLockAcquire(&state->mutex);
	if (state->mandate.sequence == sequence && pg_atomic_read_u64(&state->deadline_ns) > limit)
		pg_atomic_write_u64(&state->deadline_ns, limit);
	SpinLockRelease(&state->mutex);
}

void lease_was_taken(uint64 sequence, const char *problem) {
	SharedState *state = shared_state();
	SpinLockAcquire(&state->mutex);
	if (state->mandate.sequence == sequence) {
		pg_atomic_write_u64(&state->deadline_ns, 0);
		strlcpy(state->store_problem, problem, sizeof state->store_problem);
	}
	SpinLockRelease(&state->mutex);
}

void beat_was_put(uint64 sequence, uint64 sent_ns, int64 valid_ms) {
	SharedState *state = shared_state();
	const uint64 own_ns = own_share_ns(valid_ms);
	bool extended = false;
	bool first = false;
	SpinLockAcquire(&state->mutex);
	if (state->mandate.active && state->mandate.sequence == sequence) {
		const uint64 before = pg_atomic_read_u64(&state->deadline_ns);
		// Answers may overtake each other; a deadline is only ever moved forward within a term.
		if (sent_ns + own_ns > before) {
			pg_atomic_write_u64(&state->deadline_ns, sent_ns + own_ns);
			state->last_beat_ns = sent_ns;
			extended = before <= boottime_ns();
			first = before == 0;
		}
		state->store_problem[0] = '\0';
	}
	SpinLockRelease(&state->mutex);
	if (extended)
		ConditionVariableBroadcast(&state->lease_changed);
	if (first)
		wake(&SharedState::keeper_latch);
}

void mandate_was_refused(uint64 sequence, uint64 successor_epoch, bool other_named) {
	SharedState *state = shared_state();
	bool ended = false;
	SpinLockAcquire(&state->mutex);
	if (state->mandate.active && state->mandate.sequence == sequence) {
		pg_atomic_write_u64(&state->deadline_ns, 0);
		state->mandate.sequence++;
		state->mandate.active = false;
		state->refused_revision = state->mandate.master_revision;
		state->reason = FenceReason::Replaced;
		state->other_named = other_named;
		state->successor_epoch = successor_epoch;
		state->successor[0] = '\0';
		ended = true;
	}
	SpinLockRelease(&state->mutex);
	if (!ended)
		return;
	wake(&SharedState::keeper_latch);
	ConditionVariableBroadcast(&state->lease_changed);
}

void beat_failed(const char *problem) {
	SharedState *state = shared_state();
	SpinLockAcquire(&state->mutex);
	strlcpy(state->store_problem, problem, sizeof state->store_problem);
	SpinLockRelease(&state->mutex);
}

}  // namespace stolon::pg
