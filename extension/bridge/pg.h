// The only header that includes PostgreSQL's own, and the only place that knows how versions 13 to
// 17 differ. Include it last: after it, printf and friends are macros.
#pragma once

extern "C" {
#include "postgres.h"

#include "access/parallel.h"
#include "access/timeline.h"
#include "access/xact.h"
#include "access/xlog.h"
#if PG_VERSION_NUM >= 150000
#include "access/xlogrecovery.h"
#endif
#include "catalog/objectaccess.h"
#include "catalog/pg_control.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "common/controldata_utils.h"
#include "common/file_perm.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "libpq/libpq-be.h"
#include "libpq/libpq.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/bgwriter.h"
#include "postmaster/interrupt.h"
#include "postmaster/postmaster.h"
#include "replication/logicalworker.h"
#include "replication/slot.h"
#include "replication/walreceiver.h"
#include "replication/walsender.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#endif
}

// The server routes these through its own port layer; C++ headers that come after need the real
// ones.
#undef printf
#undef fprintf
#undef snprintf
#undef sprintf
#undef vsnprintf
#undef vsprintf
#undef vfprintf
#undef vprintf
#undef strerror
#undef strerror_r

namespace stolon::pg {

inline constexpr int min_supported_version = 130000;
static_assert(PG_VERSION_NUM >= min_supported_version && PG_VERSION_NUM < 180000,
              "this version of PostgreSQL is not supported: 13 to 17 are");

/// The flushed WAL of a primary with its timeline. Only valid out of recovery.
inline XLogRecPtr flush_position(TimeLineID *timeline) {
#if PG_VERSION_NUM >= 150000
	return GetFlushRecPtr(timeline);
#else
	// ThisTimeLineID is set by the first RecoveryInProgress() that answers false in this process.
	*timeline = ThisTimeLineID;
	return GetFlushRecPtr();
#endif
}

/// What ReplicationSlotRelease() does for a physical slot. That function also writes the process'
/// flags into the ProcArray at its place there; a worker without a database has none and would
/// clear the flags of another backend.
inline void release_physical_slot() {
	ReplicationSlot *slot = MyReplicationSlot;
	SpinLockAcquire(&slot->mutex);
	slot->active_pid = 0;
#if PG_VERSION_NUM >= 170000
	slot->inactive_since = GetCurrentTimestamp();
#endif
	SpinLockRelease(&slot->mutex);
	ConditionVariableBroadcast(&slot->active_cv);
	MyReplicationSlot = nullptr;
}

/// The slot has kept more than max_slot_wal_keep_size and has been given up. Its mutex is held.
inline bool is_lost_slot(const ReplicationSlot &slot) {
#if PG_VERSION_NUM >= 160000
	return slot.data.invalidated != RS_INVAL_NONE;
#else
	return slot.data.restart_lsn == InvalidXLogRecPtr &&
	       slot.data.invalidated_at != InvalidXLogRecPtr;
#endif
}

/// Acquires a slot that nobody uses; an ERROR when somebody does.
inline void acquire_free_slot(const char *name) {
#if PG_VERSION_NUM >= 140000
	ReplicationSlotAcquire(name, true);
#else
	ReplicationSlotAcquire(name, SAB_Error);
#endif
}

/// What pg_replication_slot_advance() does with a physical slot, and it keeps no dead rows any
/// more. Not written to disk before the next checkpoint: after a crash it keeps a little more
/// again.
inline void advance_physical_slot(const char *name, XLogRecPtr to) {
	acquire_free_slot(name);
	ReplicationSlot *slot = MyReplicationSlot;
	SpinLockAcquire(&slot->mutex);
	slot->data.xmin = slot->effective_xmin = InvalidTransactionId;
	if (slot->data.restart_lsn < to)
		slot->data.restart_lsn = to;
	SpinLockRelease(&slot->mutex);
	ReplicationSlotMarkDirty();
	ReplicationSlotsComputeRequiredXmin(false);
	ReplicationSlotsComputeRequiredLSN();
#if PG_VERSION_NUM >= 170000
	PhysicalWakeupLogicalWalSnd();
#endif
	release_physical_slot();
}

/// Where this slot keeps WAL from; invalid when there is none of this name, or it keeps nothing.
inline XLogRecPtr restart_of_slot(const char *name) {
	XLogRecPtr restart = InvalidXLogRecPtr;
	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots; i++) {
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];
		if (!slot->in_use || strcmp(NameStr(slot->data.name), name) != 0)
			continue;
		SpinLockAcquire(&slot->mutex);
		restart = is_lost_slot(*slot) ? InvalidXLogRecPtr : slot->data.restart_lsn;
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(ReplicationSlotControlLock);
	return restart;
}

