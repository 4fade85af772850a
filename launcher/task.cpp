#include "launcher/task.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "store/store.h"

namespace stolon::launcher {

namespace {

/// Stands before the line in which a task says why it failed.
constexpr std::string_view error_mark = "\x01";

/// The exit code of a task that failed is this one, plus the kind of its error.
constexpr int first_failure_code = 10;
constexpr int last_failure_code = first_failure_code + static_cast<int>(core::ErrorKind::Cancelled);

core::ErrorKind kind_of(int wait_status) {
	const int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0;
	return code >= first_failure_code && code <= last_failure_code
	           ? static_cast<core::ErrorKind>(code - first_failure_code)
	           : core::ErrorKind::Unavailable;
}

void close_all_but(int keep) {
	if (keep > STDERR_FILENO) {
		::syscall(SYS_close_range, STDERR_FILENO + 1, keep - 1, 0);
		::syscall(SYS_close_range, keep + 1, ~0U, 0);
		// What the task starts holds it, too.
		::fcntl(keep, F_SETFD, 0);
	} else {
		::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
	}
}

[[noreturn]] void run_in_child(const std::function<core::Status()> &work, int output, int keep_open,
                               pid_t parent) {
	::prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (::getppid() != parent)
		::_exit(126);
	::setsid();
	::dup2(output, STDOUT_FILENO);
	::dup2(output, STDERR_FILENO);
	close_all_but(keep_open);
	reset_signals();
	const core::Status done = work();
	if (done.ok())
		::_exit(0);
	const std::string line = std::string(error_mark) + done.error().message + "\n";
	// The parent is gone when this cannot be written.
	[[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
	::_exit(first_failure_code + static_cast<int>(done.error().kind));
}

}  // namespace

core::Result<Task> Task::start(const std::function<core::Status()> &work, int keep_open) {
	int ends[2];
	if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return core::Error{core::ErrorKind::Unavailable,
		                   std::string("could not make a pipe: ") + std::strerror(errno)};
	Fd reader(ends[0]), writer(ends[1]);
	// The tools expect an ordinary stdout.
	::fcntl(writer.get(), F_SETFL, 0);
	sigset_t all, before;
	sigfillset(&all);
	const pid_t self = ::getpid();
	::sigprocmask(SIG_SETMASK, &all, &before);
	const pid_t pid = ::fork();
	if (pid == 0)
		run_in_child(work, writer.get(), keep_open, self);
	const int code = errno;
	::sigprocmask(SIG_SETMASK, &before, nullptr);
	if (pid < 0)
		return core::Error{core::ErrorKind::Unavailable,
		                   std::string("could not start a process: ") + std::strerror(code)};
	Task task(pid, std::move(reader));
	task.last_output_at_ = store::now();
	return task;
}

bool Task::read_output(core::Instant now) {
	char buffer[4096];
	for (;;) {
		const ssize_t n = ::read(output_.get(), buffer, sizeof buffer);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		last_output_at_ = now;
		for (const char c : std::string_view(buffer, static_cast<std::size_t>(n))) {
			if (c != '\n' && c != '\r') {
				if (partial_.size() < max_line)
					partial_ += c;
				continue;
			}
			if (partial_.starts_with(warning_mark)) {
				partial_.erase(0, warning_mark.size());
				if (warnings_.size() < max_lines)
					warnings_.push_back(partial_);
			}
			if (partial_.starts_with(error_mark))
				error_ = partial_.substr(error_mark.size());
			else if (!partial_.empty())
				lines_.push_back(partial_);
			partial_.clear();
			if (lines_.size() > max_lines)
				lines_.pop_front();
		}
	}
}

void Task::kill() const {
	::kill(-pid_, SIGKILL);
	// It may not have made its group yet.
	::kill(pid_, SIGKILL);
}

std::optional<int> Task::poll_end() const {
	siginfo_t ended = {};
	if (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	    ended.si_pid == 0)
		return {};
	// Before it is collected, so that its pid still names its group: pg_basebackup has a child that
	// survives it.
	kill();
	int status = 0;
	::waitpid(pid_, &status, WNOHANG);
	return status;
}

core::Status Task::outcome(int wait_status) const {
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
		return {};
	std::string message = error_.empty() ? "it " + describe_exit(wait_status) : error_;
	for (const auto &line : lines_)
		message += (&line == &lines_.front() ? ": " : " | ") + line;
	return core::Error{kind_of(wait_status), message};
}

}  // namespace stolon::launcher
