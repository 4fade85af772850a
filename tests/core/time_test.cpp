#include "core/base/time.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;

TEST(DurationText, IsReadAsGoReadsIt) {
	const std::pair<std::string_view, Duration> cases[] = {
	    {"0", nanoseconds(0)},
	    {"+0", nanoseconds(0)},
	    {"0s", nanoseconds(0)},
	    {"5s", seconds(5)},
	    {"+5s", seconds(5)},
	    {"-5s", seconds(-5)},
	    {"250ms", milliseconds(250)},
	    {"1h30m", hours(1) + minutes(30)},
	    {"1m1h", hours(1) + minutes(1)},
	    {"1.5h", minutes(90)},
	    {".5s", milliseconds(500)},
	    {"5.s", seconds(5)},
	    {"1m30.25s", seconds(90) + milliseconds(250)},
	    {"7us", microseconds(7)},
	    {"7\u00b5s", microseconds(7)},
	    {"7\u03bcs", microseconds(7)},
	    {"3ns", nanoseconds(3)},
	    {"0.3333333333333333333h", minutes(20)},
	    {"0.100000000000000000000h", minutes(6)},
	    {"9223372036854775807ns", Duration::max()},
	    {"-9223372036854775808ns", Duration::min()},
	};
	for (const auto &[text, expected] : cases) {
		const auto duration = parse_duration(text);
		ASSERT_TRUE(duration.ok()) << text << ": " << duration.error().message;
		// Go, too, computes the fraction in floating point.
		EXPECT_LE(std::abs((*duration - expected).count()), text[0] == '0' ? 1 : 0) << text;
	}
}

TEST(DurationText, RefusesEverythingElse) {
	for (const std::string_view text :
	     {"",   "5",    "-",  "+",      ".",    "s",     ".s",   "-.s",    "5 s",  " 5s", "5s ",
	      "5S", "5sec", "1d", "1h 30m", "--5s", "5m-3s", "1e3s", "1.2.3s", "0x5s", "00",  "1,5s"}) {
		const auto duration = parse_duration(text);
		ASSERT_FALSE(duration.ok()) << text;
		EXPECT_EQ(duration.error().message,
		          "\"" + std::string(text) +
		              "\" is not a duration; write for example \"5s\" or \"1m30s\"");
	}
	for (const std::string_view text :
	     {"9223372036854775808ns", "-9223372036854775809ns", "2562048h", "99999999999999999999h",
	      "2562047h2562047h", "18446744073709551616ns"}) {
		const auto duration = parse_duration(text);
		ASSERT_FALSE(duration.ok()) << text;
		EXPECT_NE(duration.error().message.find("290 years"), std::string::npos) << text;
	}
}

TEST(DurationText, IsWrittenAsGoWritesIt) {
	const std::pair<Duration, std::string_view> cases[] = {
	    {nanoseconds(0), "0s"},
	    {nanoseconds(1), "1ns"},
	    {nanoseconds(1100), "1.1\u00b5s"},
	    {microseconds(2200), "2.2ms"},
	    {milliseconds(250), "250ms"},
	    {milliseconds(3300), "3.3s"},
	    {seconds(5), "5s"},
	    {seconds(60), "1m0s"},
	    {minutes(4) + seconds(5) + milliseconds(1), "4m5.001s"},
	    {hours(1) + minutes(30), "1h30m0s"},
	    {hours(1), "1h0m0s"},
	    {seconds(-90), "-1m30s"},
	    {Duration::max(), "2562047h47m16.854775807s"},
	    {Duration::min(), "-2562047h47m16.854775808s"},
	};
	for (const auto &[duration, text] : cases) {
		EXPECT_EQ(format_duration(duration), text);
		const auto back = parse_duration(text);
		ASSERT_TRUE(back.ok()) << text;
		EXPECT_EQ(*back, duration) << text;
	}
}

TEST(InstantArithmetic, Works) {
	const Instant start{seconds(10)};
	EXPECT_EQ(start + milliseconds(1500) - start, milliseconds(1500));
	EXPECT_LT(start - seconds(1), start);
	EXPECT_EQ(to_ms(milliseconds(1500)), 1500);
}

}  // namespace
}  // namespace stolon::core
