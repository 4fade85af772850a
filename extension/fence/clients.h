// Ends the sessions of a server that is no longer the master.
#pragma once

namespace stolon::pg {

/// Terminates every client session and logical replication stream, as pg_terminate_backend() would.
/// Those that wait at a gate are left: they wake up and end by themselves, with the reason.
/// Physical replication goes on. Takes no lock and does not wait. Returns how many were signalled.
int terminate_clients();

}  // namespace stolon::pg
