// A JSON value with value semantics. The only place of the whole project that knows jansson is
// json.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

extern "C" {
struct json_t;
}

namespace stolon::core {

/// Bounds for a text that comes from outside.
struct JsonLimits {
	std::size_t max_bytes = 1024 * 1024;  ///< Longer texts are refused.
	int max_depth = 32;                   ///< Deeper nesting is refused.
};

/// One JSON value, or "missing" (what a lookup of an absent key gives). Copies are independent of
/// each other, and cheap: they share their nodes until one of them is changed. Objects keep the
/// order in which keys were set. Integers are 64-bit and never turn into reals. Reals are kept
/// through parse and dump, though nothing here reads them.
class Json {
public:
	Json() = default;  ///< Missing.
	Json(const Json &other);
	Json(Json &&other) noexcept;
	Json &operator=(const Json &other);
	Json &operator=(Json &&other) noexcept;
	~Json();

	/// Parses one whole text (any JSON value). Duplicate keys, trailing text, invalid UTF-8, and
	/// texts beyond the limits are refused with Invalid and a message with line and column.
	static Result<Json> parse(std::string_view text, JsonLimits limits = {});

	static Json object();
	static Json array();
	static Json null();
	static Json string(std::string_view value);  ///< Invalid UTF-8 and NUL become '?'.
	static Json integer(std::int64_t value);
	static Json boolean(bool value);

	/// Text without spaces, keys in insertion order; `pretty` adds two-space indentation and
	/// newlines.
	std::string dump(bool pretty = false) const;

	bool is_missing() const { return value_ == nullptr; }
	bool is_null() const;
	bool is_object() const;
	bool is_array() const;
	bool is_string() const;
	bool is_integer() const;
	bool is_boolean() const;

	/// Scalars; a value of another type gives the fallback.
	std::string as_string(std::string_view fallback = {}) const;
	std::int64_t as_integer(std::int64_t fallback = 0) const;
	bool as_boolean(bool fallback = false) const;

	/// Objects. `get` of an absent key, or on a value that is no object, gives a missing Json.
	Json get(std::string_view key) const;
	bool has(std::string_view key) const;
	/// A missing value erases the key. On a missing Json it makes an object; on another type it
	/// does nothing.
	void set(std::string_view key, Json value);
	void erase(std::string_view key);
	std::vector<std::string> keys() const;

	/// Arrays and objects.
	std::size_t size() const;
	Json at(std::size_t index) const;
	void push(Json value);  ///< On a missing Json it makes an array; on another type nothing.

	bool operator==(const Json &other) const;

private:
	explicit Json(json_t *owned) : value_(owned) {}
	json_t *value_ = nullptr;
};

}  // namespace stolon::core
