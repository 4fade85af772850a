// Entries of directories: what they are, and renaming them. Only what handles whole directories
// uses it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace stolon::launcher {

enum class EntryKind { Absent, EmptyDirectory, Directory, Other, Unreadable };

/// Does not follow a symbolic link.
EntryKind look_at(const std::string &path);
bool exists(const std::string &path);
bool owned_by_us(const std::string &path);
/// The names in a directory, sorted; also "." and "..". Unavailable: it cannot be read to its end.
core::Result<std::vector<std::string>> list_entries(const std::string &directory);
/// The same where nothing is lost by taking what cannot be read for empty.
std::vector<std::string> entries_of(const std::string &directory);

/// Unavailable when less than `bytes`, and something for whatever else writes there, are free where
/// `where` lies; `what` says what cannot be done then.
core::Status check_room(const std::string &what, const std::string &where, std::uint64_t bytes);

/// rename() that never replaces anything.
core::Status rename_new(const std::string &from, const std::string &to);

/// "could not <what>: " and the text of errno.
core::Error system_error(const std::string &what);

}  // namespace stolon::launcher
