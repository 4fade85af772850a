// Durations, instants, and Go-style duration texts ("5s", "1h30m", "250ms") as stolon's spec uses
// them.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace stolon::core {

using Duration = std::chrono::nanoseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A point on this machine's CLOCK_BOOTTIME, which goes on while the machine is suspended and never
/// jumps. Only comparable on the machine that made it; never stored, never sent.
struct Instant {
	Duration since_boot{0};

	auto operator<=>(const Instant &) const = default;
	Instant operator+(Duration d) const { return Instant{since_boot + d}; }
	Instant operator-(Duration d) const { return Instant{since_boot - d}; }
	Duration operator-(Instant other) const { return since_boot - other.since_boot; }
};

inline std::int64_t to_ms(Duration d) {
	return std::chrono::duration_cast<milliseconds>(d).count();
}

/// Parses Go's format: an optional sign, then decimal numbers with a unit (ns, us, ms, s, m, h),
/// "0" alone. A bare number other than 0, an unknown unit, or a value beyond 290 years is Invalid.
Result<Duration> parse_duration(std::string_view text);

/// The text that Go's Duration.String() gives: "1h30m0s", "5s", "250ms", "0s". parse_duration reads
/// it back to the same value.
std::string format_duration(Duration duration);

}  // namespace stolon::core
