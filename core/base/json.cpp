#include "core/base/json.h"

#include <jansson.h>

#include <utility>

// Inside the server that name belongs to PostgreSQL's SQL function json_object(), which crashes
// when it is called like jansson's. json_pack() gets at jansson's own.
#pragma GCC poison json_object

namespace stolon::core {
namespace {

/// Line and column (both from 1, columns in bytes) of the first bracket that opens too deep, found
/// without recursion: jansson recurses per level, and a hostile text must not use up the stack.
struct TooDeep {
	bool found = false;
	int line = 1;
	int column = 0;
};

TooDeep find_too_deep(std::string_view text, int max_depth) {
	TooDeep place;
	int depth = 0;
	bool in_string = false;
	bool escaped = false;
	for (const char c : text) {
		place.column++;
		if (c == '\n') {
			place.line++;
			place.column = 0;
		}
		if (in_string) {
			if (escaped)
				escaped = false;
			else if (c == '\\')
				escaped = true;
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"')
			in_string = true;
		else if (c == '[' || c == '{') {
			if (++depth > max_depth) {
				place.found = true;
				return place;
			}
		} else if (c == ']' || c == '}')
			depth--;
	}
	return place;
}

std::string at_place(int line, int column) {
	return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

/// The length of the UTF-8 sequence that starts at `i` (RFC 3629), 0 if there is none.
std::size_t utf8_length(std::string_view s, std::size_t i) {
	const auto byte = [&](std::size_t k) -> unsigned {
		return k < s.size() ? static_cast<unsigned char>(s[k]) : 0u;
	};
	const auto follows = [&](std::size_t k, unsigned low = 0x80, unsigned high = 0xbf) {
		return byte(k) >= low && byte(k) <= high;
	};
	const unsigned b = byte(i);
	if (b < 0x80)
		return 1;
	if (b >= 0xc2 && b <= 0xdf)
		return follows(i + 1) ? 2 : 0;
	if (b >= 0xe0 && b <= 0xef) {
		const unsigned low = b == 0xe0 ? 0xa0 : 0x80;
		const unsigned high = b == 0xed ? 0x9f : 0xbf;
		return follows(i + 1, low, high) && follows(i + 2) ? 3 : 0;
	}
	if (b >= 0xf0 && b <= 0xf4) {
		const unsigned low = b == 0xf0 ? 0x90 : 0x80;
		const unsigned high = b == 0xf4 ? 0x8f : 0xbf;
		return follows(i + 1, low, high) && follows(i + 2) && follows(i + 3) ? 4 : 0;
	}
	return 0;
}

/// Invalid bytes become '?'; so do NULs, which our own parser would refuse.
std::string clean_utf8(std::string_view s) {
	std::string out;
	out.reserve(s.size());
	for (std::size_t i = 0; i < s.size();) {
		const std::size_t length = s[i] == '\0' ? 0 : utf8_length(s, i);
		if (length == 0) {
			out += '?';
			i++;
		} else {
			out.append(s.substr(i, length));
			i += length;
		}
	}
	return out;
}

/// jansson's message quotes the text around the error, which may be anything.
std::string printable(const char *message) {
	std::string out = clean_utf8(message);
	for (char &c : out)
		if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
			c = ' ';
	return out;
}

/// Makes the node that `value` holds changeable: nodes are shared between copies until one of them
/// is changed. A node that only this handle holds is changed in place. Its children stay shared;
/// they can only be changed through handles of their own, which count as holders.
void own(json_t *&value) {
	if (value->refcount == 1)
		return;
	json_t *copy = json_copy(value);
	json_decref(value);
	value = copy;
}

}  // namespace

Json::Json(const Json &other) : value_(json_incref(other.value_)) {}

Json::Json(Json &&other) noexcept : value_(std::exchange(other.value_, nullptr)) {}

Json &Json::operator=(const Json &other) {
	json_t *old = value_;
	value_ = json_incref(other.value_);
	json_decref(old);
	return *this;
}

Json &Json::operator=(Json &&other) noexcept {
	if (this != &other) {
		json_decref(value_);
		value_ = std::exchange(other.value_, nullptr);
	}
	return *this;
}

Json::~Json() {
	json_decref(value_);
}

Result<Json> Json::parse(std::string_view text, JsonLimits limits) {
	if (text.size() > limits.max_bytes)
		return invalid("JSON: " + std::to_string(text.size()) + " bytes are too many; " +
		               std::to_string(limits.max_bytes) + " are allowed");
	if (const TooDeep place = find_too_deep(text, limits.max_depth); place.found)
		return invalid("JSON: " + at_place(place.line, place.column) + ": nested deeper than " +
		               std::to_string(limits.max_depth) + " levels");
	json_error_t error;
	json_t *value = json_loadb(text.data() == nullptr ? "" : text.data(), text.size(),
	                           JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	if (value == nullptr)
		return invalid("JSON: " + at_place(error.line, error.column) + ": " +
		               printable(error.text));
	return Json(value);
}

Json Json::object() {
	return Json(json_pack("{}"));
}

Json Json::array() {
	return Json(json_pack("[]"));
}

Json Json::null() {
	return Json(json_null());
}

Json Json::string(std::string_view value) {
	const std::string clean = clean_utf8(value);
	return Json(json_stringn(clean.data(), clean.size()));
}

Json Json::integer(std::int64_t value) {
	return Json(json_integer(value));
}

Json Json::boolean(bool value) {
	return Json(json_boolean(value));
}

std::string Json::dump(bool pretty) const {
	if (value_ == nullptr)
		return {};
	const std::size_t flags =
	    JSON_ENCODE_ANY | JSON_PRESERVE_ORDER | (pretty ? JSON_INDENT(2) : JSON_COMPACT);
	std::string out;
	const auto append = [](const char *bytes, std::size_t size, void *to) {
		static_cast<std::string *>(to)->append(bytes, size);
		return 0;
	};
	if (json_dump_callback(value_, append, &out, flags) != 0)
		return {};
	return out;
}

bool Json::is_null() const {
	return json_is_null(value_);
}

bool Json::is_object() const {
	return json_is_object(value_);
}

bool Json::is_array() const {
	return json_is_array(value_);
}

bool Json::is_string() const {
	return json_is_string(value_);
}

bool Json::is_integer() const {
	return json_is_integer(value_);
}

bool Json::is_boolean() const {
	return json_is_boolean(value_);
}

std::string Json::as_string(std::string_view fallback) const {
	if (!is_string())
		return std::string(fallback);
	return std::string(json_string_value(value_), json_string_length(value_));
}

std::int64_t Json::as_integer(std::int64_t fallback) const {
	return is_integer() ? json_integer_value(value_) : fallback;
}

bool Json::as_boolean(bool fallback) const {
	return is_boolean() ? json_is_true(value_) : fallback;
}

Json Json::get(std::string_view key) const {
	if (!is_object())
		return {};
	return Json(json_incref(json_object_getn(value_, key.data(), key.size())));
}

bool Json::has(std::string_view key) const {
	return is_object() && json_object_getn(value_, key.data(), key.size()) != nullptr;
}

void Json::set(std::string_view key, Json value) {
	if (value.is_missing())
		return erase(key);
	if (value_ == nullptr)
		*this = object();
	if (!is_object())
		return;
	own(value_);
	const std::string clean = clean_utf8(key);
	json_object_setn_new(value_, clean.data(), clean.size(), std::exchange(value.value_, nullptr));
}

void Json::erase(std::string_view key) {
	if (!has(key))
		return;
	own(value_);
	json_object_deln(value_, key.data(), key.size());
}

std::vector<std::string> Json::keys() const {
	std::vector<std::string> names;
	if (!is_object())
		return names;
	names.reserve(json_object_size(value_));
	for (void *it = json_object_iter(value_); it != nullptr; it = json_object_iter_next(value_, it))
		names.emplace_back(json_object_iter_key(it), json_object_iter_key_len(it));
	return names;
}

std::size_t Json::size() const {
	if (is_object())
		return json_object_size(value_);
	return is_array() ? json_array_size(value_) : 0;
}

Json Json::at(std::size_t index) const {
	if (!is_array())
		return {};
	return Json(json_incref(json_array_get(value_, index)));
}

void Json::push(Json value) {
	if (value.is_missing())
		return;
	if (value_ == nullptr)
		*this = array();
	if (!is_array())
		return;
	own(value_);
	json_array_append_new(value_, std::exchange(value.value_, nullptr));
}

bool Json::operator==(const Json &other) const {
	if (value_ == nullptr || other.value_ == nullptr)
		return value_ == other.value_;
	return json_equal(value_, other.value_) != 0;
}

}  // namespace stolon::core
