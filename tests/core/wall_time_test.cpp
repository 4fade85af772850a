#include "core/base/wall_time.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

// Two hours east of Greenwich; from 02:00 to 03:00 on one day no clock shows anything.
std::optional<WallTime> east(const CalendarTime &time) {
	if (time.month == 3 && time.day == 29 && time.hour == 2)
		return std::nullopt;
	const auto utc = parse_wall_time("2026-05-01T00:00:00Z", nullptr);
	const std::int64_t minutes = ((time.day - 1) * 24 + time.hour - 2) * 60 + time.minute;
	return WallTime{utc->unix_ms + (minutes * 60 + time.second) * 1000};
}

TEST(WallTimeText, IsReadInEveryForm) {
	struct Case {
		const char *text;
		const char *utc;
	} cases[] = {
	    {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"},
	    {"2026-05-01T22:30:00+02:00", "2026-05-01T20:30:00.000Z"},
	    {"2026-05-01 22:30+02", "2026-05-01T20:30:00.000Z"},
	    {"2026-05-01 22:30:59 +0200", "2026-05-01T20:30:59.000Z"},
	    {"2026-01-01 00:30 +05:45", "2025-12-31T18:45:00.000Z"},
	    {"2025-12-31t23:30:00.5-01:00", "2026-01-01T00:30:00.500Z"},
	    {"2028-02-29 12:00:00.123456z", "2028-02-29T12:00:00.123Z"},
	    {"9999-12-31 23:59:59Z", "9999-12-31T23:59:59.000Z"},
	    {"2026-05-01 22:30", "2026-05-01T20:30:00.000Z"},
	    {"2026-05-02T01:30:05.250", "2026-05-01T23:30:05.250Z"},
	};
	for (const Case &one : cases) {
		SCOPED_TRACE(one.text);
		const auto time = parse_wall_time(one.text, east);
		ASSERT_TRUE(time.ok()) << time.error().message;
		EXPECT_EQ(format_wall_time(*time), one.utc);
		EXPECT_EQ(parse_wall_time(one.utc, nullptr)->unix_ms, time->unix_ms);
	}
}

TEST(WallTimeText, IsRefusedWithTheReason) {
	struct Case {
		const char *text;
		const char *why;
	} cases[] = {
	    {"", "form"},
	    {"tomorrow", "form"},
	    {"22:30", "form"},
	    {"2026-05-01", "form"},
	    {"2026-5-1 22:30", "form"},
	    {"2026-05-01 22", "form"},
	    {"2026-05-01 22:30 CEST", "form"},
	    {"2026-05-01 22:30:00.", "form"},
	    {"2026-05-01 22:30Zulu", "form"},
	    {"2026-05-01 22:30 +24:00", "form"},
	    {"2026-05-01 22:30+02:60", "form"},
	    {"2026-13-01 22:30Z", "no calendar"},
	    {"2026-02-29 22:30Z", "no calendar"},
	    {"2026-05-01 24:00Z", "no calendar"},
	    {"2026-05-01 22:60Z", "no calendar"},
	    {"2026-05-01 22:30:60Z", "no calendar"},
	    {"1969-12-31 23:59:59Z", "no calendar"},
	    {"2026-03-29 02:30", "never shows"},
	};
	for (const Case &one : cases) {
		SCOPED_TRACE(one.text);
		const auto time = parse_wall_time(one.text, east);
		ASSERT_FALSE(time.ok());
		EXPECT_NE(time.error().message.find(one.why), std::string::npos) << time.error().message;
	}
	const auto without_zone = parse_wall_time("2026-05-01 22:30", nullptr);
	ASSERT_FALSE(without_zone.ok());
	EXPECT_NE(without_zone.error().message.find("no zone"), std::string::npos);
}

}  // namespace
}  // namespace stolon::core
