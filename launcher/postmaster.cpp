#include "launcher/postmaster.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

namespace stolon::launcher {

namespace {

core::Error system_error(const std::string &what) {
	return core::Error{core::ErrorKind::Unavailable,
	                   "could not " + what + ": " + std::strerror(errno)};
}

constexpr off_t max_log_size = 64L * 1024 * 1024;

/// Appends, and begins a new file (keeping one old one) when the present one is large. Whoever
/// wants more switches logging_collector on.
core::Result<Fd> open_log(const std::string &path) {
	struct stat status = {};
	if (::stat(path.c_str(), &status) == 0 && status.st_size > max_log_size)
		::rename(path.c_str(), (path + ".1").c_str());
	Fd log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	if (!log)
		return system_error("open the server's log \"" + path + "\"");
	return log;
}

/// PostgreSQL's severities are not translated in the log of a server whose lc_messages is C; other
/// languages give no reason here, and have to be read in the log itself.
bool tells_why(const std::string &line) {
	for (const char *word : {"FATAL:", "PANIC:", "HINT:", "DETAIL:", "could not execute"}) {
		if (line.find(word) != std::string::npos)
			return true;
	}
	return false;
}

}  // namespace

core::Result<Postmaster> Postmaster::start(const std::string &bin_path, const std::string &pgdata,
                                           const std::string &log_path,
                                           const std::vector<std::string> &arguments) {
	Fd log;
	if (!log_path.empty()) {
		auto opened = open_log(log_path);
		if (!opened.ok())
			return opened.error();
		log = std::move(*opened);
	}
	Command command;
	command.argv = {bin_path + "/postgres", "-D", pgdata};
	command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
	command.without = {"PGDATA"};
	auto pid = spawn_server(command, log.get());
	if (!pid.ok())
		return pid.error();
	Fd handle = open_pidfd(*pid);
	if (!handle) {
		const auto error = system_error("watch the server");
		// Without the descriptor it cannot be watched; nothing has been served yet.
		::kill(*pid, SIGQUIT);
		return error;
	}
	return Postmaster(*pid, std::move(handle), false);
}

std::optional<Postmaster> Postmaster::adopt(const std::string &pgdata) {
	const auto file = live_postmaster(pgdata);
	if (!file)
		return {};
	Fd handle = open_pidfd(file->pid);
	// Asked again: the pid may have been given to another process before the descriptor was open.
	if (!handle || !is_server_process(file->pid, pgdata))
		return {};
	return Postmaster(file->pid, std::move(handle), true);
}

void Postmaster::send(int signal_number) const {
	program::send_signal_to(handle_.get(), signal_number);
}

std::string Postmaster::poll_end() {
	pollfd ended = {handle_.get(), POLLIN, 0};
	if (::poll(&ended, 1, 0) <= 0)
		return {};
	int status = 0;
	const pid_t collected = ::waitpid(pid_, &status, WNOHANG);
	if (collected == pid_)
		return "postmaster " + describe_exit(status);
	return "postmaster ended";
}

bool accepts_connections(const std::string &pgdata, pid_t pid) {
	const auto file = read_postmaster_file(pgdata);
	return file && file->pid == pid && (file->status == "ready" || file->status == "standby");
}

std::string tail_of_log(const std::string &path, long offset) {
	constexpr std::size_t max_lines = 4, max_line = 300;
	constexpr long max_bytes = 16384;
	std::ifstream file(path);
	if (!file.seekg(0, std::ios::end))
		return {};
	const long end = static_cast<long>(file.tellg());
	const long begin = std::max({0L, offset <= end ? offset : 0L, end - max_bytes});
	file.seekg(begin);
	std::vector<std::string> lines;
	for (std::string line; std::getline(file, line);) {
		if (tells_why(line))
			lines.push_back(line.substr(0, max_line));
		if (lines.size() > max_lines)
			lines.erase(lines.begin());
	}
	std::string text;
	for (const auto &line : lines)
		text += (text.empty() ? "" : " | ") + line;
	return text;
}

}  // namespace stolon::launcher
