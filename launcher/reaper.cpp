#include "launcher/reaper.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "launcher/process.h"
#include "store/store.h"

namespace stolon::launcher {

namespace {

std::optional<pid_t> to_pid(const char *name) {
	pid_t pid = 0;
	const char *end = name + std::strlen(name);
	const auto [stopped, error] = std::from_chars(name, end, pid);
	if (error != std::errc() || stopped != end || pid <= 0)
		return {};
	return pid;
}

/// Our children by the kernel's own list; where it has none, all processes of our user.
std::vector<pid_t> child_candidates() {
	const std::string self = std::to_string(::getpid());
	std::ifstream file("/proc/self/task/" + self + "/children");
	if (!file)
		return processes_of_ours();
	std::vector<pid_t> pids;
	for (pid_t pid = 0; file >> pid;)
		pids.push_back(pid);
	return pids;
}

struct ProcessStat {
	char state = '?';
	pid_t parent = 0;
};

std::optional<ProcessStat> read_stat(pid_t pid) {
	std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
	std::string text;
	if (!std::getline(file, text))
		return {};
	// The name, in parentheses, may itself contain parentheses and spaces.
	const std::size_t close = text.rfind(')');
	ProcessStat result;
	if (close == std::string::npos ||
	    std::sscanf(text.c_str() + close + 1, " %c %d", &result.state, &result.parent) != 2)
		return {};
	return result;
}

/// A line of /proc/<pid>/maps for a System V segment reads
/// "7f.. rw-s 00000000 00:01 <id as inode> /SYSV<key in 8 hexadecimal digits> (deleted)".
bool line_maps(const std::string &line, const SharedMemory &memory) {
	unsigned long inode = 0;
	unsigned key = 0;
	if (line.find("/SYSV") == std::string::npos ||
	    std::sscanf(line.c_str(), "%*s %*s %*s %*s %lu /SYSV%8x", &inode, &key) != 2)
		return false;
	return inode == static_cast<unsigned long>(memory.id) &&
	       key == static_cast<unsigned>(memory.key);
}

bool maps(pid_t pid, const SharedMemory &memory) {
	std::ifstream file("/proc/" + std::to_string(pid) + "/maps");
	for (std::string line; std::getline(file, line);) {
		if (line_maps(line, memory))
			return true;
	}
	return false;
}

/// Orphans of the server that are no backends (an archive_command) still stand in its directory.
/// Other orphans may come to us as well, when we are the first process of a container.
std::vector<pid_t> children_in(const std::string &pgdata) {
	std::vector<pid_t> children = live_children();
	std::erase_if(children, [&](pid_t pid) { return !works_in(pid, pgdata); });
	return children;
}

std::vector<pid_t> without(std::vector<pid_t> pids, const std::set<pid_t> &spare) {
	std::erase_if(pids, [&](pid_t pid) { return spare.count(pid) > 0; });
	return pids;
}

/// Collects the exit status of ended children of ours. A process that is not our child stays alone.
void collect(const std::vector<pid_t> &pids) {
	for (const pid_t pid : pids) {
		int status = 0;
		::waitpid(pid, &status, WNOHANG);
	}
}

constexpr core::Duration one_wait = core::milliseconds(100);

/// Kills the processes and waits until they have ended, `until` at the latest.
void kill_and_wait(const std::vector<pid_t> &pids, core::Instant until) {
	std::vector<Fd> handles;
	for (const pid_t pid : pids) {
		Fd handle = open_pidfd(pid);
		if (!handle)
			continue;
		// Through the descriptor, so that a pid that was given to another process meanwhile is not
		// hit.
		program::send_signal_to(handle.get(), SIGKILL);
		handles.push_back(std::move(handle));
	}
	for (const auto &handle : handles) {
		const core::Duration left = until - store::now();
		const auto timeout = std::clamp(left, core::Duration(0), one_wait);
		pollfd waiting = {handle.get(), POLLIN, 0};
		::poll(&waiting, 1, static_cast<int>(core::to_ms(timeout)));
	}
	collect(pids);
}

std::string list_of(const std::vector<pid_t> &pids) {
	constexpr std::size_t max_listed = 8;
	std::ostringstream text;
	for (std::size_t i = 0; i < pids.size() && i < max_listed; ++i)
		text << (i == 0 ? "" : ", ") << pids[i];
	if (pids.size() > max_listed)
		text << ", ...";
	return text.str();
}

}  // namespace

std::vector<pid_t> processes_of_ours() {
	std::vector<pid_t> pids;
	const std::unique_ptr<DIR, int (*)(DIR *)> proc(::opendir("/proc"), ::closedir);
	if (!proc)
		return pids;
	while (const dirent *entry = ::readdir(proc.get())) {
		const auto pid = to_pid(entry->d_name);
		struct stat status = {};
		if (pid && *pid != ::getpid() &&
		    ::fstatat(::dirfd(proc.get()), entry->d_name, &status, 0) == 0 &&
		    status.st_uid == ::geteuid())
			pids.push_back(*pid);
	}
	return pids;
}

std::vector<pid_t> live_children() {
	std::vector<pid_t> children;
	for (const pid_t pid : child_candidates()) {
		const auto stat = read_stat(pid);
		if (stat && stat->parent == ::getpid() && stat->state != 'Z' && stat->state != 'X')
			children.push_back(pid);
	}
	return children;
}

std::vector<pid_t> attached_processes(const SharedMemory &memory) {
	std::vector<pid_t> pids = processes_of_ours();
	std::erase_if(pids, [&](pid_t pid) { return !maps(pid, memory); });
	return pids;
}

core::Result<unsigned long> attach_count(const SharedMemory &memory) {
	shmid_ds status = {};
	if (::shmctl(memory.id, IPC_STAT, &status) != 0) {
		// EACCES: a segment of another user, so the id was given away.
		if (errno == EINVAL || errno == EIDRM || errno == EACCES)
			return 0UL;
		return core::Error{
		    core::ErrorKind::Unavailable,
		    std::string("could not look at the shared memory: ") + std::strerror(errno)};
	}
	if (status.shm_perm.__key != static_cast<key_t>(memory.key))
		return 0UL;
	return static_cast<unsigned long>(status.shm_nattch);
}

ReapResult reap(const ReapRequest &request, core::Duration bound) {
	const core::Instant until = store::now() + bound;
	ReapResult result;
	for (;;) {
		std::vector<pid_t> left = without(children_in(request.pgdata), request.spare);
		unsigned long attached = 0;
		if (request.memory) {
			const auto count = attach_count(*request.memory);
			if (!count.ok()) {
				result.remaining = count.error().message;
				return result;
			}
			attached = *count;
			// Children come first: they are cheap to find, and they usually are all there is.
			if (left.empty() && attached > 0)
				left = without(attached_processes(*request.memory), request.spare);
		}
		if (left.empty() && attached == 0) {
			result.done = true;
			return result;
		}
		if (store::now() >= until) {
			result.remaining = left.empty()
			                       ? std::to_string(attached) +
			                             " processes that cannot be seen are attached to the "
			                             "server's shared memory"
			                       : "processes " + list_of(left) + " do not end";
			return result;
		}
		if (left.empty()) {
			::poll(nullptr, 0, 1);
			continue;
		}
		result.killed += static_cast<int>(left.size());
		kill_and_wait(left, until);
	}
}

}  // namespace stolon::launcher
