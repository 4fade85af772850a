// The fence's state in shared memory: the deadline until which this server may acknowledge, and
// what the two workers and the backends tell each other. One plain struct; writers hold its
// spinlock, the gates read two atomics.
#pragma once

#include "core/base/time.h"
#include "extension/switchover/mailbox.h"

#include "extension/bridge/pg.h"

namespace stolon::pg {

/// What the keeper worker has told the lease worker to act as.
struct Mandate {
	uint64 sequence;  ///< grows with every change
	bool active;      ///< beat as the master
	uint64 epoch;
	int64 master_revision;  ///< mod_revision of the `master` key that names us
	int64 valid_ms;         ///< failInterval
	char db[NAMEDATALEN];
};

/// Why the lease is not held, for messages.
enum class FenceReason : uint32 {
	Starting,          ///< nothing has been heard from the store since the server started
	NotNamed,          ///< the cluster has another master, or none
	StoreUnreachable,  ///< beats are not answered
	Replaced,          ///< the store said that another epoch has begun
};

/// What the keeper worker tells the lease worker about limits and its own findings; the limits are
/// 0 until it has seen a spec.
struct HealthState {
	int64 keeper_stall_ms;
	int64 recovery_ms;
	int64 wal_stall_ms;
	char disk_problem[256];  ///< "" when there is none
};

/// What the lease worker has to say in the server's log: extension/lease/log_lines.h.
struct LogLine {
	char message[384];
	char detail[128];
};
struct LogLines {
	static constexpr uint64 kept = 8;
	uint64 left, read;  ///< how many so far
	LogLine line[kept];
};

/// What the walreceiver, or the startup process that starts it, has last complained about.
struct StreamComplaint {
	uint64 at_ns;  ///< CLOCK_BOOTTIME; 0: never
	bool unreachable;
	char text[256];
};

struct SharedState {
	slock_t mutex;

	uint32 wait_event;  ///< of those who wait for the lease; set when the memory is made

	/// CLOCK_BOOTTIME in ns until which this server may acknowledge; 0: it may not.
	pg_atomic_uint64 deadline_ns;
	/// Highest stolon.config_token that the startup process has taken over, and its PGPROC.
	pg_atomic_uint64 startup_token;
	PGPROC *startup_proc;
	/// CLOCK_BOOTTIME in ns at which the keeper worker last went round its loop.
	pg_atomic_uint64 keeper_moved_ns;

	// Everything below is protected by `mutex`.
	Mandate mandate;
	int64 refused_revision;  ///< of `master`: the store has said that it is over
	FenceReason reason;
	bool other_named;        ///< with Replaced or NotNamed: another db is the master, not just none
	uint64 last_beat_ns;     ///< when the last beat that was put had been sent; 0: never
	uint64 successor_epoch;  ///< with FenceReason::Replaced or NotNamed
	char successor[NAMEDATALEN];  ///< keeper that is the master now, if known
	char own_db[NAMEDATALEN];
	uint64 view_generation;
	char store_problem[256];
	HealthState health;
	char unfit[256];  ///< what the beats say; "": nothing
	LogLines log_lines;
	SwitchoverMailbox switchover;
	StreamComplaint stream_complaint;
	Latch *lease_latch;
	Latch *keeper_latch;

	ConditionVariable lease_changed;
	ConditionVariable switchover_changed;
};

/// Asks for the memory; called from _PG_init while libraries are being preloaded.
void request_shared_state();
/// nullptr when the library was not preloaded.
SharedState *shared_state();

/// What pg_stat_activity shows as wait_event of a process that waits for the lease: StolonFence.
uint32 fence_wait_event();

uint64 boottime_ns();

/// Random text of 16 hexadecimal digits, made when the postmaster loaded the library: it outlives a
/// crash restart of the server's processes, and a copy of this server that is started elsewhere has
/// another one.
const char *postmaster_instance();
/// Makes it. Called from _PG_init in the postmaster.
void make_postmaster_instance();

/// How often the postmaster has started its children again after a crash of one of them.
int crash_restarts();

/// Called in the startup process when it reads a configuration with this token.
void report_startup_token(uint64 token) noexcept;

/// A consistent copy of the part that is protected by the mutex.
struct SharedCopy {
	Mandate mandate;
	FenceReason reason;
	bool other_named;
	uint64 last_beat_ns;
	uint64 successor_epoch;
	char successor[NAMEDATALEN];
	char own_db[NAMEDATALEN];
	uint64 view_generation;
	char store_problem[256];
	char unfit[256];
};
SharedCopy copy_shared_state();

HealthState copy_health();
/// Keeper worker: replaces it.
void set_health(const HealthState &health);
/// Lease worker: what the beats say from now on. Returns true when that is news.
bool set_unfit(const char *problem);

/// Registers this process' latch in `slot` (a member of SharedState) until it exits.
void register_latch(Latch *SharedState::*slot);
void wake(Latch *SharedState::*slot);

}  // namespace stolon::pg
