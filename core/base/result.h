// What a call returns when it can fail: a value, or one Error that says what went wrong and whether
// the operation may have happened all the same. Used by core and store instead of exceptions.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace stolon::core {

/// How a call failed. The distinction that matters most is between "it was not done" and "nobody
/// knows".
enum class ErrorKind {
	Invalid,      ///< An argument or a stored value is not acceptable; trying again will not help.
	Unavailable,  ///< Nobody answered, and it is certain that nothing was changed.
	Unknown,    ///< A write was sent and no answer came: it may or may not have been done. Re-read.
	Denied,     ///< Authentication or authorisation failed.
	NotFound,   ///< The lease or key that the call is about does not exist.
	Compacted,  ///< The revision that was asked for is no longer kept.
	Cancelled,  ///< The caller cancelled the request.
};

/// One failure: its kind, and one sentence for an operator (no trailing newline, no secrets).
struct Error {
	ErrorKind kind = ErrorKind::Invalid;
	std::string message;
};

inline Error invalid(std::string message) {
	return Error{ErrorKind::Invalid, std::move(message)};
}

/// A value of T, or an Error. `Result<void>` is spelled `Status`.
template <typename T>
class [[nodiscard]] Result {
public:
	Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
	Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

	bool ok() const { return state_.index() == 0; }
	explicit operator bool() const { return ok(); }

	/// The value. Must only be called when ok().
	T &value() & { return std::get<0>(state_); }
	const T &value() const & { return std::get<0>(state_); }
	T &&value() && { return std::get<0>(std::move(state_)); }
	T &operator*() & { return value(); }
	const T &operator*() const & { return value(); }
	T *operator->() { return &value(); }
	const T *operator->() const { return &value(); }

	/// The error. Must only be called when !ok().
	const Error &error() const { return std::get<1>(state_); }

private:
	std::variant<T, Error> state_;
};

/// Success, or an Error.
class [[nodiscard]] Status {
public:
	Status() = default;
	Status(Error error) : error_(std::move(error)) {}

	bool ok() const { return !error_.has_value(); }
	explicit operator bool() const { return ok(); }
	const Error &error() const { return *error_; }

private:
	std::optional<Error> error_;
};

}  // namespace stolon::core
