#include "core/base/types.h"

#include <algorithm>
#include <tuple>

namespace stolon::core {
namespace {

bool is_lower(char c) {
	return c >= 'a' && c <= 'z';
}

bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

/// A refused text as it may stand in a message: short, printable.
std::string shown(std::string_view text) {
	std::string out(text.substr(0, 64));
	for (char &c : out)
		if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e)
			c = '?';
	return "\"" + out + "\"" + (text.size() > 64 ? "..." : "");
}

/// Up to eight hexadecimal digits, no sign, no space.
bool parse_hex32(std::string_view text, std::uint64_t &out) {
	if (text.empty() || text.size() > 8)
		return false;
	out = 0;
	for (const char c : text) {
		int digit = -1;
		if (is_digit(c))
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		if (digit < 0)
			return false;
		out = out << 4 | static_cast<std::uint64_t>(digit);
	}
	return true;
}

/// Upper-case digits without leading zeros, as PostgreSQL writes a half of a location.
std::string hex(std::uint64_t value) {
	std::string digits;
	do {
		digits += "0123456789ABCDEF"[value & 15];
		value >>= 4;
	} while (value != 0);
	std::reverse(digits.begin(), digits.end());
	return digits;
}

Status check_host_uid(std::string_view text, const char *what) {
	bool good = !text.empty() && text.size() <= 40;
	for (const char c : text)
		good = good && (is_lower(c) || is_digit(c) || c == '_');
	if (good)
		return {};
	return invalid(std::string(what) + " uid " + shown(text) +
	               " is not valid; use 1 to 40 lower-case letters, digits and '_'");
}

template <typename Tag>
Status check_uid(std::string_view text);

template <>
Status check_uid<KeeperTag>(std::string_view text) {
	return check_host_uid(text, "keeper");
}

template <>
Status check_uid<SentinelTag>(std::string_view text) {
	return check_host_uid(text, "sentinel");
}

template <>
Status check_uid<ProxyTag>(std::string_view text) {
	return check_host_uid(text, "proxy");
}

template <>
Status check_uid<DbTag>(std::string_view text) {
	bool good = text.size() == 8;
	for (const char c : text)
		good = good && (is_digit(c) || (c >= 'a' && c <= 'f'));
	if (good)
		return {};
	return invalid("db uid " + shown(text) +
	               " is not valid; it has 8 lower-case hexadecimal digits");
}

}  // namespace

template <typename Tag>
Result<Uid<Tag>> Uid<Tag>::parse(std::string_view text) {
	if (const Status status = check_uid<Tag>(text); !status)
		return status.error();
	return Uid{std::string(text)};
}

template struct Uid<KeeperTag>;
template struct Uid<DbTag>;
template struct Uid<SentinelTag>;
template struct Uid<ProxyTag>;

Result<Lsn> Lsn::parse(std::string_view text) {
	const std::size_t slash = text.find('/');
	std::uint64_t high = 0;
	std::uint64_t low = 0;
	if (slash == std::string_view::npos || !parse_hex32(text.substr(0, slash), high) ||
	    !parse_hex32(text.substr(slash + 1), low))
		return invalid(shown(text) + " is not a WAL location; write for example \"0/16B3740\"");
	return Lsn{high << 32 | low};
}

std::string Lsn::to_string() const {
	return hex(value >> 32) + "/" + hex(value & 0xffffffffu);
}

WalPosition further(WalPosition a, WalPosition b) {
	return std::tie(a.timeline, a.lsn) < std::tie(b.timeline, b.lsn) ? b : a;
}

std::string WalPosition::to_string() const {
	return "timeline " + std::to_string(timeline.value) + " at " + lsn.to_string();
}

std::string replication_name(const DbUid &db) {
	return "stolon_" + db.value;
}

Status check_cluster_name(std::string_view name) {
	bool good = !name.empty() && name.size() <= 63 && name.front() != '.';
	for (const char c : name)
		good = good && (is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') || c == '_' ||
		                c == '-' || c == '.');
	if (good)
		return {};
	return invalid("cluster name " + shown(name) +
	               " is not valid; use 1 to 63 letters, digits, '_', '-' and '.', not starting "
	               "with '.'");
}

}  // namespace stolon::core
