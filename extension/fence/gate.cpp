#include "extension/fence/gate.h"

#include <sys/socket.h>

#include "extension/bridge/settings.h"
#include "extension/fence/describe.h"
#include "extension/fence/exempt.h"
#include "extension/fence/lease.h"

namespace stolon::pg {

namespace {

ExecutorStart_hook_type previous_executor_start = nullptr;
ProcessUtility_hook_type previous_utility = nullptr;

// COMMIT PREPARED and ROLLBACK PREPARED decide the fate of another transaction; their own has no
// xid. The acknowledgement has to pass the last gate all the same.
bool decides_prepared = false;

constexpr long poll_us = 5000;
constexpr int default_wait_ms = 5000;

// Whose acknowledgements matter: sessions, and background workers of others. Autovacuum and
// parallel workers answer to nobody outside of this server (a parallel worker's leader passes the
// gates), stolon's own workers write nothing.
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

int wait_bound_ms() {
	if (setting_fence_wait_ms >= 0)
		return setting_fence_wait_ms;
	const int64 valid_ms = copy_shared_state().mandate.valid_ms;
	return valid_ms > 0 ? static_cast<int>(valid_ms) : default_wait_ms;
}

bool role_is_lost() {
	return is_lost(copy_shared_state().reason);
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
		ConditionVariableTimedSleep(&state->lease_changed, left_ms, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	return lease_valid();
}

[[noreturn]] void refuse() {
	const SharedCopy shared = copy_shared_state();
	const bool lost = is_lost(shared.reason);
	char detail[512];
	describe_fence(shared, detail, sizeof detail);
	ereport(ERROR, (errcode(lost ? ERRCODE_READ_ONLY_SQL_TRANSACTION : ERRCODE_CANNOT_CONNECT_NOW),
	                errmsg("this server does not hold the master's lease of cluster \"%s\"",
	                       setting_cluster_name),
	                errdetail("%s", detail),
	                lost ? errhint("Connect to the new master, for example through the proxy.")
	                     : errhint("Try again, or read what may be stale after SET "
	                               "stolon.allow_stale_reads = on.")));
	pg_unreachable();
}

// Before anything is answered or committed: wait, then fail. A standby reads without a lease.
void pass_or_refuse(bool reads_only) {
	if (likely(may_acknowledge()) || RecoveryInProgress())
		return;
	if (!PostmasterIsAlive())
		ereport(FATAL, (errcode(ERRCODE_CRASH_SHUTDOWN),
		                errmsg("terminating connection because the postmaster has died")));
	if (reads_only && setting_allow_stale_reads)
		return;
	if (!wait_for_lease())
		refuse();
}

// The commit record is written and cannot be taken back, and an error here would be a PANIC. The
// client gets a broken connection instead of an acknowledgement, and the session ends at the next
// interrupt check.
void never_acknowledge() {
	if (MyProcPort != nullptr && MyProcPort->sock != PGINVALID_SOCKET)
		shutdown(MyProcPort->sock, SHUT_RDWR);
	ProcDiePending = true;
	InterruptPending = true;
}

// Interrupts are held off here. A termination request, or the postmaster's death, end the wait
// without an acknowledgement.
void acknowledge_or_never() {
	if (likely(may_acknowledge()))
		return;
	const uint64 until = boottime_ns() + static_cast<uint64>(wait_bound_ms()) * 1000000ULL;
	while (!may_acknowledge()) {
		if (role_is_lost() || ProcDiePending || boottime_ns() >= until || !PostmasterIsAlive()) {
			never_acknowledge();
			return;
		}
		// Not WaitLatch: it may raise an error, which behind a commit record is a PANIC.
		pg_usleep(poll_us);
	}
}

bool has_written() {
	return TransactionIdIsValid(GetTopTransactionIdIfAny());
}

void on_transaction(XactEvent event, void *) {
	switch (event) {
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (has_written())
				pass_or_refuse(false);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			if (has_written() || decides_prepared)
				acknowledge_or_never();
			decides_prepared = false;
			break;
		case XACT_EVENT_ABORT:
			decides_prepared = false;
			break;
		default:
			break;
	}
}

void on_executor_start(QueryDesc *query, int flags) {
	if (unlikely(!may_acknowledge()) && !is_exempt_query(query->plannedstmt))
		pass_or_refuse(is_read_only_query(query->plannedstmt));
	if (previous_executor_start)
		previous_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

bool is_two_phase_decision(const Node *statement) {
	if (!IsA(statement, TransactionStmt))
		return false;
	const TransactionStmtKind kind = reinterpret_cast<const TransactionStmt *>(statement)->kind;
	return kind == TRANS_STMT_COMMIT_PREPARED || kind == TRANS_STMT_ROLLBACK_PREPARED;
}

#if PG_VERSION_NUM >= 140000
#define STOLON_UTILITY_PARAMETERS                                                                 \
	PlannedStmt *statement, const char *text, bool read_only_tree, ProcessUtilityContext context, \
	    ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest,                  \
	    QueryCompletion *completion
#define STOLON_UTILITY_ARGUMENTS \
	statement, text, read_only_tree, context, params, environment, dest, completion
#else
#define STOLON_UTILITY_PARAMETERS                                                                  \
	PlannedStmt *statement, const char *text, ProcessUtilityContext context, ParamListInfo params, \
	    QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion
#define STOLON_UTILITY_ARGUMENTS statement, text, context, params, environment, dest, completion
#endif

void on_utility(STOLON_UTILITY_PARAMETERS) {
	const Node *tree = statement->utilityStmt;
	if (unlikely(!may_acknowledge()) && !is_exempt_utility(tree))
		pass_or_refuse(is_read_only_utility(tree));
	decides_prepared = is_two_phase_decision(tree) && is_gated_process();
	if (previous_utility)
		previous_utility(STOLON_UTILITY_ARGUMENTS);
	else
		standard_ProcessUtility(STOLON_UTILITY_ARGUMENTS);
}

}  // namespace

void install_gates() {
	previous_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = on_executor_start;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = on_utility;
	RegisterXactCallback(on_transaction, nullptr);
}

bool is_fenced() {
	return is_member() && shared_state() != nullptr && !lease_valid() && !RecoveryInProgress();
}

}  // namespace stolon::pg
