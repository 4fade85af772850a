#include "launcher/node_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

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

core::Status copy_all(const std::string &from, const std::string &to) {
	std::error_code error;
	for (const auto &entry : fs::directory_iterator(from, error)) {
		const fs::path &path = entry.path();
		const bool is_file = entry.is_symlink() ? !fs::is_directory(path) : entry.is_regular_file();
		if (!is_file || !is_node_file(path.filename().string()))
			continue;
		if (auto done = copy_entry(path, fs::path(to) / path.filename()); !done.ok())
			return done;
	}
	return error ? failed("read \"" + from + "\"", error) : store::sync_path(to);
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
	return copy_all(pgdata, kept);
}

core::Status restore_node_files(const std::string &kept, const std::string &pgdata) {
	return copy_all(kept, pgdata);
}

}  // namespace stolon::launcher
