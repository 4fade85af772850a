// Starting child processes: own session, signals as after a login, no descriptor left open by
// accident.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "store/program/pidfd.h"

namespace stolon::launcher {

using program::Fd;
using program::open_pidfd;

struct Command {
	std::vector<std::string> argv;                   ///< argv[0] is the path
	std::map<std::string, std::string> environment;  ///< added to ours
	std::vector<std::string> without;                ///< variables that are removed from ours
	std::string input;            ///< what the command reads on stdin (run_command only); small
	bool discard_output = false;  ///< stdout goes to /dev/null
	bool discard_errors = false;  ///< so does stderr
	bool errors_too = false;      ///< stderr goes where stdout goes
	int output_fd = -1;           ///< stdout goes there (run_command only); little is written
	bool own_group = false;       ///< it leads a process group of its own
};

/// Puts every signal back to its default and unblocks all (LESSONS D-7). For a child, before exec.
void reset_signals();

/// "exited with code 1", "was killed by signal 9".
std::string describe_exit(int wait_status);

/// A line of a task's progress, on stdout.
void say(const std::string &line);

/// Stands before a line of a task's output that the operator has to see, whatever comes then.
inline constexpr std::string_view warning_mark = "\x02";

/// Such a line, without the mark: it gets into the launcher's log.
void warn(const std::string &line);

/// Runs a command in this process's group and waits for its end. The command dies with us. Fails
/// when it cannot be started or does not exit with 0; then the message says how it ended.
core::Status run_command(const Command &command);

/// The same, in a process group of its own, all of which is killed when the command has not ended
/// after `bound`: Unknown.
core::Status run_command_for(Command command, core::Duration bound);

/// Runs a command in the same way, and gives each line of its stdout to `line` while it runs.
/// Returns its wait status, whatever that is.
core::Result<int> run_for_lines(const Command &command,
                                const std::function<void(std::string_view)> &line);

/// Its stdout; fails as run_command does, and when it has more than `max_size` bytes.
core::Result<std::string> text_of_command(const Command &command, std::size_t max_size);

/// Success when a command has exited with 0.
core::Status status_of(const Command &command, int wait_status);

/// Starts a server in a session of its own, which survives us. stdin is /dev/null; stdout and
/// stderr go to `output_fd`, or are ours when it is negative. Gives the pid; a failing exec shows
/// as exit code 127.
core::Result<pid_t> spawn_server(const Command &command, int output_fd);

}  // namespace stolon::launcher
