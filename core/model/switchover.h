// The request `switchover` in clusterdata: put by an operator, taken from step to step by the
// leading sentinel, and kept with its outcome until the next one.
#pragma once

#include <string>

#include "core/base/json.h"
#include "core/base/time.h"
#include "core/base/types.h"

namespace stolon::core {

class FieldReader;

/// The steps, in their order, and then the outcomes.
enum class SwitchoverPhase {
	Requested,   ///< by the operator; not looked at yet
	Checkpoint,  ///< the master writes a checkpoint, the target catches up; clients go on
	Pause,       ///< the proxies let clients wait, and say when the last transaction has ended
	Stop,        ///< the master is stopped, and its standbys vote
	Promote,     ///< a successor is named and is becoming writable
	Done,        ///< the wanted keeper is the writable master
	Refused,     ///< nothing has happened, no client has waited
	Undone,      ///< clients have waited; the master is the same
	Failed,      ///< something else has happened; the reason says what
};

const char *to_string(SwitchoverPhase phase);

struct SwitchoverLimits {
	static constexpr Duration min_timeout = milliseconds(100);
	static constexpr Duration max_timeout = seconds(3600);
	static constexpr std::size_t id_digits = 16;
};

struct Switchover {
	std::string id;  ///< 16 hexadecimal digits, made by whoever asks; one outcome for each
	KeeperUid to;    ///< as asked for; empty: the sentinel chooses
	Duration timeout = seconds(10);  ///< for each step
	SwitchoverPhase phase = SwitchoverPhase::Requested;

	// By the sentinel, when it has accepted the request:
	Epoch epoch;                   ///< of the master that is to be replaced
	std::uint64_t generation = 0;  ///< of the view in which it was accepted
	DbUid from;                    ///< that master
	DbUid target;
	std::string reason;  ///< of the outcome, for people

	bool is_over() const { return phase >= SwitchoverPhase::Done; }
	/// Accepted, and not over.
	bool is_running() const { return !is_over() && phase != SwitchoverPhase::Requested; }
	bool operator==(const Switchover &) const = default;
};

/// Problems are kept in `outer`.
Switchover read_switchover(const Json &value, FieldReader &outer);
Json write_switchover(const Switchover &switchover);

}  // namespace stolon::core
