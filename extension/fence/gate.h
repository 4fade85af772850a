// The gates: where a backend asks whether this server may acknowledge, and what it does when it may
// not (DESIGN 4).
#pragma once

namespace stolon::pg {

/// Installs the executor, utility and transaction hooks. Called from _PG_init while libraries are
/// being preloaded.
void install_gates();

/// Is this server a member and a primary that does not hold the lease? For messages and status
/// only; the gates look themselves.
bool is_fenced();

}  // namespace stolon::pg
