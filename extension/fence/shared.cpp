#include "extension/fence/shared.h"

#include <cstdio>
#include <ctime>

#include "extension/keeper/broken_off.h"

namespace stolon::pg {

namespace {

constexpr const char *wait_event_name = "StolonFence";

SharedState *state = nullptr;
char instance[17] = "";
// Counted in the postmaster, which makes shared memory anew after each crash; its children inherit
// it.
int starts = 0;
shmem_startup_hook_type previous_startup = nullptr;
#if PG_VERSION_NUM >= 150000
shmem_request_hook_type previous_request = nullptr;
#endif

void reserve() {
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedState)));
	request_wait_event(wait_event_name);
}

#if PG_VERSION_NUM >= 150000
void on_request() {
	if (previous_request)
		previous_request();
	reserve();
}
#endif

void on_startup() {
	if (previous_startup)
		previous_startup();
	if (++starts > 1)
		put_broken_off_promotion_right();
	bool found = false;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	state = static_cast<SharedState *>(ShmemInitStruct("stolon", sizeof(SharedState), &found));
	if (!found) {
		memset(state, 0, sizeof *state);
		SpinLockInit(&state->mutex);
		pg_atomic_init_u64(&state->deadline_ns, 0);
		pg_atomic_init_u64(&state->startup_token, 0);
		pg_atomic_init_u64(&state->keeper_moved_ns, 0);
		ConditionVariableInit(&state->lease_changed);
		ConditionVariableInit(&state->switchover_changed);
		state->reason = FenceReason::Starting;
	}
	LWLockRelease(AddinShmemInitLock);
	// Takes locks of its own on version 17.
	if (!found)
		state->wait_event = make_wait_event(wait_event_name);
}

void forget_latch(int, Datum slot) {
	auto **place = reinterpret_cast<Latch **>(DatumGetPointer(slot));
	SpinLockAcquire(&state->mutex);
	*place = nullptr;
	SpinLockRelease(&state->mutex);
}

}  // namespace

void request_shared_state() {
#if PG_VERSION_NUM >= 150000
	previous_request = shmem_request_hook;
	shmem_request_hook = on_request;
#else
	reserve();
#endif
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = on_startup;
}

void make_postmaster_instance() {
	uint64 value = 0;
	if (!pg_strong_random(&value, sizeof value))
		ereport(FATAL, (errmsg("stolon: could not generate random values")));
	std::snprintf(instance, sizeof instance, "%016llx", static_cast<unsigned long long>(value));
}

const char *postmaster_instance() {
	return instance;
}

SharedState *shared_state() {
	return state;
}

uint32 fence_wait_event() {
	return state->wait_event;
}

uint64 boottime_ns() {
	timespec now = {};
	clock_gettime(CLOCK_BOOTTIME, &now);
	return static_cast<uint64>(now.tv_sec) * 1000000000ULL + static_cast<uint64>(now.tv_nsec);
}

void report_startup_token(uint64 token) noexcept {
	if (state == nullptr)
		return;
	state->startup_proc = MyProc;
	pg_write_barrier();
	pg_atomic_write_u64(&state->startup_token, token);
	SpinLockAcquire(&state->mutex);
	Latch *latch = state->keeper_latch;
	SpinLockRelease(&state->mutex);
	if (latch)
		SetLatch(latch);
}

SharedCopy copy_shared_state() {
	SharedCopy copy = {};
	SpinLockAcquire(&state->mutex);
	copy.mandate = state->mandate;
	copy.reason = state->reason;
	copy.last_beat_ns = state->last_beat_ns;
	copy.other_named = state->other_named;
	copy.successor_epoch = state->successor_epoch;
	memcpy(copy.successor, state->successor, sizeof copy.successor);
	memcpy(copy.own_db, state->own_db, sizeof copy.own_db);
	copy.view_generation = state->view_generation;
	memcpy(copy.store_problem, state->store_problem, sizeof copy.store_problem);
	memcpy(copy.unfit, state->unfit, sizeof copy.unfit);
	SpinLockRelease(&state->mutex);
	return copy;
}

HealthState copy_health() {
	SpinLockAcquire(&state->mutex);
	const HealthState health = state->health;
	SpinLockRelease(&state->mutex);
	return health;
}

void set_health(const HealthState &health) {
	SpinLockAcquire(&state->mutex);
	state->health = health;
	SpinLockRelease(&state->mutex);
}

bool set_unfit(const char *problem) {
	SpinLockAcquire(&state->mutex);
	const bool news = (state->unfit[0] == '\0') != (problem[0] == '\0');
	strlcpy(state->unfit, problem, sizeof state->unfit);
	SpinLockRelease(&state->mutex);
	return news;
}

int crash_restarts() {
	return starts - 1;
}

void register_latch(Latch *SharedState::*slot) {
	SpinLockAcquire(&state->mutex);
	state->*slot = MyLatch;
	SpinLockRelease(&state->mutex);
	on_shmem_exit(forget_latch, PointerGetDatum(&(state->*slot)));
}

void wake(Latch *SharedState::*slot) {
	SpinLockAcquire(&state->mutex);
	Latch *latch = state->*slot;
	SpinLockRelease(&state->mutex);
	if (latch)
		SetLatch(latch);
}

}  // namespace stolon::pg
