#include "extension/fence/passage.h"

#include <sys/socket.h>

#include "extension/bridge/settings.h"
#include "extension/fence/describe.h"
#include "extension/fence/lease.h"

namespace stolon::pg {

namespace {

constexpr long poll_us = 5000;
constexpr int default_wait_ms = 5000;
// Behind a commit record others wait, too: for locks, and for what invalidates their caches.
constexpr int longest_wait_behind_commit_ms = 30 * 1000;

int wait_bound_ms() {
	if (setting_fence_wait_ms >= 0)
		return setting_fence_wait_ms;
	const int64 valid_ms = copy_shared_state().mandate.valid_ms;
	return valid_ms > 0 ? static_cast<int>(valid_ms) : default_wait_ms;
}

// An open election is waited for: when nobody can win it, this server is named again.
bool role_is_lost() {
	return names_another(copy_shared_state());
}

// Interruptible; true when the lease came back.
bool wait_for_lease() {
	SharedState *state = shared_state();
	const uint64 until = boottime_ns() + static_cast<uint64>(wait_bound_ms()) * 1000000ULL;
	ConditionVariablePrepareToSleep(&state->lease_changed);
	while (!lease_valid() && !role_is_lost()) {
		const uint64 now = boottime_ns();
		if (now >= until)
			break;
		const long left_ms = static_cast<long>((until - now) / 1000000ULL) + 1;
		ConditionVariableTimedSleep(&state->lease_changed, left_ms, fence_wait_event());
	}
	ConditionVariableCancelSleep();
	return lease_valid();
}

// Drivers and pools drop a connection that ends with class 57, and go elsewhere. A session on a
// server that was replaced has no future; on one whose store is silent it has. An error would make
// a logical replication worker disable its subscription, if that has disable_on_error.
[[noreturn]] void refuse(bool end_session) {
	const SharedCopy shared = copy_shared_state();
	const bool replaced = names_another(shared);
	char detail[512];
	describe_fence(shared, detail, sizeof detail);
	ereport(replaced || end_session || IsLogicalWorker() ? FATAL : ERROR,
	        (errcode(replaced ? ERRCODE_ADMIN_SHUTDOWN : ERRCODE_CANNOT_CONNECT_NOW),
	         errmsg("this server does not hold the master's lease of cluster \"%s\"",
	                setting_cluster_name),
	         errdetail("%s", detail),
	         replaced ? errhint("Connect to the new master, for example through the proxy.")
	                  : errhint("Try again, or read what may be stale after SET "
	                            "stolon.allow_stale_reads = on.")));
	pg_unreachable();
}

void check_postmaster() {
	if (!PostmasterIsAlive())
		ereport(FATAL, (errcode(ERRCODE_CRASH_SHUTDOWN),
		                errmsg("terminating connection because the postmaster has died")));
}

// True: without the lease, as stolon.allow_stale_reads permits.
bool pass(bool reads_only, bool end_session) {
	if (likely(!must_not_answer()))
		return false;
	check_postmaster();
	if (reads_only && setting_allow_stale_reads)
		return true;
	if (!wait_for_lease())
		refuse(end_session);
	return false;
}

}  // namespace

bool must_not_answer() {
	return !may_acknowledge() && !RecoveryInProgress();
}

bool is_gated_process() {
	return MyBackendType == B_BACKEND || MyBackendType == B_WAL_SENDER ||
	       (MyBackendType == B_BG_WORKER && !IsParallelWorker());
}

// A server whose postmaster has died is being taken away: its walsenders are gone or going, so that
// what it commits now reaches no standby. The check is one flag that the kernel sets by a signal.
bool may_acknowledge() {
	return !is_member() || shared_state() == nullptr ||
	       (lease_valid() && likely(PostmasterIsAlive())) || !is_gated_process();
}

bool pass_or_refuse(bool reads_only) {
	return pass(reads_only, false);
}

void pass_or_end_session() {
	pass(false, true);
}

void never_acknowledge() {
	if (MyProcPort != nullptr && MyProcPort->sock != PGINVALID_SOCKET)
		shutdown(MyProcPort->sock, SHUT_RDWR);
	ProcDiePending = true;
	InterruptPending = true;
}

// A standby has nothing to acknowledge: what commits there has written nothing (a CHECKPOINT, a
// call of a function that could write elsewhere).
void acknowledge_or_never() {
	if (likely(may_acknowledge()) || RecoveryInProgress())
		return;
	const int bound_ms = Min(wait_bound_ms(), longest_wait_behind_commit_ms);
	const uint64 until = boottime_ns() + static_cast<uint64>(bound_ms) * 1000000ULL;
	pgstat_report_wait_start(fence_wait_event());
	while (!may_acknowledge()) {
		if (role_is_lost() || ProcDiePending || QueryCancelPending || boottime_ns() >= until ||
		    !PostmasterIsAlive()) {
			never_acknowledge();
			break;
		}
		// Not WaitLatch: it may raise an error, which behind a commit record is a PANIC.
		pg_usleep(poll_us);
	}
	pgstat_report_wait_end();
}

}  // namespace stolon::pg
