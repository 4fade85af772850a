// Long work (initdb, clone) in a process of its own, so that the loop goes on: it is one process
// group, dies with the launcher, and tells its progress through a pipe.
#pragma once

#include <sys/types.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "launcher/process.h"

namespace stolon::launcher {

/// Runs `work` in a child; its stdout and stderr, and those of what it starts, are read as lines.
class Task {
public:
	/// `keep_open` (the task lock) stays open in the child and in what it starts: a launcher that
	/// starts after we were killed finds by it what is still at work.
	static core::Result<Task> start(const std::function<core::Status()> &work, int keep_open);

	Task(Task &&) noexcept = default;
	Task &operator=(Task &&) noexcept = default;

	pid_t pid() const { return pid_; }
	int output_fd() const { return output_.get(); }  ///< readable: call read_output()
	/// Reads what is there; gives false when the pipe has been closed by all writers.
	bool read_output(core::Instant now);
	/// The newest line, for the node's message.
	std::string progress() const { return lines_.empty() ? std::string() : lines_.back(); }
	/// What it has warned of since the last call.
	std::vector<std::string> take_warnings() { return std::exchange(warnings_, {}); }
	/// When something came last: a task that is silent for too long has no progress (LESSONS C-6).
	core::Instant last_output_at() const { return last_output_at_; }
	/// Kills the whole group. The end is reported by SIGCHLD.
	void kill() const;
	/// nullopt while it runs. Once the task itself has ended, whatever it has left in its group is
	/// killed, and its wait status is given.
	std::optional<int> poll_end() const;
	/// After its end: success, or what the task said.
	core::Status outcome(int wait_status) const;

private:
	Task(pid_t pid, Fd output) : pid_(pid), output_(std::move(output)) {}

	static constexpr std::size_t max_lines = 5;
	static constexpr std::size_t max_line = 500;

	pid_t pid_ = 0;
	Fd output_;
	std::string partial_;
	std::string error_;
	std::deque<std::string> lines_;
	std::vector<std::string> warnings_;
	core::Instant last_output_at_;
};

}  // namespace stolon::launcher
