// The request `switchover` in clusterdata: put by an operator, taken from step to step by the
// leading sentinel, and kept with its outcome until the next one.
#pragma once

#include <optional>
#include <string>

#include "core/base/json.h"
#include "core/base/time.h"
#include "core/base/types.h"
#include "core/base/wall_time.h"

namespace stolon::core {

class FieldReader;

/// The steps, in their order, and then the outcomes.
enum class SwitchoverPhase {
	Requested,   ///< by the operator; not looked at yet, or its time has not come
	Checkpoint,  ///< the master writes a checkpoint, the target catches up; clients go on
	Pause,       ///< the proxies let clients wait, and say when the last transaction has ended
	Stop,        ///< the master is stopped, and its standbys vote
	Promote,     ///< a successor is named and is becoming writable
	Done,        ///< the wanted keeper is the writable master
	Refused,     ///< nothing has happened, no client has waited
	Undone,      ///< clients have waited; the master is the same
	Failed,      ///< something else has happened; the reason says what
	Cancelled,   ///< by an operator, before the master was stopped; the master is the same
};

const char *to_string(SwitchoverPhase phase);
bool is_outcome(SwitchoverPhase phase);
/// What happens in a step, for people; "" for an outcome.
const char *sentence_of_step(SwitchoverPhase phase);
/// The last step that is known to have begun, when `shown` was known before. How far an operation
/// came that ended early stands in its reason only.
SwitchoverPhase last_known_step(SwitchoverPhase phase, SwitchoverPhase shown);

struct SwitchoverLimits {
	static constexpr Duration min_timeout = milliseconds(100);
	static constexpr Duration max_timeout = seconds(3600);
	static constexpr std::size_t id_digits = 16;
	/// A scheduled one that nobody could begin in time is not done any more.
	static constexpr Duration max_delay = seconds(60);
	static constexpr Duration max_ahead = std::chrono::hours(24 * 366);
	/// The sentinel ends each step after the timeout; a stop that is under way takes longer, and so
	/// does an election after a successor that failed. Whoever follows an operation in which
	/// nothing has happened for longer need not go on.
	static constexpr Duration step_grace = seconds(60);
};

struct Switchover {
	std::string id;  ///< 16 hexadecimal digits, made by whoever asks; one outcome for each
	KeeperUid to;    ///< as asked for; empty: the sentinel chooses
	Duration timeout = seconds(10);  ///< for each step
	std::optional<WallTime> at;      ///< when it is to begin, by the leading sentinel's clock
	SwitchoverPhase phase = SwitchoverPhase::Requested;
	bool cancel = false;  ///< an operator wants it to end before the master is stopped

	// By the sentinel, when it has accepted the request:
	Epoch epoch;                   ///< of the master that is to be replaced
	std::uint64_t generation = 0;  ///< of the view in which it was accepted
	DbUid from;                    ///< that master
	DbUid target;
	std::string reason;  ///< of the outcome, for people

	bool is_over() const { return is_outcome(phase); }
	/// Accepted, and not over.
	bool is_running() const { return !is_over() && phase != SwitchoverPhase::Requested; }
	bool operator==(const Switchover &) const = default;
};

/// "in step pause", "scheduled for 2026-05-01T20:30:00.000Z", "done".
std::string describe_state(const Switchover &switchover);

/// Problems are kept in `outer`.
Switchover read_switchover(const Json &value, FieldReader &outer);
Json write_switchover(const Switchover &switchover);

}  // namespace stolon::core
