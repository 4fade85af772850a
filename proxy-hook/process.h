// One pgbouncer process: started with its sockets, watched, and found again by a later stolon-proxy
// (pgbouncers outlive a stolon-proxy that crashes, and go on serving).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "store/program/fd.h"

namespace stolon::proxy {

using program::Fd;

struct ProcessSpec {
	std::string program;  ///< path of pgbouncer
	std::string ini;
	std::string lock_file;  ///< held locked by the process for as long as it lives; holds its pid
	std::string output;     ///< file that gets what it prints before it has opened its log
	std::string identity;   ///< options that a running process cannot change; one line
	bool is_loud = false;   ///< prints what it logs
};

/// A running (or just ended) process.
class Process {
public:
	/// Starts pgbouncer in a process group of its own, with the sockets as fds 3 and on.
	static core::Result<Process> start(const ProcessSpec &spec, const std::vector<int> &sockets);
	/// The process that holds the lock, with the identity it was started with; nullopt: none does.
	static std::optional<Process> find(const std::string &lock_file);

	pid_t pid() const { return pid_; }
	const std::string &identity() const { return identity_; }
	bool is_child() const { return is_child_; }
	/// Readable once the process has ended.
	int pidfd() const { return pidfd_.get(); }
	bool has_ended() const { return wait_for_end(core::Duration(0)); }
	/// Blocks; for the start of the program only.
	bool wait_for_end(core::Duration at_most) const;
	/// Reaps the ended child; how it ended, for the log.
	std::string reap();
	void send_signal(int signal_number) const;

private:
	Fd pidfd_;
	pid_t pid_ = 0;
	bool is_child_ = false;
	std::string identity_;
};

}  // namespace stolon::proxy
