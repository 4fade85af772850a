// The last gate: where an answer is handed to the connection. The gates before it look when
// something begins and when it commits; what has waited in between, for a lock or a disk, is looked
// at here once more.
#pragma once

namespace stolon::pg {

/// Puts itself between the server and the connection. Called from _PG_init while libraries are
/// being preloaded.
void install_answer_gate();

/// A statement has begun that has passed its gate on the strength of the lease. `reads_only`: its
/// answer passes under stolon.allow_stale_reads. `row_by_row`: it can wait for locks between two
/// rows, so that each row is looked at.
void answer_needs_lease(bool reads_only, bool row_by_row);
/// A statement has begun whose answer tells nothing of the data, if no other one surrounds it.
void answer_is_exempt();
/// A commit that cannot be taken back waits to be acknowledged.
void answer_acknowledges_commit();
/// Sends what is ready to be sent if an acknowledgement is among it: the statement that comes next
/// may take long.
void send_acknowledgement();

/// A logical replication worker: what it reports to its publisher as committed here passes the
/// gate, too. Called before it commits; only the first call has an effect.
void gate_reports_to_publisher();

}  // namespace stolon::pg
