#include "launcher/node_files.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "launcher/entries.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

namespace fs = std::filesystem;

/// PostgreSQL's own ones, and ours. What begins with one of these names is meant as well.
constexpr std::array<std::string_view, 13> not_the_nodes = {
    "PG_VERSION",      "backup_label",   "backup_manifest", "current_logfiles", "fallback_promote",
    "postmaster.opts", "postmaster.pid", "promote",         "recovery.done",    "recovery.signal",
    "standby.signal",  "stolon.",        "tablespace_map",
};

core::Status failed(const std::string &what, const std::error_code &error) {
	return core::Error{core::ErrorKind::Unavailable, "could not " + what + ": " + error.message()};
}

core::Status copy_entry(const fs::path &from, const fs::path &to) {
	std::error_code error;
	// What is there may be a link that must not be written through.
	fs::remove(to, error);
	fs::copy(from, to, fs::copy_options::copy_symlinks, error);
	if (error)
		return failed("copy \"" + from.string() + "\" to \"" + to.string() + "\"", error);
	return fs::is_symlink(to) ? core::Status() : store::sync_path(to.string());
}

/// What is done with one file, directly in PGDATA or in the directory where they are kept.
using Work = std::function<core::Status(const fs::path &)>;

core::Status with_all(const std::string &directory, const Work &work) {
	std::vector<fs::path> files;
	std::error_code error;
	for (const auto &entry : fs::directory_iterator(directory, error)) {
		const fs::path &path = entry.path();
		const bool is_file = entry.is_symlink() ? !fs::is_directory(path) : entry.is_regular_file();
		if (is_file && is_node_file(path.filename().string()))
			files.push_back(path);
	}
	if (error)
		return failed("read \"" + directory + "\"", error);
	for (const auto &file : files)
		if (auto done = work(file); !done.ok())
			return done;
	return {};
}

core::Status move_entry(const fs::path &from, const fs::path &to) {
	std::error_code error;
	fs::rename(from, to, error);
	return error ? failed("move \"" + from.string() + "\" to \"" + to.string() + "\"", error)
	             : core::Status();
}

/// Moved away, its owner and its rights stay; PostgreSQL may have to read it meanwhile.
core::Status replace_by_copy(const fs::path &file, const fs::path &kept) {
	if (auto done = move_entry(file, kept); !done.ok())
		return done;
	if (fs::is_symlink(kept) || ::access(kept.c_str(), R_OK) != 0)
		return {};
	if (auto done = copy_entry(kept, file); !done.ok())
		return done;
	std::error_code error;
	fs::permissions(file, fs::perms(0600), error);
	return error ? failed("change the rights of \"" + file.string() + "\"", error) : core::Status();
}

}  // namespace

bool is_node_file(const std::string &name) {
	return std::none_of(not_the_nodes.begin(), not_the_nodes.end(),
	                    [&](std::string_view other) { return name.starts_with(other); });
}

core::Status keep_node_files(const std::string &pgdata, const std::string &kept) {
	std::error_code error;
	fs::remove_all(kept, error);
	if (!error)
		fs::create_directory(kept, error);
	if (error)
		return failed("make \"" + kept + "\"", error);
	auto done = with_all(pgdata, [&](const fs::path &file) {
		return owned_by_us(file.string()) ? copy_entry(file, fs::path(kept) / file.filename())
		                                  : core::Status();
	});
	return done.ok() ? store::sync_path(kept) : done;
}

core::Status free_node_files(const std::string &pgdata, const std::string &kept) {
	auto done = with_all(pgdata, [&](const fs::path &file) -> core::Status {
		if (!owned_by_us(file.string()))
			return replace_by_copy(file, fs::path(kept) / file.filename());
		std::error_code error;
		if (!fs::is_symlink(file))
			fs::permissions(file, fs::perms::owner_write, fs::perm_options::add, error);
		return error ? failed("change the rights of \"" + file.string() + "\"", error)
		             : core::Status();
	});
	if (done.ok())
		done = store::sync_path(kept);
	return done.ok() ? store::sync_path(pgdata) : done;
}

core::Status restore_node_files(const std::string &kept, const std::string &pgdata) {
	auto done = with_all(kept, [&](const fs::path &file) {
		const fs::path place = fs::path(pgdata) / file.filename();
		return owned_by_us(file.string()) ? copy_entry(file, place) : move_entry(file, place);
	});
	return done.ok() ? store::sync_path(pgdata) : done;
}

}  // namespace stolon::launcher
