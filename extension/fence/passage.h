// May this server acknowledge at this moment, and what a process does when it may not: wait, then
// fail; or, once a commit cannot be taken back, wait and then never acknowledge (DESIGN 4).
#pragma once

#include "extension/bridge/pg.h"

namespace stolon::pg {

/// Whose acknowledgements matter: sessions, and background workers of others, which report on what
/// they have committed (a logical apply worker to its publisher). Autovacuum and parallel workers
/// answer to nobody outside of this server (a parallel worker's leader passes the gates), stolon's
/// own workers write nothing.
bool is_gated_process();

/// One atomic read, one clock read, and one flag. True where there is no fence.
bool may_acknowledge();

/// The same for what a standby may tell without a lease.
bool must_not_answer();

/// Before anything is done or answered. Returns when this server may acknowledge or is a standby;
/// when it may not, waits up to stolon.fence_wait (interruptible) and then reports an ERROR, or
/// FATAL when the role is gone for good or the postmaster is dead. `reads_only`: what comes next
/// passes under stolon.allow_stale_reads. Returns true when it was that setting that let it pass.
bool pass_or_refuse(bool reads_only);

/// As pass_or_refuse(false), for a process between two transactions with something to tell its
/// client that nobody asked for: ends the session where the other would report an error.
void pass_or_end_session();

/// Behind a commit record, where an error would be a PANIC: waits as pass_or_refuse does, with
/// interrupts held off. A termination or cancel request, the loss of the role and the postmaster's
/// death end the wait: then the client's connection is broken, and the session ends at the next
/// check for interrupts, without any answer.
void acknowledge_or_never();

/// Breaks the client's connection; the session ends at the next check for interrupts.
void never_acknowledge();

}  // namespace stolon::pg
