#include "core/plan/stream_health.h"

#include <algorithm>
#include <utility>

namespace stolon::core {

namespace {

/// Since when `value` has stood where it is; reset whenever it moves or has no need to.
bool stands_still(Instant now, bool has_to_move, Lsn value, Lsn &last,
                  std::optional<Instant> &since, Duration bound) {
	// It is counted from when it was first seen to have to: nobody may have looked for a while.
	if (!has_to_move)
		since.reset();
	else if (value != last || !since)
		since = now;
	last = value;
	return has_to_move && now - *since >= bound;
}

/// What was received may end within a record, which cannot be replayed.
constexpr std::uint64_t replay_slack = 1024 * 1024;

std::uint64_t bytes_between(Lsn from, Lsn to) {
	return to > from ? to.value - from.value : 0;
}

std::uint64_t behind(const StreamSample &sample) {
	return bytes_between(sample.position.lsn, sample.upstream_end);
}

bool has_backlog(const StreamSample &sample) {
	return bytes_between(sample.replayed, sample.received) > replay_slack;
}

}  // namespace

bool StreamWatch::is_connected(Instant now, const StreamSample &sample) {
	if (sample.receiver != receiver_) {
		receiver_ = sample.receiver;
		receiver_since_ = now;
	}
	return sample.connected && (sample.heard || now - receiver_since_ >= settled);
}

bool StreamWatch::receives(Instant now, const StreamSample &sample, Duration bound) {
	return !stands_still(now, sample.connected && behind(sample) > 0, sample.position.lsn,
	                     stuck_received_, receive_stuck_since_, bound);
}

bool StreamWatch::replays(Instant now, const StreamSample &sample, Duration bound) {
	return !stands_still(now, !sample.replay_held && has_backlog(sample), sample.replayed,
	                     stuck_replayed_, replay_stuck_since_, bound);
}

/// What another upstream gives it may be WAL that the right one does not have.
Duration StreamWatch::standing_still(Instant now, const StreamSample &sample) {
	if (sample.astray.empty() || !sample.has_upstream)
		astray_since_.reset();
	else if (!astray_since_)
		astray_since_ = now;
	return now - std::min(*got_on_at_, astray_since_.value_or(now));
}

std::string StreamWatch::find_trouble(const StreamSample &sample, const StreamHealth &health,
                                      bool replaying) {
	if (health.streaming || health.held) {
		if (!replaying)
			return "WAL that is here is not replayed";
		return health.held && sample.replay_held
		           ? "its replay of WAL is paused or delayed, and it asks for no more meanwhile"
		           : "";
	}
	if (!sample.has_upstream || health.stood_still < patience)
		return {};
	if (!sample.astray.empty())
		return "it is connected to " + sample.astray + ", which is not its upstream";
	if (sample.connected)
		return "it is connected to its upstream, which has more WAL, and receives nothing";
	return sample.complaint.empty() ? "no connection to its upstream" : sample.complaint;
}

/// The text may change with each attempt; each change would be a write to the store.
void StreamWatch::tell(Instant now, std::string trouble, Duration repeat) {
	if (trouble.empty() || told_.empty() || now - told_at_ >= repeat) {
		told_at_ = now;
		told_ = std::move(trouble);
	}
}

StreamHealth StreamWatch::look(Instant now, const StreamSample &given, const StreamLimits &limits) {
	StreamSample sample = given;
	sample.connected = is_connected(now, given);
	StreamHealth health;
	health.streaming =
	    receives(now, sample, limits.receive_stall) && sample.connected && sample.has_upstream;
	const bool replaying = replays(now, sample, limits.replay_stall);
	const bool further = sample.position.lsn > furthest_.lsn ||
	                     sample.position.timeline != furthest_.timeline ||
	                     sample.replayed > furthest_replayed_;
	health.held =
	    !health.streaming && !sample.asking && (sample.replay_held || has_backlog(sample));
	if (!got_on_at_ || health.streaming || further || health.held || !sample.has_upstream)
		got_on_at_ = now;
	if (further) {
		furthest_ = sample.position;
		furthest_replayed_ = sample.replayed;
	}
	// Half the way back before it ends, so that it does not come and go with every transaction.
	catching_up_ =
	    health.streaming && behind(sample) > (catching_up_ ? limits.close / 2 : limits.close);
	health.catching_up = catching_up_;
	health.stood_still = standing_still(now, sample);
	tell(now, find_trouble(sample, health, replaying), limits.repeat_trouble);
	health.trouble = told_;
	health.unreachable = !health.streaming && !told_.empty() && sample.unreachable;
	return health;
}

}  // namespace stolon::core
