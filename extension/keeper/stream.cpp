#include "extension/keeper/stream.h"

#include <algorithm>
#include <ctime>

#include "core/model/health.h"
#include "extension/keeper/complaints.h"
#include "extension/keeper/local_state.h"

namespace stolon::pg {

namespace {

// Shorter than any repair, and long enough for what is only slow.
core::StreamLimits limits_of(const core::ClusterSpec &spec) {
	core::StreamLimits limits;
	limits.receive_stall = std::max<core::Duration>(spec.fail_interval, core::seconds(2));
	limits.replay_stall = std::max<core::Duration>(core::repair_bound(spec), core::seconds(60));
	limits.close = spec.max_standby_lag;
	limits.repeat_trouble = spec.sleep_interval;
	return limits;
}

// A startup process that wants WAL starts a walreceiver every wal_retrieve_retry_interval, 100 ms.
constexpr uint64 asking_pause_ns = UINT64CONST(10) * 1000 * 1000 * 1000;

std::string wall_clock() {
	const std::time_t now = std::time(nullptr);
	std::tm parts = {};
	char text[32];
	gmtime_r(&now, &parts);
	std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
	return text;
}

}  // namespace

void Stream::look(core::Instant now, const core::ClusterSpec &spec, core::WalPosition published,
                  core::KeeperLocal *local) {
	if (!(local->target == target_)) {
		target_ = local->target;
		complaints_from_ns_ = boottime_ns();
		watch_ = {};
	}
	const WalReceiverState receiver = walreceiver_state(target_.host, target_.port);
	if (receiver.streaming && receiver.heard)
		complaints_from_ns_ = boottime_ns();
	core::StreamSample sample;
	sample.has_upstream = local->in_recovery && !target_.db.empty();
	sample.connected = receiver.streaming;
	sample.receiver = receiver.pid;
	sample.heard = receiver.heard;
	sample.astray = receiver.astray;
	sample.position = local->position;
	sample.received = receiver.received;
	sample.replayed = local->replayed;
	sample.upstream_end = receiver.upstream_end;
	// A walreceiver that hangs knows of nothing; what the upstream publishes tells, too.
	if (published.timeline == local->position.timeline)
		sample.upstream_end = std::max(sample.upstream_end, published.lsn);
	sample.replay_held = is_replay_held();
	const StreamComplaint complaint = last_stream_complaint();
	sample.asking = receiver.pid != 0 || complaint.at_ns + asking_pause_ns > boottime_ns();
	if (complaint.at_ns > complaints_from_ns_) {
		sample.complaint = complaint.text;
		// A startup process that waits for an archive may not try for long; one that never tries
		// again knows nothing of the upstream.
		const uint64 known_for_ns = uint64(core::to_ms(2 * core::repair_bound(spec))) * 1000 * 1000;
		sample.unreachable = complaint.unreachable &&
		                     (sample.asking || complaint.at_ns + known_for_ns > boottime_ns());
	} else if (receiver.ending) {
		sample.complaint = "its walreceiver hangs: it was told to end and does not";
	}
	health_ = watch_.look(now, sample, limits_of(spec));
	note_trouble();
	local->stood_still = health_.stood_still;
	local->since_repoint = now - repointed_at_;
}

void Stream::note_trouble() {
	if (health_.trouble.empty())
		trouble_since_.clear();
	else if (trouble_since_.empty())
		trouble_since_ = wall_clock();
}

void Stream::tell(const core::KeeperLocal &local, core::KeeperInfo *info) const {
	info->streaming = health_.streaming;
	if (health_.streaming)
		info->upstream = local.target.db;
	info->catching_up = health_.catching_up;
	info->replay_held = health_.held;
	info->trouble = health_.trouble;
	info->trouble_since = trouble_since_;
	info->unreachable = health_.unreachable;
}

}  // namespace stolon::pg
