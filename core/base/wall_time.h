// Civil time, for what people ask for and what they read. Clocks of machines differ, and jump:
// nothing else may rest on it.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"

namespace stolon::core {

struct WallTime {
	std::int64_t unix_ms = 0;  ///< milliseconds since 1970 in UTC

	auto operator<=>(const WallTime &) const = default;
	WallTime operator+(Duration d) const { return WallTime{unix_ms + to_ms(d)}; }
	WallTime operator-(Duration d) const { return WallTime{unix_ms - to_ms(d)}; }
	/// What lies further apart than a Duration can say (292 years) is as far apart as it can say.
	Duration operator-(WallTime other) const {
		constexpr std::int64_t limit = Duration::max() / milliseconds(1);
		return milliseconds(std::clamp(unix_ms - other.unix_ms, -limit, limit));
	}
};

/// A day and a time of day as a calendar and a clock on the wall show them.
struct CalendarTime {
	int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};
/// What a clock on the wall shows here, as a time; nullopt: it never shows that (a clock that is
/// put forward leaves an hour out).
using LocalClock = std::optional<WallTime> (*)(const CalendarTime &);

/// Parses RFC 3339 ("2026-05-01T22:30:00+02:00") and what people write: 'YYYY-MM-DD HH:MM[:SS]',
/// with 'Z' or an offset behind it or without; then `local` says when that is. nullptr: a zone is
/// needed. Years 1970 to 9999.
Result<WallTime> parse_wall_time(std::string_view text, LocalClock local);

/// RFC 3339 in UTC: "2026-05-01T20:30:00.000Z".
std::string format_wall_time(WallTime time);

}  // namespace stolon::core
