#include "core/model/fields.h"

#include <algorithm>

namespace stolon::core {

FieldReader::FieldReader(Json object, std::string path)
    : object_(std::move(object)), path_(std::move(path)) {
	if (!object_.is_object())
		error_ = invalid(path_ + ": must be an object");
}

std::string FieldReader::path_of(std::string_view key) const {
	return path_ + "." + std::string(key);
}

void FieldReader::fail(std::string_view key, const std::string &what) {
	if (!error_)
		error_ = invalid(path_of(key) + ": " + what);
}

void FieldReader::adopt(const FieldReader &inner) {
	if (!error_)
		error_ = inner.error();
}

Json FieldReader::raw(std::string_view key) {
	asked_.emplace_back(key);
	return object_.get(key);
}

bool FieldReader::has(std::string_view key) {
	asked_.emplace_back(key);
	return object_.has(key);
}

void FieldReader::require(std::string_view key) {
	const Json value = raw(key);
	if (value.is_missing() || (value.is_string() && value.as_string().empty()))
		fail(key, "is missing");
}

std::string FieldReader::text(std::string_view key, std::size_t max_size) {
	const Json value = raw(key);
	if (value.is_missing())
		return {};
	std::string text = value.as_string();
	if (!value.is_string()) {
		fail(key, "must be a string");
		return {};
	}
	if (text.size() > max_size) {
		fail(key, "has " + std::to_string(text.size()) + " bytes; " + std::to_string(max_size) +
		              " are allowed");
		return {};
	}
	return text;
}

std::int64_t FieldReader::integer(std::string_view key, std::int64_t low, std::int64_t high) {
	const Json value = raw(key);
	if (value.is_missing())
		return 0;
	const std::int64_t number = value.as_integer();
	if (!value.is_integer() || number < low || number > high) {
		fail(key, "must be an integer from " + std::to_string(low) + " to " + std::to_string(high));
		return 0;
	}
	return number;
}

bool FieldReader::boolean(std::string_view key) {
	const Json value = raw(key);
	if (!value.is_missing() && !value.is_boolean())
		fail(key, "must be true or false");
	return value.as_boolean();
}

Duration FieldReader::ms(std::string_view key, Duration high) {
	return milliseconds(integer(key, 0, to_ms(high)));
}

Lsn FieldReader::lsn(std::string_view key) {
	const std::string value = text(key, ValueLimits::max_name);
	if (value.empty())
		return {};
	const auto parsed = Lsn::parse(value);
	if (!parsed) {
		fail(key, parsed.error().message);
		return {};
	}
	return *parsed;
}

Timeline FieldReader::timeline(std::string_view key) {
	constexpr std::int64_t high = std::numeric_limits<std::uint32_t>::max();
	return Timeline{static_cast<std::uint32_t>(integer(key, 0, high))};
}

WalPosition FieldReader::position(std::string_view key) {
	const Json value = raw(key);
	if (value.is_missing())
		return {};
	FieldReader inner(value, path_of(key));
	const WalPosition position{inner.timeline("timeline"), inner.lsn("lsn")};
	adopt(inner);
	return position;
}

std::vector<HistoryEntry> FieldReader::history(std::string_view key, Timeline of) {
	std::vector<HistoryEntry> history;
	for (const Json &item : list(key, ValueLimits::max_history)) {
		FieldReader entry(item, path_of(key));
		const HistoryEntry next{entry.timeline("timeline"), entry.lsn("end")};
		adopt(entry);
		const HistoryEntry last = history.empty() ? HistoryEntry{} : history.back();
		if (next.timeline <= last.timeline || next.end < last.end)
			fail(key, "is not in ascending order");
		if (of.valid() && next.timeline >= of)
			fail(key, "has a timeline that is not older than the position's");
		history.push_back(next);
	}
	return history;
}

Epoch FieldReader::epoch(std::string_view key) {
	return Epoch{static_cast<std::uint64_t>(integer(key))};
}

std::string FieldReader::host(std::string_view key) {
	std::string host = text(key, ValueLimits::max_name);
	if (!host.empty() && !host_is_acceptable(host)) {
		fail(key,
		     "is no host name or address (1 to 255 printable characters without spaces, "
		     "quotes and backslashes)");
		return {};
	}
	return host;
}

int FieldReader::port(std::string_view key) {
	return static_cast<int>(integer(key, 1, 65535));
}

std::vector<Json> FieldReader::list(std::string_view key, std::size_t max_size) {
	std::vector<Json> items;
	const Json value = raw(key);
	if (value.is_missing())
		return items;
	if (!value.is_array()) {
		fail(key, "must be an array");
		return items;
	}
	if (value.size() > max_size) {
		fail(key, "has " + std::to_string(value.size()) + " entries; " + std::to_string(max_size) +
		              " are allowed");
		return items;
	}
	items.reserve(value.size());
	for (std::size_t i = 0; i < value.size(); i++)
		items.push_back(value.at(i));
	return items;
}

Json FieldReader::unknown() const {
	Json rest;
	for (const std::string &key : object_.keys())
		if (std::find(asked_.begin(), asked_.end(), key) == asked_.end())
			rest.set(key, object_.get(key));
	return rest;
}

Result<Json> parse_object(std::string_view text, std::string_view what, std::size_t max_bytes) {
	JsonLimits limits;
	limits.max_bytes = max_bytes;
	auto json = Json::parse(text, limits);
	if (!json)
		return invalid(std::string(what) + ": " + json.error().message);
	if (!json->is_object())
		return invalid(std::string(what) + ": must be an object");
	return json;
}

bool host_is_acceptable(std::string_view host) {
	if (host.empty() || host.size() > ValueLimits::max_name)
		return false;
	return std::all_of(host.begin(), host.end(), [](char c) {
		return c > 0x20 && c < 0x7f && c != '"' && c != '\'' && c != '\\' && c != '`';
	});
}

void put_text(Json &object, std::string_view key, std::string_view value) {
	if (!value.empty())
		object.set(key, Json::string(value));
}

void put_message(Json &object, std::string_view key, std::string_view value, std::size_t max_size) {
	if (value.size() > max_size) {
		std::size_t end = max_size;
		// Not in the middle of a UTF-8 sequence.
		while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xc0) == 0x80)
			end--;
		value = value.substr(0, end);
	}
	put_text(object, key, value);
}

