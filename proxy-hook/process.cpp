#include "proxy-hook/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>

#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "store/files.h"
#include "store/program/pidfd.h"

extern char **environ;

namespace stolon::proxy {

namespace {

constexpr int first_socket_fd = 3;  // of systemd's protocol
constexpr int exec_failed = 127;

/// The environment with what systemd's protocol wants: LISTEN_PID is filled in by the child.
struct Environment {
	std::vector<std::string> texts;
	std::string listen_pid = std::string("LISTEN_PID=") + std::string(20, ' ');
	std::vector<char *> pointers;

	explicit Environment(std::size_t sockets) {
		for (char **entry = environ; *entry != nullptr; ++entry) {
			if (!std::string_view(*entry).starts_with("LISTEN_") &&
			    !std::string_view(*entry).starts_with("NOTIFY_SOCKET=")) {
				texts.emplace_back(*entry);
			}
		}
		texts.push_back("LISTEN_FDS=" + std::to_string(sockets));
		for (std::string &text : texts) {
			pointers.push_back(text.data());
		}
		pointers.push_back(listen_pid.data());
		pointers.push_back(nullptr);
	}
	void set_pid(pid_t pid) { std::snprintf(listen_pid.data() + 11, 20, "%d", pid); }
};

/// Moves the sockets to 3.. and closes everything else but the lock, which goes behind them.
void arrange_fds(const std::vector<int> &sockets, int lock) {
	const int count = static_cast<int>(sockets.size());
	const int beyond = 100 + count;
	std::vector<int> high;
	for (int i = 0; i < count; ++i) {
		high.push_back(fcntl(sockets[static_cast<std::size_t>(i)], F_DUPFD, beyond));
	}
	const int high_lock = fcntl(lock, F_DUPFD, beyond);
	for (int i = 0; i < count; ++i) {
		dup2(high[static_cast<std::size_t>(i)], first_socket_fd + i);
	}
	dup2(high_lock, first_socket_fd + count);
	close_range(static_cast<unsigned>(first_socket_fd + count + 1), ~0U, 0);
}

void reset_signals() {
	for (int number : {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2}) {
		signal(number, SIG_DFL);
	}
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, nullptr);
}

void raise_fd_limit() {
	rlimit limit{};
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

[[noreturn]] void run_child(const ProcessSpec &spec, const std::vector<int> &sockets, int lock,
                            Environment &environment) {
	setpgid(0, 0);
	const int output = open(spec.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(input, STDIN_FILENO);
	dup2(output >= 0 ? output : input, STDOUT_FILENO);
	dup2(output >= 0 ? output : input, STDERR_FILENO);
	// Written by the process itself and before it is pgbouncer: there is no moment at which it runs
	// and cannot be found.
	const std::string line = std::to_string(getpid()) + "\n" + spec.identity + "\n";
	if (ftruncate(lock, 0) != 0 ||
	    pwrite(lock, line.data(), line.size(), 0) != static_cast<ssize_t>(line.size())) {
		_exit(exec_failed);
	}
	arrange_fds(sockets, lock);
	reset_signals();
	raise_fd_limit();
	environment.set_pid(getpid());
	const char *arguments[] = {spec.program.c_str(), spec.is_loud ? spec.ini.c_str() : "-q",
	                           spec.is_loud ? nullptr : spec.ini.c_str(), nullptr};
	execve(spec.program.c_str(), const_cast<char *const *>(arguments), environment.pointers.data());
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", spec.program.c_str(), std::strerror(errno));
	_exit(exec_failed);
}

}  // namespace

core::Result<Process> Process::start(const ProcessSpec &spec, const std::vector<int> &sockets) {
	Fd lock(open(spec.lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	if (!lock || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
		return core::invalid("cannot lock " + spec.lock_file + ": " + std::strerror(errno));
	}
	Environment environment(sockets.size());
	const pid_t pid = fork();
	if (pid < 0) {
		return core::invalid(std::string("cannot start a process: ") + std::strerror(errno));
	}
	if (pid == 0) {
		run_child(spec, sockets, lock.get(), environment);
	}
	Process process;
	process.pid_ = pid;
	process.is_child_ = true;
	process.identity_ = spec.identity;
	process.pidfd_ = program::open_pidfd(pid);
	if (!process.pidfd_) {
		const int error_number = errno;
		kill(pid, SIGKILL);
		waitpid(pid, nullptr, 0);
		return core::invalid(std::string("cannot watch a process: ") + std::strerror(error_number));
	}
	return process;
}

std::optional<Process> Process::find(const std::string &lock_file) {
	Fd lock(open(lock_file.c_str(), O_RDWR | O_CLOEXEC));
	if (!lock || flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
		return std::nullopt;
	}
	core::Result<std::string> text = store::read_small_file(lock_file, 4096);
	if (!text) {
		return std::nullopt;
	}
	Process process;
	process.pid_ = static_cast<pid_t>(std::strtol(text->c_str(), nullptr, 10));
	const std::size_t line_end = text->find('\n');
	if (process.pid_ <= 1 || line_end == std::string::npos) {
		return std::nullopt;
	}
	process.identity_ = text->substr(line_end + 1);
	if (!process.identity_.empty()) {
		process.identity_.pop_back();
	}
	process.pidfd_ = program::open_pidfd(process.pid_);
	if (!process.pidfd_) {
		return std::nullopt;
	}
	return process;
}

bool Process::wait_for_end(core::Duration at_most) const {
	pollfd fd{pidfd_.get(), POLLIN, 0};
	return poll(&fd, 1, static_cast<int>(core::to_ms(at_most))) > 0;
}

std::string Process::reap() {
	if (!is_child_) {
		return "ended";
	}
	int status = 0;
	if (waitpid(pid_, &status, WNOHANG) != pid_) {
		return "ended";
	}
	if (WIFSIGNALED(status)) {
		return "was killed by signal " + std::to_string(WTERMSIG(status));
	}
	return "ended with exit code " + std::to_string(WEXITSTATUS(status));
}

void Process::send_signal(int signal_number) const {
	program::send_signal_to(pidfd_.get(), signal_number);
}

}  // namespace stolon::proxy
