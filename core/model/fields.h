// Reading and writing the objects of the model: typed fields with bounds, the first error kept, and
// what is left over collected as unknown fields. Used by the .cpp files of this folder only.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/json.h"
#include "core/base/time.h"
#include "core/base/types.h"
#include "core/model/info.h"

namespace stolon::core {

/// Bounds inside values. Writers cut what is longer, readers refuse it.
struct ValueLimits {
	static constexpr std::size_t max_message = 1024;
	static constexpr std::size_t max_unfit = 256;  ///< beats are to stay small
	static constexpr std::size_t max_name = 255;
	static constexpr std::size_t max_readers = 64;
	static constexpr std::size_t max_history = 64;  ///< entries, the newest
};

/// Reads one object. The first problem is kept in `error()`, with the path of the field; after that
/// every read gives the default. Fields that nobody asked for are the unknown ones.
class FieldReader {
public:
	FieldReader(Json object, std::string path);

	bool has(std::string_view key);
	Json raw(std::string_view key);  ///< The field as it is; missing when absent.

	/// Absent: the default. Another type or beyond the bounds: an error.
	std::string text(std::string_view key, std::size_t max_size);
	std::int64_t integer(std::string_view key, std::int64_t low = 0,
	                     std::int64_t high = std::numeric_limits<std::int64_t>::max());
	bool boolean(std::string_view key);
	Duration ms(std::string_view key, Duration high);
	Lsn lsn(std::string_view key);
	Timeline timeline(std::string_view key);
	WalPosition position(std::string_view key);
	/// Ancestors of the timeline `of`: ascending, all older than it (when it is known).
	std::vector<HistoryEntry> history(std::string_view key, Timeline of);
	Epoch epoch(std::string_view key);
	std::string host(std::string_view key);  ///< empty, or 1..255 printable without quotes
	int port(std::string_view key);          ///< 0 (absent) or 1..65535
	std::vector<Json> list(std::string_view key, std::size_t max_size);

	template <typename Tag>
	Uid<Tag> uid(std::string_view key) {
		return uid_of<Tag>(raw(key), key);
	}

	/// One of `names`; its index is the enumerator.
	template <typename Enum, std::size_t N>
	Enum choice(std::string_view key, const std::array<std::string_view, N> &names) {
		const std::string value = text(key, ValueLimits::max_name);
		for (std::size_t i = 0; i < N; i++)
			if (names[i] == value)
				return static_cast<Enum>(i);
		if (!value.empty())
			fail(key, "\"" + value + "\" is not known to this version");
		return Enum{};
	}

	template <typename Tag>
	Uid<Tag> uid_of(const Json &value, std::string_view key) {
		if (value.is_missing() || (value.is_string() && value.as_string().empty()))
			return {};
		if (!value.is_string()) {
			fail(key, "must be a string");
			return {};
		}
		auto parsed = Uid<Tag>::parse(value.as_string());
		if (!parsed) {
			fail(key, parsed.error().message);
			return {};
		}
		return std::move(*parsed);
	}

	/// Refuses the object if one of these is absent (or empty, for texts).
	void require(std::string_view key);

	void fail(std::string_view key, const std::string &what);
	void adopt(const FieldReader &inner);  ///< Takes over the error of an inner object.
	const std::optional<Error> &error() const { return error_; }

	/// Fields that were not asked for; missing if there are none.
	Json unknown() const;

private:
	std::string path_of(std::string_view key) const;

	Json object_;
	std::string path_;
	std::vector<std::string> asked_;
	std::optional<Error> error_;
};

/// Parses `text` as one object; the error names `what` ("keepers/info").
Result<Json> parse_object(std::string_view text, std::string_view what, std::size_t max_bytes);

/// "" or a host name or address that may stand in a conninfo and an ini file: 1..255 printable
/// characters, no space, quote or backslash.
bool host_is_acceptable(std::string_view host);

/// Writing. Absent is what the default stands for.
void put_text(Json &object, std::string_view key, std::string_view value);
/// Cut if it has more than `max_size` bytes.
void put_message(Json &object, std::string_view key, std::string_view value,
                 std::size_t max_size = ValueLimits::max_message);
void put_number(Json &object, std::string_view key, std::uint64_t value);  ///< always written
void put_flag(Json &object, std::string_view key, bool value);
void put_position(Json &object, std::string_view key, const WalPosition &position);
void put_history(Json &object, std::string_view key, const std::vector<HistoryEntry> &history);
void put_lsn(Json &object, std::string_view key, Lsn lsn);
void put_unknown(Json &object, const Json &unknown);  ///< those that are not set yet

}  // namespace stolon::core
