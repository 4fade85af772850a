#include "launcher/entries.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

namespace stolon::launcher {

core::Error system_error(const std::string &what) {
	return core::Error{core::ErrorKind::Unavailable,
	                   "could not " + what + ": " + std::strerror(errno)};
}

EntryKind look_at(const std::string &path) {
	struct stat status = {};
	if (::lstat(path.c_str(), &status) != 0)
		return errno == ENOENT ? EntryKind::Absent : EntryKind::Unreadable;
	if (!S_ISDIR(status.st_mode))
		return EntryKind::Other;
	std::error_code error;
	const bool empty = std::filesystem::is_empty(path, error);
	if (error)
		return EntryKind::Unreadable;
	return empty ? EntryKind::EmptyDirectory : EntryKind::Directory;
}

bool exists(const std::string &path) {
	struct stat status = {};
	return ::lstat(path.c_str(), &status) == 0;
}

bool owned_by_us(const std::string &path) {
	struct stat status = {};
	return ::lstat(path.c_str(), &status) == 0 && status.st_uid == ::geteuid();
}

core::Result<std::vector<std::string>> list_entries(const std::string &directory) {
	std::vector<std::string> names;
	const std::unique_ptr<DIR, int (*)(DIR *)> handle(::opendir(directory.c_str()), ::closedir);
	if (!handle)
		return system_error("read \"" + directory + "\"");
	for (;;) {
		// What has come so far looks like everything when reading fails in the middle.
		errno = 0;
		const dirent *entry = ::readdir(handle.get());
		if (entry == nullptr && errno != 0)
			return system_error("read \"" + directory + "\"");
		if (entry == nullptr)
			break;
		names.emplace_back(entry->d_name);
	}
	std::sort(names.begin(), names.end());
	return names;
}

std::vector<std::string> entries_of(const std::string &directory) {
	auto names = list_entries(directory);
	return names.ok() ? std::move(*names) : std::vector<std::string>();
}

core::Status check_room(const std::string &what, const std::string &where, std::uint64_t bytes) {
	constexpr std::uint64_t mebibyte = 1024 * 1024;
	constexpr std::uint64_t reserve = 64 * mebibyte;
	struct statvfs there = {};
	if (::statvfs(where.c_str(), &there) != 0)
		return {};
	const std::uint64_t needed = bytes + reserve;
	const std::uint64_t room = static_cast<std::uint64_t>(there.f_bavail) * there.f_frsize;
	if (room >= needed)
		return {};
	return core::Error{core::ErrorKind::Unavailable,
	                   what + ": that may take " + std::to_string(needed / mebibyte) +
	                       " MiB below \"" + where + "\", and " + std::to_string(room / mebibyte) +
	                       " MiB are free; nothing was changed, make room"};
}

core::Status rename_new(const std::string &from, const std::string &to) {
	const std::string what = "rename \"" + from + "\" to \"" + to + "\"";
	if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0)
		return {};
	// NFS, FUSE and older OpenZFS cannot do that in one step. Nobody else makes anything where the
	// launcher renames: the directory is its own, and it holds the lock in it.
	if (errno != EINVAL && errno != ENOSYS)
		return system_error(what);
	if (exists(to)) {
		errno = EEXIST;
		return system_error(what);
	}
	return ::rename(from.c_str(), to.c_str()) == 0 ? core::Status()
	                                               : core::Status(system_error(what));
}

}  // namespace stolon::launcher