/// Creates a physical slot that keeps WAL from the last checkpoint on, or from where the slot
/// `like` does (nullptr: none). Reports errors as PostgreSQL does.
inline void create_physical_slot(const char *name, const char *like) {
#if PG_VERSION_NUM >= 170000
	ReplicationSlotCreate(name, false, RS_PERSISTENT, false, false, false);
#elif PG_VERSION_NUM >= 140000
	ReplicationSlotCreate(name, false, RS_PERSISTENT, false);
#else
	ReplicationSlotCreate(name, false, RS_PERSISTENT);
#endif
	ReplicationSlotReserveWal();
	// `like` lives on until this slot keeps the same: nothing of it is removed in between.
	const XLogRecPtr restart = like ? restart_of_slot(like) : InvalidXLogRecPtr;
	if (restart != InvalidXLogRecPtr) {
		SpinLockAcquire(&MyReplicationSlot->mutex);
		MyReplicationSlot->data.restart_lsn = Min(restart, MyReplicationSlot->data.restart_lsn);
		SpinLockRelease(&MyReplicationSlot->mutex);
		ReplicationSlotsComputeRequiredLSN();
	}
	ReplicationSlotMarkDirty();
	ReplicationSlotSave();
	release_physical_slot();
}

/// Somebody has asked for a pause of the replay of WAL.
inline bool replay_pause_is_wanted() {
#if PG_VERSION_NUM >= 140000
	return GetRecoveryPauseState() != RECOVERY_NOT_PAUSED;
#else
	return RecoveryIsPaused();
#endif
}

/// The server's table of parameters, without the look at rights that GetConfigOptionByName() takes:
/// a worker without a database has no catalogs to look them up in.
inline bool parameter_exists(const char *name) {
#if PG_VERSION_NUM >= 160000
	int count = 0;
	config_generic **parameters = get_guc_variables(&count);
#else
	config_generic **parameters = get_guc_variables();
	const int count = GetNumConfigOptions();
#endif
	bool found = false;
	for (int i = 0; i < count && !found; i++)
		found = pg_strcasecmp(parameters[i]->name, name) == 0;
#if PG_VERSION_NUM >= 160000
	pfree(parameters);
#endif
	return found;
}

/// Before version 17 an extension can name a wait event only as that of a lock tranche of its own:
/// to be called where shared memory is asked for.
inline void request_wait_event(const char *name) {
#if PG_VERSION_NUM >= 170000
	(void)name;
#else
	RequestNamedLWLockTranche(name, 1);
#endif
}

/// What pgstat_report_wait_start() takes, so that pg_stat_activity shows this name. Called when
/// shared memory is made, in the postmaster.
inline uint32 make_wait_event(const char *name) {
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_LWLOCK | GetNamedLWLockTranche(name)->lock.tranche;
#endif
}

inline void reserve_guc_prefix(const char *prefix) {
#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved(prefix);
#else
	EmitWarningsOnPlaceholders(prefix);
#endif
}

/// expression_tree_walker() takes an untyped function before version 16, which C++ reads as "no
/// arguments".
inline bool walk_expression(Node *node, bool (*walker)(Node *, void *), void *context) {
#if PG_VERSION_NUM >= 160000
	return expression_tree_walker(node, walker, context);
#else
	using Untyped = bool (*)();
	using Any = void (*)();
	return expression_tree_walker(node, reinterpret_cast<Untyped>(reinterpret_cast<Any>(walker)),
	                              context);
#endif
}

/// Is this an autovacuum worker (which has a database, but no client)?
inline bool is_autovacuum_worker(const PGPROC &process) {
#if PG_VERSION_NUM >= 140000
	return (process.statusFlags & PROC_IS_AUTOVACUUM) != 0;
#else
	return (ProcGlobal->allPgXact[process.pgprocno].vacuumFlags & PROC_IS_AUTOVACUUM) != 0;
#endif
}

inline bool in_walreceiver() {
#if PG_VERSION_NUM >= 170000
	return AmWalReceiverProcess();
#else
	return MyAuxProcType == WalReceiverProcess;
#endif
}

inline bool in_startup_process() {
#if PG_VERSION_NUM >= 170000
	return AmStartupProcess();
#else
	return MyAuxProcType == StartupProcess;
#endif
}

}  // namespace stolon::pg
