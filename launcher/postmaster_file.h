// postmaster.pid: who runs in a data directory, and on which shared memory.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace stolon::launcher {

/// The small System V segment to which every process of a server is attached.
struct SharedMemory {
	long key = 0;
	int id = -1;
};

struct PostmasterFile {
	pid_t pid = 0;
	int port = 0;
	std::string socket_directory;        ///< the first one; "" if there is none
	std::optional<SharedMemory> memory;  ///< not there yet while it is starting
	std::string status;  ///< "starting", "stopping", "ready", "standby"; "" before the first
};

/// nullopt when there is no such file, or nothing that could be understood in it.
std::optional<PostmasterFile> read_postmaster_file(const std::string &pgdata);

/// Is `pgdata` the working directory of this process? False for one that has ended.
bool works_in(pid_t pid, const std::string &pgdata);

/// Is this process, alive, a server program of our user whose working directory is `pgdata`?
/// A process that has ended but was not waited for is not alive (LESSONS D-5).
bool is_server_process(pid_t pid, const std::string &pgdata);

/// Removes the lock files of a dead server whose pid is taken, by a zombie that its parent does not
/// collect or by an unrelated process: Postgres would refuse to start because of it. Only to be
/// called when nothing is attached to the server's shared memory. Gives what was removed.
std::vector<std::string> remove_stale_locks(const std::string &pgdata);

/// The pid in postmaster.pid, if it is that of a live server of this directory.
std::optional<PostmasterFile> live_postmaster(const std::string &pgdata);

}  // namespace stolon::launcher
