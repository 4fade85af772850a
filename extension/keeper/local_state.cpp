#include "extension/keeper/local_state.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/lineage/history_file.h"
#include "extension/bridge/guard.h"
#include "extension/fence/shared.h"
#include "store/files.h"

namespace stolon::pg {

namespace {

constexpr std::size_t max_history_entries = 64;
// The startup process sleeps for wal_retrieve_retry_interval only after the archive, pg_wal and the
// stream have all been found to hold nothing more: what lies on this disk has been replayed.
bool has_reached_end_of_wal() {
	const PGPROC *startup = shared_state()->startup_proc;
	if (startup == nullptr)
		return false;
	const uint32 wait = *const_cast<const volatile uint32 *>(&startup->wait_event_info);
	return wait == WAIT_EVENT_RECOVERY_RETRIEVE_RETRY_INTERVAL ||
	       wait == WAIT_EVENT_RECOVERY_WAL_STREAM;
}

ControlFileData read_control_file() {
	ControlFileData copy = {};
	guarded([&copy] {
		bool crc_ok = false;
		ControlFileData *control = get_controlfile(DataDir, &crc_ok);
		if (crc_ok)
			copy = *control;
		pfree(control);
	});
	return copy;
}

// What CheckRecoveryConsistency() of the startup process asks, which tells nobody before
// connections are let in. Once it is true the point can move on a little before what is replayed,
// so that it is only asked for as long as nobody can connect.
bool is_consistent(core::Lsn replayed) {
	if (HotStandbyActive())
		return true;
	// A copy says that it is one (backup_label) before anything of it is replayed.
	if (!replayed.valid())
		return false;
	const ControlFileData control = read_control_file();
	return control.state == DB_IN_ARCHIVE_RECOVERY && !control.backupEndRequired &&
	       control.backupStartPoint == InvalidXLogRecPtr &&
	       control.minRecoveryPoint != InvalidXLogRecPtr &&
	       control.minRecoveryPoint <= replayed.value;
}

bool is_quiet(std::uint64_t token, core::Lsn received) {
	const SharedState *state = shared_state();
	if (pg_atomic_read_u64(const_cast<pg_atomic_uint64 *>(&state->startup_token)) < token)
		return false;
	pg_read_barrier();
	if (WalRcvRunning())
		return false;
	// A walreceiver is only started once all local WAL has been replayed; without one, wait for the
	// end to be reached.
	return received.valid() || has_reached_end_of_wal();
}

}  // namespace

std::uint64_t highest_known_token() {
	const char *text = GetConfigOption("stolon.config_token", true, false);
	const std::uint64_t own = text ? strtoull(text, nullptr, 10) : 0;
	return std::max(own,
	                static_cast<std::uint64_t>(pg_atomic_read_u64(&shared_state()->startup_token)));
}

void observe_server(std::uint64_t token, core::KeeperLocal *local) {
	TimeLineID timeline = 0;
	local->in_recovery = RecoveryInProgress();
	if (!local->in_recovery) {
		local->position.lsn.value = flush_position(&timeline);
		local->position.timeline.value = timeline;
		local->replayed = local->position.lsn;
		local->quiet = false;
		local->inconsistent = false;
		return;
	}
	TimeLineID received_timeline = 0;
	// Whether it is over has to be known before the positions are read: a walreceiver that is still
	// there may write more.
	const core::Lsn seen_before{GetWalRcvFlushRecPtr(nullptr, &received_timeline)};
	local->quiet = is_quiet(token, seen_before);
	const core::Lsn received{GetWalRcvFlushRecPtr(nullptr, &received_timeline)};
	const core::Lsn replayed{GetXLogReplayRecPtr(&timeline)};
	local->replayed = replayed;
	local->inconsistent = !is_consistent(replayed);
	if (received > replayed)
		local->position = {core::Timeline{received_timeline}, received};
	else
		local->position = {core::Timeline{timeline}, replayed};
}

bool ends_recovery_by_itself(const core::KeeperLocal &local) {
	// The startup process removes the file when it ends recovery.
	return local.in_recovery && access(STANDBY_SIGNAL_FILE, F_OK) != 0;
}

void stop_walreceiver() {
	pid_t pid = 0;
	SpinLockAcquire(&WalRcv->mutex);
	switch (WalRcv->walRcvState) {
		case WALRCV_STARTING:
			WalRcv->walRcvState = WALRCV_STOPPED;
			break;
		case WALRCV_STREAMING:
		case WALRCV_WAITING:
		case WALRCV_RESTARTING:
			WalRcv->walRcvState = WALRCV_STOPPING;
			[[fallthrough]];
		case WALRCV_STOPPING:
			pid = WalRcv->pid;
			break;
		default:
			break;
	}
	SpinLockRelease(&WalRcv->mutex);
	if (pid != 0)
		kill(pid, SIGTERM);
}

bool startup_has_read(std::uint64_t token) {
	return pg_atomic_read_u64(&shared_state()->startup_token) >= token;
}

WalReceiverState walreceiver_state(const std::string &host, int port) {
	WalReceiverState state;
	char sender_host[NI_MAXHOST];
	SpinLockAcquire(&WalRcv->mutex);
	// It says that it streams from its start on; what it says about the sender is that of the one
	// before until it has connected, which can take as long as a host that is cut off lets it.
	const bool streaming = WalRcv->walRcvState == WALRCV_STREAMING && WalRcv->ready_to_display;
	strlcpy(sender_host, WalRcv->sender_host, sizeof sender_host);
	const int sender_port = WalRcv->sender_port;
	state.pid = WalRcv->pid;
	// The startup process asks for the next one over the head of one that does not end.
	state.ending =
	    WalRcv->walRcvState == WALRCV_STOPPING || WalRcv->walRcvState == WALRCV_RESTARTING;
	// The same when it begins; the first message brings the sender's clock.
	state.heard = WalRcv->lastMsgSendTime != WalRcv->lastMsgReceiptTime;
	state.upstream_end.value = WalRcv->latestWalEnd;
	state.received.value = WalRcv->flushedUpto;
	SpinLockRelease(&WalRcv->mutex);
	const bool right = host == sender_host && port == sender_port;
	state.streaming = streaming && right;
	if (streaming && !right && state.heard)
		state.astray = std::string(sender_host) + ":" + std::to_string(sender_port);
	return state;
}

std::vector<core::HistoryEntry> timeline_history(core::Timeline timeline) {
	std::vector<core::HistoryEntry> history;
	if (timeline.value <= 1)
		return history;
	char path[64];
	std::snprintf(path, sizeof path, "pg_wal/%08X.history", timeline.value);
	const auto text = store::read_small_file(path);
	if (!text)
		return history;
	history = core::parse_history_file(*text);
	if (history.size() > max_history_entries)
		history.erase(history.begin(), history.end() - max_history_entries);
	return history;
}

core::Timeline checkpointed_timeline() {
	return core::Timeline{read_control_file().checkPointCopy.ThisTimeLineID};
}

core::Lsn checkpointed_position() {
	return core::Lsn{read_control_file().checkPointCopy.redo};
}

bool is_replay_paused() {
	return RecoveryInProgress() && replay_pause_is_wanted();
}

bool is_replay_held() {
	const char *delay = GetConfigOption("recovery_min_apply_delay", true, false);
	return is_replay_paused() || (delay != nullptr && strtol(delay, nullptr, 10) != 0);
}

}  // namespace stolon::pg
