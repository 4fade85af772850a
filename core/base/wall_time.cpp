#include "core/base/wall_time.h"

#include <chrono>
#include <cstdio>

namespace stolon::core {
namespace {

constexpr std::int64_t ms_per_s = 1000;
constexpr int max_fraction_digits = 9;

Error not_a_time(std::string_view text, const char *why) {
	std::string shown(text.substr(0, 64));
	for (char &c : shown)
		if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e)
			c = '?';
	return invalid("\"" + shown + "\" is not a time: " + why +
	               "; write for example \"2026-05-01 22:30\" or \"2026-05-01T22:30:00Z\"");
}

/// Takes exactly `digits` digits from the front.
bool take_number(std::string_view &rest, int digits, int &out) {
	out = 0;
	for (int i = 0; i < digits; i++) {
		if (rest.empty() || rest.front() < '0' || rest.front() > '9')
			return false;
		out = out * 10 + (rest.front() - '0');
		rest.remove_prefix(1);
	}
	return true;
}

bool take(std::string_view &rest, char wanted) {
	if (rest.empty() || rest.front() != wanted)
		return false;
	rest.remove_prefix(1);
	return true;
}

/// A fraction of a second, down to milliseconds; what is finer is left out.
bool take_fraction(std::string_view &rest, int &ms) {
	ms = 0;
	if (!take(rest, '.'))
		return true;
	int digits = 0;
	for (int weight = 100; !rest.empty() && rest.front() >= '0' && rest.front() <= '9';
	     weight /= 10) {
		ms += (rest.front() - '0') * weight;
		rest.remove_prefix(1);
		digits++;
	}
	return digits > 0 && digits <= max_fraction_digits;
}

bool take_calendar_time(std::string_view &rest, CalendarTime &time, int &ms) {
	const bool day = take_number(rest, 4, time.year) && take(rest, '-') &&
	                 take_number(rest, 2, time.month) && take(rest, '-') &&
	                 take_number(rest, 2, time.day);
	if (!day || !(take(rest, 'T') || take(rest, 't') || take(rest, ' ')))
		return false;
	if (!take_number(rest, 2, time.hour) || !take(rest, ':') || !take_number(rest, 2, time.minute))
		return false;
	return !take(rest, ':') || (take_number(rest, 2, time.second) && take_fraction(rest, ms));
}

/// What follows the time of day: a zone, or nothing.
bool take_zone(std::string_view rest, std::optional<std::chrono::minutes> &offset) {
	take(rest, ' ');
	if (rest.empty())
		return true;
	offset = std::chrono::minutes(0);
	if (rest == "Z" || rest == "z")
		return true;
	const bool west = rest.front() == '-';
	if (!west && rest.front() != '+')
		return false;
	rest.remove_prefix(1);
	int hours = 0, minutes = 0;
	if (!take_number(rest, 2, hours) || hours > 15)
		return false;
	take(rest, ':');
	if (!rest.empty() && (!take_number(rest, 2, minutes) || minutes > 59 || !rest.empty()))
		return false;
	offset = std::chrono::minutes(hours * 60 + minutes) * (west ? -1 : 1);
	return true;
}

bool is_in_calendar(const CalendarTime &time) {
	const std::chrono::year_month_day day{std::chrono::year(time.year),
	                                      std::chrono::month(static_cast<unsigned>(time.month)),
	                                      std::chrono::day(static_cast<unsigned>(time.day))};
	return day.ok() && time.year >= 1970 && time.hour <= 23 && time.minute <= 59 &&
	       time.second <= 59;
}

WallTime in_utc(const CalendarTime &time) {
	const std::chrono::sys_days day{std::chrono::year_month_day{
	    std::chrono::year(time.year), std::chrono::month(static_cast<unsigned>(time.month)),
	    std::chrono::day(static_cast<unsigned>(time.day))}};
	const std::chrono::sys_seconds at = day + std::chrono::hours(time.hour) +
	                                    std::chrono::minutes(time.minute) +
	                                    std::chrono::seconds(time.second);
	return WallTime{at.time_since_epoch().count() * ms_per_s};
}

}  // namespace

Result<WallTime> parse_wall_time(std::string_view text, LocalClock local) {
	std::string_view rest = text;
	CalendarTime time;
	int ms = 0;
	std::optional<std::chrono::minutes> offset;
	if (!take_calendar_time(rest, time, ms) || !take_zone(rest, offset))
		return not_a_time(text, "it is not of the form YYYY-MM-DD HH:MM[:SS][zone]");
	if (!is_in_calendar(time))
		return not_a_time(text, "no calendar has that day, or no clock that time");
	if (offset)
		return in_utc(time) + milliseconds(ms) - Duration(*offset);
	if (local == nullptr)
		return not_a_time(text, "it has no zone");
	const auto here = local(time);
	if (!here)
		return not_a_time(text, "the clock here never shows it");
	return *here + milliseconds(ms);
}

std::string format_wall_time(WallTime time) {
	const std::chrono::sys_time<milliseconds> at{milliseconds(time.unix_ms)};
	const auto day = std::chrono::floor<std::chrono::days>(at);
	const std::chrono::year_month_day date(day);
	const std::chrono::hh_mm_ss clock(at - day);
	char text[64];
	std::snprintf(
	    text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
	    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
	    static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
	    static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
	return text;
}

}  // namespace stolon::core
