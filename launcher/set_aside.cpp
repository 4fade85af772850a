// The part of data_dir.h about what is kept aside, and about a rewind that is under way.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "launcher/data_dir.h"
#include "launcher/entries.h"
#include "launcher/fault_point.h"
#include "store/files.h"

namespace stolon::launcher {

using core::DataState;
using core::DbUid;
using core::Result;
using core::Status;

namespace {

std::string utc_stamp() {
	const std::time_t now = std::time(nullptr);
	std::tm parts = {};
	::gmtime_r(&now, &parts);
	char text[32];
	std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
	return text;
}

/// "20261122T025107Z", and the number behind a dot, of several that have the same time.
using Stamp = std::pair<std::string, unsigned>;

/// nullopt: it is not a name that set_aside() gives. Whoever has changed it wants to keep that.
std::optional<Stamp> stamp_of(const std::string &name, const std::string &prefix) {
	constexpr std::string_view pattern = "00000000T000000Z";
	constexpr std::string_view digits = "0123456789";
	constexpr std::size_t max_digits = 6;
	if (!name.starts_with(prefix))
		return {};
	const std::string rest = name.substr(prefix.size());
	if (rest.size() < pattern.size())
		return {};
	for (std::size_t i = 0; i < pattern.size(); ++i)
		if (pattern[i] == '0' ? digits.find(rest[i]) == digits.npos : rest[i] != pattern[i])
			return {};
	if (rest.size() == pattern.size())
		return Stamp{rest, 0};
	const std::string number = rest.substr(pattern.size() + 1);
	if (rest[pattern.size()] != '.' || number.empty() || number.size() > max_digits ||
	    number.find_first_not_of(digits) != std::string::npos)
		return {};
	return Stamp{rest.substr(0, pattern.size()),
	             static_cast<unsigned>(std::strtoul(number.c_str(), nullptr, 10))};
}

/// Later than all that are there: their order is the one in which they were made, whatever the
/// clock said then and says now.
Result<std::string> next_name(const Paths &paths, const std::string &prefix) {
	const auto names = list_entries(paths.root);
	if (!names.ok())
		return names.error();
	Stamp next{utc_stamp(), 0};
	for (const auto &name : *names) {
		const auto stamp = stamp_of(name, prefix);
		if (stamp && *stamp >= next)
			next = {stamp->first, stamp->second + 1};
	}
	return paths.root + "/" + prefix + next.first +
	       (next.second > 0 ? "." + std::to_string(next.second) : "");
}

/// The directories of ours with a name that was made by next_name(), newest first.
std::vector<std::string> directories_with(const Paths &paths, const std::string &prefix,
                                          bool also_empty) {
	std::vector<std::string> names;
	for (const auto &name : entries_of(paths.root)) {
		const EntryKind kind =
		    stamp_of(name, prefix) ? look_at(paths.root + "/" + name) : EntryKind::Other;
		if ((kind == EntryKind::Directory || (kind == EntryKind::EmptyDirectory && also_empty)) &&
		    owned_by_us(paths.root + "/" + name))
			names.push_back(name);
	}
	std::sort(names.begin(), names.end(), [&](const std::string &a, const std::string &b) {
		return stamp_of(a, prefix) > stamp_of(b, prefix);
	});
	return names;
}

}  // namespace

Result<std::string> set_aside(const Paths &paths, const std::string &directory) {
	const auto name = next_name(paths, Paths::diverged_prefix);
	if (!name.ok())
		return name.error();
	if (auto renamed = rename_new(directory, *name); !renamed.ok())
		return renamed.error();
	FAULT_POINT("aside-renamed");
	if (auto synced = store::sync_path(paths.root); !synced.ok())
		return synced.error();
	FAULT_POINT("aside-synced");
	::unlink(Paths::marker_of(directory).c_str());
	return *name;
}

std::string node_files_are_kept(const std::string &path) {
	return "a rewind was interrupted, and its data directory is not there any more; this node's "
	       "own files of before (postgresql.conf, keys, certificates) are kept in \"" +
	       path + "\"";
}

std::vector<std::string> diverged_directories(const Paths &paths) {
	return directories_with(paths, Paths::diverged_prefix, false);
}

std::vector<std::string> half_removed_directories(const Paths &paths) {
	return directories_with(paths, Paths::removing_prefix, true);
}

Result<std::string> begin_removal(const Paths &paths, const std::string &name) {
	const std::string removing = paths.root + "/" + Paths::removing_prefix +
	                             name.substr(std::strlen(Paths::diverged_prefix));
	if (auto renamed = rename_new(paths.root + "/" + name, removing); !renamed.ok())
		return renamed.error();
	if (auto synced = store::sync_path(paths.root); !synced.ok())
		return synced.error();
	FAULT_POINT("tidy-renamed");
	return removing;
}

Result<std::string> keep_files_of_rewind(const Paths &paths) {
	const auto name = next_name(paths, Paths::node_files_prefix);
	if (!name.ok())
		return name.error();
	if (auto renamed = rename_new(paths.rewind_files(), *name); !renamed.ok())
		return renamed.error();
	if (auto synced = store::sync_path(paths.root); !synced.ok())
		return synced.error();
	FAULT_POINT("swap-node-files-kept");
	return *name;
}

Status mark_rewind(const Paths &paths, const DataState &before, const DbUid &becomes) {
	return store::write_file_atomically(
	    paths.rewind_marker(), core::data_state_to_text(before) + "\n" + becomes.value + "\n",
	    0600);
}

Status unmark_rewind(const Paths &paths) {
	if (::unlink(paths.rewind_marker().c_str()) != 0 && errno != ENOENT)
		return system_error("remove \"" + paths.rewind_marker() + "\"");
	FAULT_POINT("rewind-note-gone");
	return store::sync_path(paths.root);
}

void remove_spent_notes(const Paths &paths) {
	std::error_code ignored;
	if (exists(paths.rewind_marker()) && !unmark_rewind(paths).ok())
		return;
	std::filesystem::remove_all(paths.rewind_files(), ignored);
	const std::string suffix = Paths::marker_of("");
	for (const auto &name : entries_of(paths.root)) {
		const std::string path = paths.root + "/" + name;
		const bool is_marker = name.ends_with(suffix) && (name.starts_with(Paths::clone_prefix) ||
		                                                  name.starts_with(Paths::init_prefix) ||
		                                                  name.starts_with(Paths::saving_prefix));
		if (is_marker && !exists(path.substr(0, path.size() - suffix.size())))
			::unlink(path.c_str());
	}
}

}  // namespace stolon::launcher
