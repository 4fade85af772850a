#include "launcher/postmaster_file.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <climits>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "store/files.h"

namespace stolon::launcher {

namespace {

template <typename Number>
std::optional<Number> to_number(std::string_view text) {
	const std::size_t begin = text.find_first_not_of(' ');
	if (begin == std::string_view::npos)
		return {};
	text.remove_prefix(begin);
	Number value{};
	if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc())
		return {};
	return value;
}

std::string link_target(const std::string &path) {
	char target[PATH_MAX];
	const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
	return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : std::string();
}

bool same_directory(const std::string &a, const std::string &b) {
	struct stat first = {}, second = {};
	return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// Lines of postmaster.pid, from PostgreSQL's miscadmin.h (LOCK_FILE_LINE_*), counted from 0.
constexpr std::size_t pid_line = 0;
constexpr std::size_t port_line = 3;
constexpr std::size_t socket_line = 4;
constexpr std::size_t memory_line = 6;
constexpr std::size_t status_line = 7;

}  // namespace

std::optional<PostmasterFile> read_postmaster_file(const std::string &pgdata) {
	auto text = store::read_small_file(pgdata + "/postmaster.pid");
	if (!text.ok())
		return {};
	std::vector<std::string> lines;
	std::istringstream input(*text);
	for (std::string line; std::getline(input, line);)
		lines.push_back(line);
	lines.resize(std::max(lines.size(), status_line + 1));
	PostmasterFile file;
	const auto pid = to_number<pid_t>(lines[pid_line]);
	// A standalone backend writes its pid with a minus sign.
	if (!pid || *pid == 0)
		return {};
	file.pid = *pid < 0 ? -*pid : *pid;
	file.port = to_number<int>(lines[port_line]).value_or(0);
	file.socket_directory = lines[socket_line];
	std::istringstream memory(lines[memory_line]);
	SharedMemory segment;
	if (memory >> segment.key >> segment.id)
		file.memory = segment;
	std::istringstream status(lines[status_line]);
	status >> file.status;
	return file;
}

bool works_in(pid_t pid, const std::string &pgdata) {
	return same_directory("/proc/" + std::to_string(pid) + "/cwd", pgdata);
}

bool is_server_process(pid_t pid, const std::string &pgdata) {
	const std::string proc = "/proc/" + std::to_string(pid);
	struct stat status = {};
	if (::stat(proc.c_str(), &status) != 0 || status.st_uid != ::geteuid())
		return false;
	// The links of a process that has ended cannot be read any more.
	std::string program = link_target(proc + "/exe");
	// The program's file was replaced by an upgrade.
	constexpr std::string_view deleted = " (deleted)";
	if (program.ends_with(deleted))
		program.resize(program.size() - deleted.size());
	return (program.ends_with("/postgres") || program.ends_with("/postmaster")) &&
	       works_in(pid, pgdata);
}

std::vector<std::string> remove_stale_locks(const std::string &pgdata) {
	const auto file = read_postmaster_file(pgdata);
	if (!file || ::kill(file->pid, 0) != 0 || is_server_process(file->pid, pgdata))
		return {};
	std::vector<std::string> removed;
	const std::string socket_lock =
	    file->socket_directory + "/.s.PGSQL." + std::to_string(file->port) + ".lock";
	const auto text = file->socket_directory.empty() ? core::Result<std::string>(std::string())
	                                                 : store::read_small_file(socket_lock);
	if (text.ok() && to_number<pid_t>(*text) == file->pid && ::unlink(socket_lock.c_str()) == 0)
		removed.push_back(socket_lock);
	// Last, because it leads here.
	const std::string lock = pgdata + "/postmaster.pid";
	if (::unlink(lock.c_str()) == 0)
		removed.push_back(lock);
	return removed;
}

std::optional<PostmasterFile> live_postmaster(const std::string &pgdata) {
	auto file = read_postmaster_file(pgdata);
	if (file && !is_server_process(file->pid, pgdata))
		file.reset();
	return file;
}

}  // namespace stolon::launcher
