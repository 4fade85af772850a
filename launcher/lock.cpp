#include "launcher/lock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "launcher/reaper.h"

namespace stolon::launcher {

namespace {

using core::invalid;
using core::Status;

/// Nobody else may write there: who can, can make a foreign directory look like ours.
Status check_directory(const std::string &path) {
	const std::string subject = "--data-dir \"" + path + "\"";
	struct stat status = {};
	if (::lstat(path.c_str(), &status) != 0)
		return invalid(subject + ": " + std::strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return invalid(subject + " is not a directory");
	if (status.st_uid != ::geteuid())
		return invalid(subject +
		               " does not belong to the user that runs the launcher: chown it, or run the "
		               "launcher as its owner");
	if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0)
		return invalid(subject + " is not writable: " + std::strerror(errno));
	if ((status.st_mode & 022) != 0)
		return invalid(subject + " can be written by others: chmod 0700 it");
	return {};
}

core::Result<Fd> open_lock(const std::string &path) {
	Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
	if (!lock)
		return invalid("\"" + path + "\" cannot be opened: " + std::strerror(errno));
	return lock;
}

bool try_lock(const Fd &lock) {
	return ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
}

/// Does the process have this file open?
bool holds(pid_t pid, const struct stat &file) {
	std::error_code error;
	const std::string directory = "/proc/" + std::to_string(pid) + "/fd";
	for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
	     entry.increment(error)) {
		struct stat status = {};
		if (::stat(entry->path().c_str(), &status) == 0 && status.st_dev == file.st_dev &&
		    status.st_ino == file.st_ino)
			return true;
	}
	return false;
}

/// Only tasks, and what they have started, ever have the task lock open; and since the directory is
/// locked by us, no launcher that they could belong to is alive.
void kill_holders(const Fd &lock) {
	struct stat file = {};
	if (::fstat(lock.get(), &file) != 0)
		return;
	for (const pid_t pid : processes_of_ours()) {
		const Fd handle = open_pidfd(pid);
		if (handle && holds(pid, file))
			program::send_signal_to(handle.get(), SIGKILL);
	}
}

constexpr int attempts = 100, pause_ms = 50;

}  // namespace

core::Result<DataDirLock> take_data_dir(const Paths &paths) {
	if (::mkdir(paths.root.c_str(), 0700) != 0 && errno != EEXIST)
		return invalid("--data-dir \"" + paths.root + "\" cannot be made: " + std::strerror(errno));
	if (auto status = check_directory(paths.root); !status.ok())
		return status.error();
	auto directory = open_lock(paths.lock());
	if (!directory.ok())
		return directory.error();
	// A task that was forked just before its launcher was killed has it open for an instant.
	for (int i = 0; !try_lock(*directory); ++i) {
		if (i == attempts)
			return invalid("another launcher works on \"" + paths.root +
			               "\": stop it, or give another --data-dir");
		::poll(nullptr, 0, pause_ms);
	}
	auto tasks = open_lock(paths.task_lock());
	if (!tasks.ok())
		return tasks.error();
	for (int i = 0; !try_lock(*tasks); ++i) {
		if (i == attempts)
			return invalid("what a task of a killed launcher has left at work in \"" + paths.root +
			               "\" does not end");
		kill_holders(*tasks);
		::poll(nullptr, 0, i == 0 ? 1 : pause_ms);
	}
	return DataDirLock{std::move(*directory), std::move(*tasks)};
}

}  // namespace stolon::launcher