void put_number(Json &object, std::string_view key, std::uint64_t value) {
	constexpr std::uint64_t high = std::numeric_limits<std::int64_t>::max();
	object.set(key, Json::integer(static_cast<std::int64_t>(std::min(value, high))));
}

void put_flag(Json &object, std::string_view key, bool value) {
	if (value)
		object.set(key, Json::boolean(true));
}

void put_position(Json &object, std::string_view key, const WalPosition &position) {
	if (position == WalPosition{})
		return;
	Json inner = Json::object();
	put_number(inner, "timeline", position.timeline.value);
	inner.set("lsn", Json::string(position.lsn.to_string()));
	object.set(key, std::move(inner));
}

void put_history(Json &object, std::string_view key, const std::vector<HistoryEntry> &history) {
	if (history.empty())
		return;
	Json list = Json::array();
	// The newest entries are those that decide who can follow whom.
	const std::size_t skip =
	    history.size() > ValueLimits::max_history ? history.size() - ValueLimits::max_history : 0;
	for (std::size_t i = skip; i < history.size(); i++) {
		Json entry = Json::object();
		put_number(entry, "timeline", history[i].timeline.value);
		entry.set("end", Json::string(history[i].end.to_string()));
		list.push(std::move(entry));
	}
	object.set(key, std::move(list));
}

void put_lsn(Json &object, std::string_view key, Lsn lsn) {
	if (lsn.valid())
		object.set(key, Json::string(lsn.to_string()));
}

void put_unknown(Json &object, const Json &unknown) {
	for (const std::string &key : unknown.keys())
		if (!object.has(key))
			object.set(key, unknown.get(key));
}

}  // namespace stolon::core
