// What the keeper worker can see of its own server, from shared memory and small files: no SQL, no
// connection.
#pragma once

#include <string>
#include <vector>

#include "core/model/info.h"
#include "core/plan/keeper_plan.h"

namespace stolon::pg {

/// The highest stolon.config_token that may be in force somewhere; the next one written must be
/// above it.
std::uint64_t highest_known_token();

/// Fills in_recovery, position, replayed, inconsistent, and quiet with respect to the configuration
/// `token`.
void observe_server(std::uint64_t token, core::KeeperLocal *local);

/// True in crash recovery of a server that was started as a primary: asking it to promote makes no
/// sense.
bool ends_recovery_by_itself(const core::KeeperLocal &local);

/// Has the startup process taken over the configuration `token`?
bool startup_has_read(std::uint64_t token);

/// Ends the walreceiver. The startup process does that itself only once it has replayed all that
/// was received, which a vote need not wait for. Only when startup_has_read() a configuration
/// without an upstream: it starts no other one then.
void stop_walreceiver();

struct WalReceiverState {
	int pid = 0;             ///< 0: there is none
	bool streaming = false;  ///< from the given address, or about to
	std::string astray;      ///< it streams from this one, which is another
	bool ending = false;     ///< it was told to
	bool heard = false;      ///< it has received a message
	core::Lsn upstream_end;  ///< as that told last
	core::Lsn received;      ///< on disk
};
WalReceiverState walreceiver_state(const std::string &host, int port);

/// Is the replay of WAL held up on purpose: paused, or delayed by recovery_min_apply_delay?
bool is_replay_held();

/// Ancestors of a timeline from pg_wal/<timeline>.history, oldest first, at most 64; empty for
/// timeline 1 or when unreadable.
std::vector<core::HistoryEntry> timeline_history(core::Timeline timeline);

/// Where the last checkpoint in pg_control began (its redo position); 0 when it cannot be read.
core::Lsn checkpointed_position();

/// Has somebody paused the replay of WAL, or asked for it?
bool is_replay_paused();

/// Timeline of the last checkpoint in pg_control; 0 when it cannot be read.
core::Timeline checkpointed_timeline();

}  // namespace stolon::pg
