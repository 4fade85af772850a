// Makes sure that nothing of an ended server lives on. Backends outlive a postmaster that was
// killed and could still commit (LESSONS D-5); the mastership is released only after this.
#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "launcher/postmaster_file.h"

namespace stolon::launcher {

struct ReapRequest {
	std::string pgdata;
	/// The shared memory of the ended server, from its postmaster.pid; nullopt: it never had any,
	/// or it has removed the file, as a server does after all its processes have ended.
	std::optional<SharedMemory> memory;
	std::set<pid_t> spare;  ///< children of ours that have nothing to do with the server
};

struct ReapResult {
	int killed = 0;
	bool done = false;      ///< no process of the server is left
	std::string remaining;  ///< what is, when not done
};

/// Kills, waits for and collects every process that is attached to the segment, and every child of
/// ours that works in the directory (orphans of the server come to us, the subreaper). Returns
/// after `bound` at the latest; usually after a few milliseconds. Sends nothing to a process of
/// another user.
ReapResult reap(const ReapRequest &request, core::Duration bound);

/// Processes of our user that have the segment mapped, from /proc/<pid>/maps.
std::vector<pid_t> attached_processes(const SharedMemory &memory);

/// How many processes are attached, as the kernel counts them (also those that we cannot see); 0
/// when the segment is gone, or its id belongs to another segment by now.
core::Result<unsigned long> attach_count(const SharedMemory &memory);

/// All processes that belong to our user, without ourselves.
std::vector<pid_t> processes_of_ours();

/// Our children, without those that have ended.
std::vector<pid_t> live_children();

}  // namespace stolon::launcher
