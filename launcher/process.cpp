#include "launcher/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "store/files.h"
#include "store/store.h"

extern "C" char **environ;

namespace stolon::launcher {

namespace {

core::Error system_error(const std::string &what) {
	return core::Error{core::ErrorKind::Unavailable,
	                   "could not " + what + ": " + std::strerror(errno)};
}

/// argv and envp as execve wants them, made before fork so that the child allocates nothing.
struct ExecImage {
	explicit ExecImage(const Command &command) : arguments(command.argv) {
		for (char **entry = environ; *entry != nullptr; ++entry) {
			const std::string text = *entry;
			const std::string name = text.substr(0, text.find('='));
			const bool dropped = command.environment.count(name) > 0 ||
			                     std::find(command.without.begin(), command.without.end(), name) !=
			                         command.without.end();
			if (!dropped)
				variables.push_back(text);
		}
		for (const auto &[name, value] : command.environment)
			variables.push_back(name + "=" + value);
		for (auto &text : arguments)
			argv.push_back(text.data());
		argv.push_back(nullptr);
		for (auto &text : variables)
			envp.push_back(text.data());
		envp.push_back(nullptr);
	}
	ExecImage(const ExecImage &) = delete;
	ExecImage &operator=(const ExecImage &) = delete;

	[[noreturn]] void exec() {
		::execve(argv[0], argv.data(), envp.data());
		static const char message[] = "stolon-launcher: could not execute ";
		// Nothing more can be done about an unwritable stderr.
		[[maybe_unused]] ssize_t ignored = ::write(STDERR_FILENO, message, sizeof message - 1);
		ignored = ::write(STDERR_FILENO, argv[0], std::strlen(argv[0]));
		ignored = ::write(STDERR_FILENO, "\n", 1);
		::_exit(127);
	}

