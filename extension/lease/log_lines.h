// Lines for the server's log that the lease worker leaves for the keeper worker to write: a log may
// lie on a disk that hangs, and a beat must not wait for it (DESIGN 4: no disk on the lease path).
// While the keeper worker stands still they wait; more than a few, and the oldest are lost.
#pragma once

namespace stolon::pg {

/// Any process; `detail` may be "". Both are cut at LogLines's limits.
void leave_log_line(const char *message, const char *detail);
/// Keeper worker: writes what has been left.
void write_left_log_lines();

}  // namespace stolon::pg
