#include "core/base/time.h"

#include <array>
#include <cstdint>

namespace stolon::core {
namespace {

struct Unit {
	std::string_view name;
	std::uint64_t ns;
};

// Both code points that look like a micro sign, as Go accepts them.
constexpr std::array<Unit, 8> units = {{
    {"ns", 1},
    {"us", 1'000},
    {"\u00b5s", 1'000},
    {"\u03bcs", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
}};

constexpr std::uint64_t max_ns = std::uint64_t{1} << 63;  // the magnitude of the lowest int64

bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

Error not_a_duration(std::string_view text) {
	std::string shown(text.substr(0, 64));
	for (char &c : shown)
		if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == 0x7f)
			c = '?';
	return invalid("\"" + shown + "\" is not a duration; write for example \"5s\" or \"1m30s\"");
}

/// A decimal number as whole part and fraction/scale, with the digits consumed from `rest`.
struct Number {
	std::uint64_t whole = 0;
	std::uint64_t fraction = 0;
	std::uint64_t scale = 1;
	bool any_digit = false;
	bool too_big = false;
};

Number take_number(std::string_view &rest) {
	Number n;
	for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1)) {
		n.any_digit = true;
		if (n.whole > max_ns / 10)
			n.too_big = true;
		else
			n.whole = n.whole * 10 + static_cast<std::uint64_t>(rest.front() - '0');
	}
	if (rest.empty() || rest.front() != '.')
		return n;
	rest.remove_prefix(1);
	for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1)) {
		n.any_digit = true;
		// Digits beyond a hundred-thousandth of a nanosecond of an hour cannot matter.
		if (n.scale < 1'000'000'000'000'000'000) {
			n.fraction = n.fraction * 10 + static_cast<std::uint64_t>(rest.front() - '0');
			n.scale *= 10;
		}
	}
	return n;
}

/// The longest unit name that `rest` continues with up to the next digit, or nullptr.
const Unit *take_unit(std::string_view &rest) {
	std::size_t end = 0;
	while (end < rest.size() && !is_digit(rest[end]) && rest[end] != '.')
		end++;
	const std::string_view name = rest.substr(0, end);
	for (const Unit &unit : units) {
		if (unit.name == name) {
			rest.remove_prefix(end);
			return &unit;
		}
	}
	return nullptr;
}

/// "1.5": `value` divided by 10^digits, without trailing zeros.
std::string decimal(std::uint64_t value, int digits) {
	std::uint64_t scale = 1;
	for (int i = 0; i < digits; i++)
		scale *= 10;
	std::string text = std::to_string(value / scale);
	std::string fraction = std::to_string(value % scale + scale).substr(1);
	while (!fraction.empty() && fraction.back() == '0')
		fraction.pop_back();
	return fraction.empty() ? text : text + "." + fraction;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
	std::string_view rest = text;
	bool negative = false;
	if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
		negative = rest.front() == '-';
		rest.remove_prefix(1);
	}
	if (rest == "0")
		return Duration(0);
	if (rest.empty())
		return not_a_duration(text);

	std::uint64_t total = 0;
	bool too_big = false;
	while (!rest.empty()) {
		const Number n = take_number(rest);
		const Unit *unit = n.any_digit ? take_unit(rest) : nullptr;
		if (unit == nullptr)
			return not_a_duration(text);
		if (n.too_big || n.whole > max_ns / unit->ns) {
			too_big = true;
			continue;
		}
		// long double has 64 bits of mantissa here, enough for a fraction of one unit.
		const auto part = static_cast<std::uint64_t>(static_cast<long double>(n.fraction) *
		                                             static_cast<long double>(unit->ns) /
		                                             static_cast<long double>(n.scale));
		const std::uint64_t value = n.whole * unit->ns + part;
		if (value > max_ns || total > max_ns - value)
			too_big = true;
		else
			total += value;
	}
	if (too_big || total > (negative ? max_ns : max_ns - 1))
		return invalid("\"" + std::string(text.substr(0, 64)) +
		               "\" is too long for a duration (290 years at most)");
	// Negated as an unsigned number, so that the lowest value does not overflow.
	return Duration(static_cast<std::int64_t>(negative ? 0 - total : total));
}

std::string format_duration(Duration duration) {
	const std::int64_t count = duration.count();
	if (count == 0)
		return "0s";
	const std::string sign = count < 0 ? "-" : "";
	const auto ns =
	    count < 0 ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
	if (ns < 1'000)
		return sign + std::to_string(ns) + "ns";
	if (ns < 1'000'000)
		return sign + decimal(ns, 3) + "\u00b5s";
	if (ns < 1'000'000'000)
		return sign + decimal(ns, 6) + "ms";
	const std::uint64_t minutes = ns / 60'000'000'000;
	const std::string rest = decimal(ns % 60'000'000'000, 9) + "s";
	if (minutes == 0)
		return sign + rest;
	if (minutes < 60)
		return sign + std::to_string(minutes) + "m" + rest;
	return sign + std::to_string(minutes / 60) + "h" + std::to_string(minutes % 60) + "m" + rest;
}

}  // namespace stolon::core
