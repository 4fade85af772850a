// The part of data_dir.h about what is kept aside, and about a rewind that is under way.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>

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

}  // namespace

Result<std::string> set_aside(const Paths &paths, const std::string &directory) {
	constexpr int max_names_per_second = 100;
	const std::string wanted = paths.root + "/" + Paths::diverged_prefix + utc_stamp();
	std::string name = wanted;
	for (int i = 1; exists(name) && i < max_names_per_second; ++i)
		name = wanted + "." + std::to_string(i);
	if (auto renamed = rename_new(directory, name); !renamed.ok())
		return renamed.error();
	FAULT_POINT("aside-renamed");
	if (auto synced = store::sync_path(paths.root); !synced.ok())
		return synced.error();
	FAULT_POINT("aside-synced");
	::unlink(Paths::marker_of(directory).c_str());
	return name;
}

std::vector<std::string> diverged_directories(const Paths &paths) {
	std::vector<std::string> names;
	for (const auto &name : entries_of(paths.root))
		if (name.starts_with(Paths::diverged_prefix) && owned_by_us(paths.root + "/" + name) &&
		    look_at(paths.root + "/" + name) == EntryKind::Directory)
			names.push_back(name);
	// Several of one second have a number behind the time.
	std::sort(names.begin(), names.end(), [](const std::string &a, const std::string &b) {
		const auto key = [](const std::string &name) {
			const std::size_t dot = name.find('.', std::strlen(Paths::diverged_prefix));
			const int number = dot == std::string::npos ? 0 : std::atoi(name.c_str() + dot + 1);
			return std::pair(name.substr(0, dot), number);
		};
		return key(a) > key(b);
	});
	return names;
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