	std::vector<std::string> arguments, variables;
	std::vector<char *> argv, envp;
};

/// fork with all signals blocked, so that no handler of ours runs in the child before
/// reset_signals.
pid_t fork_quietly() {
	sigset_t all, before;
	sigfillset(&all);
	::sigprocmask(SIG_SETMASK, &all, &before);
	const pid_t pid = ::fork();
	if (pid != 0)
		::sigprocmask(SIG_SETMASK, &before, nullptr);
	return pid;
}

/// In the child. A parent that ended before the prctl is noticed by its pid.
void die_with(pid_t parent) {
	::prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (::getppid() != parent)
		::_exit(126);
}

/// A descriptor from which `text` can be read; it never touches a disk, since it may be a secret.
Fd readable_text(const std::string &text) {
	if (text.empty())
		return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
	Fd memory(static_cast<int>(::syscall(SYS_memfd_create, "input", 1U /* MFD_CLOEXEC */)));
	if (!memory || !store::write_all(memory.get(), text) || ::lseek(memory.get(), 0, SEEK_SET) != 0)
		return Fd();
	return memory;
}

}  // namespace

void reset_signals() {
	struct sigaction action = {};
	action.sa_handler = SIG_DFL;
	for (int number = 1; number < NSIG; ++number)
		::sigaction(number, &action, nullptr);
	sigset_t none;
	sigemptyset(&none);
	::sigprocmask(SIG_SETMASK, &none, nullptr);
}

std::string describe_exit(int wait_status) {
	if (WIFSIGNALED(wait_status))
		return "was killed by signal " + std::to_string(WTERMSIG(wait_status));
	return "exited with code " + std::to_string(WEXITSTATUS(wait_status));
}

namespace {

/// Starts a command in this process's group; it dies with us.
core::Result<pid_t> start_command(const Command &command) {
	ExecImage image(command);
	const Fd input = readable_text(command.input);
	if (!input)
		return system_error("prepare the input of " + command.argv[0]);
	const Fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
	const pid_t self = ::getpid();
	const pid_t pid = fork_quietly();
	if (pid < 0)
		return system_error("start " + command.argv[0]);
	if (pid == 0) {
		die_with(self);
		if (command.own_group)
			::setpgid(0, 0);
		::dup2(input.get(), STDIN_FILENO);
		if (command.discard_output)
			::dup2(null.get(), STDOUT_FILENO);
		if (command.output_fd >= 0)
			::dup2(command.output_fd, STDOUT_FILENO);
		if (command.errors_too)
			::dup2(STDOUT_FILENO, STDERR_FILENO);
		if (command.discard_errors)
			::dup2(null.get(), STDERR_FILENO);
		reset_signals();
		image.exec();
	}
	return pid;
}

core::Result<int> wait_for(pid_t pid, const Command &command) {
	int status = 0;
	while (::waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return system_error("wait for " + command.argv[0]);
	}
	return status;
}

/// Lines are given without their ends. Until nobody can write any more.
void read_lines(int fd, const std::function<void(std::string_view)> &line) {
	constexpr std::size_t max_line = 1024 * 1024;
	std::string partial;
	char buffer[65536];
	for (;;) {
		const ssize_t n = ::read(fd, buffer, sizeof buffer);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		std::string_view rest(buffer, static_cast<std::size_t>(n));
		for (std::size_t end = 0; (end = rest.find('\n')) != std::string_view::npos;) {
			partial += rest.substr(0, end);
			line(partial);
			partial.clear();
			rest.remove_prefix(end + 1);
		}
		if (partial.size() < max_line)
			partial += rest;
	}
	if (!partial.empty())
		line(partial);
}

}  // namespace

void say(const std::string &line) {
	// Nobody reads it when this fails.
	[[maybe_unused]] const bool written = store::write_all(STDOUT_FILENO, line + "\n");
}

void warn(const std::string &line) {
	say(std::string(warning_mark) + line);
}

core::Status status_of(const Command &command, int wait_status) {
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
		return {};
	return core::Error{core::ErrorKind::Unavailable,
	                   command.argv[0] + " " + describe_exit(wait_status)};
}

core::Status run_command(const Command &command) {
	const auto pid = start_command(command);
	if (!pid.ok())
		return pid.error();
	const auto ended = wait_for(*pid, command);
	return ended.ok() ? status_of(command, *ended) : core::Status(ended.error());
}

core::Status run_command_for(Command command, core::Duration bound) {
	command.own_group = true;
	const auto pid = start_command(command);
	if (!pid.ok())
		return pid.error();
	const Fd end = open_pidfd(*pid);
	const core::Instant until = store::now() + bound;
	pollfd waiting = {end.get(), POLLIN, 0};
	int ready = 0;
	while (ready == 0 && store::now() < until) {
		const auto left =
		    std::clamp(until - store::now(), core::Duration(0), core::Duration(core::seconds(60)));
		ready = ::poll(&waiting, 1, static_cast<int>(core::to_ms(left)) + 1);
		if (ready < 0 && errno == EINTR)
			ready = 0;
	}
	if (ready <= 0)
		::kill(-*pid, SIGKILL);
	const auto ended = wait_for(*pid, command);
	if (ready <= 0)
		return core::Error{core::ErrorKind::Unknown, command.argv[0] + " had not ended after " +
		                                                 core::format_duration(bound)};
	return ended.ok() ? status_of(command, *ended) : core::Status(ended.error());
}

core::Result<int> run_for_lines(const Command &command,
                                const std::function<void(std::string_view)> &line) {
	int ends[2];
	if (::pipe2(ends, O_CLOEXEC) != 0)
		return system_error("make a pipe");
	const Fd reader(ends[0]);
	Fd writer(ends[1]);
	Command piped = command;
	piped.output_fd = writer.get();
	const auto pid = start_command(piped);
	writer.reset();
	if (!pid.ok())
		return pid.error();
	read_lines(reader.get(), line);
	return wait_for(*pid, command);
}

core::Result<std::string> text_of_command(const Command &command, std::size_t max_size) {
	std::string text;
	const auto ended = run_for_lines(command, [&](std::string_view line) {
		if (text.size() <= max_size)
			text += std::string(line) + "\n";
	});
	if (!ended.ok())
		return ended.error();
	if (auto done = status_of(command, *ended); !done.ok())
		return done.error();
	if (text.size() > max_size)
		return core::invalid(command.argv[0] + " wrote more than was expected");
	return text;
}

core::Result<pid_t> spawn_server(const Command &command, int output_fd) {
	ExecImage image(command);
	const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
	if (!null)
		return system_error("open /dev/null");
	const pid_t pid = fork_quietly();
	if (pid < 0)
		return system_error("start " + command.argv[0]);
	if (pid == 0) {
		::setsid();
		::dup2(null.get(), STDIN_FILENO);
		if (output_fd >= 0) {
			::dup2(output_fd, STDOUT_FILENO);
			::dup2(output_fd, STDERR_FILENO);
		}
		reset_signals();
		image.exec();
	}
	return pid;
}

}  // namespace stolon::launcher
