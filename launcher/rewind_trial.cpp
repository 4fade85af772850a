#include "launcher/rewind_trial.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <string_view>

#include "launcher/entries.h"
#include "launcher/kept_tablespaces.h"
#include "launcher/node_files.h"
#include "launcher/tablespaces.h"

namespace stolon::launcher {

namespace {

using core::Result;
using core::Status;
namespace fs = std::filesystem;

/// What the trial run tells that it would copy; 0: nothing is told.
std::uint64_t mebibytes_to_copy(std::string_view line) {
	constexpr std::string_view before = "need to copy ";
	const std::size_t at = line.find(before);
	std::uint64_t mebibytes = 0;
	if (at != std::string_view::npos)
		std::sscanf(std::string(line.substr(at)).c_str(), "need to copy %" SCNu64 " MB",
		            &mebibytes);
	return mebibytes;
}

/// Gives how many bytes would be copied.
Result<std::uint64_t> run_trial(const RewindJob &job, bool archive) {
	Command command = rewind_command(job, archive);
	command.argv.emplace_back("--dry-run");
	command.environment["LC_ALL"] = "C";
	command.errors_too = true;
	std::uint64_t mebibytes = 0;
	const auto ended = run_for_lines(command, [&](std::string_view line) {
		mebibytes = std::max(mebibytes, mebibytes_to_copy(line));
		say(std::string(line));
	});
	if (!ended.ok())
		return ended.error();
	if (auto done = status_of(command, *ended); !done.ok())
		return core::invalid("a rewind is not possible: " + done.error().message);
	return mebibytes * 1024 * 1024;
}

/// An administrator has locked the file: also its owner cannot write to it, or move it away.
bool is_immutable(const std::string &path) {
	struct statx status = {};
	return ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) == 0 &&
	       (status.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0;
}

Status in_the_way(const std::string &path, const std::string &why) {
	return core::invalid("a rewind would have to write to \"" + path + "\", and cannot: " + why);
}

Status check_file(const std::string &path, bool is_nodes_own) {
	if (is_nodes_own)
		return is_immutable(path) ? in_the_way(path, "it is immutable") : Status();
	return ::access(path.c_str(), W_OK) == 0 ? Status() : in_the_way(path, std::strerror(errno));
}

enum class Where { Top, Tablespaces, Below };

/// As pg_rewind does it, it follows no links but these; a link itself can always be removed.
Status check_directory(const std::string &directory, Where where) {
	if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0)
		return in_the_way(directory, std::strerror(errno));
	std::error_code error;
	for (const auto &entry : fs::directory_iterator(directory, error)) {
		const std::string path = entry.path().string(), name = entry.path().filename().string();
		const bool top = where == Where::Top;
		const bool followed = where == Where::Tablespaces || (top && name == "pg_wal");
		std::error_code ignored;
		if (entry.is_symlink(ignored) && !followed)
			continue;
		Status done;
		if (entry.is_directory(ignored))
			done = check_directory(path,
			                       top && name == "pg_tblspc" ? Where::Tablespaces : Where::Below);
		else if (entry.is_regular_file(ignored))
			done = check_file(path, top && is_node_file(name));
		if (!done.ok())
			return done;
	}
	return error ? in_the_way(directory, error.message()) : Status();
}

/// A tablespace that was made behind the fork would get the upstream's place for its own, which may
/// not be here, or may hold what is kept. And what lies beside the upstream's files would come with
/// them.
Status check_tablespaces(const RewindJob &job) {
	const std::string pgdata = job.paths.pgdata();
	if (auto done = check_locations(pgdata); !done.ok())
		return done;
	const auto missing = tablespaces_missing(job.upstream, job.bin_path, pgdata);
	if (!missing.ok())
		return missing.error();
	if (!missing->empty())
		return core::invalid("the upstream has tablespace " + missing->front() +
		                     ", which is not here yet");
	const auto version = version_directory(pgdata);
	if (!version.ok())
		return core::invalid(version.error().message);
	const auto beside =
	    ask(job.upstream, job.bin_path,
	        "SELECT coalesce(min(oid || '/' || name), '') FROM (SELECT oid, "
	        "pg_catalog.pg_ls_dir('pg_tblspc/' || oid, true, false) AS name "
	        "FROM pg_catalog.pg_tablespace WHERE pg_catalog.pg_tablespace_location(oid) LIKE '/%') "
	        "AS entries WHERE name <> '" +
	            *version + "'");
	if (!beside.ok())
		return beside.error();
	return beside->empty() ? Status()
	                       : core::invalid("\"pg_tblspc/" + *beside +
	                                       "\" of the upstream would be copied, which is not "
	                                       "its tablespace's");
}

/// The upstream's WAL is copied as a whole.
Result<std::uint64_t> upstreams_wal(const RewindJob &job) {
	const auto answer =
	    ask(job.upstream, job.bin_path,
	        "SELECT coalesce(sum((pg_catalog.pg_stat_file('pg_wal/' || name, true)).size), 0) "
	        "FROM pg_catalog.pg_ls_dir('pg_wal', true, false) AS name");
	if (!answer.ok())
		return answer.error();
	return std::strtoull(answer->c_str(), nullptr, 10);
}

}  // namespace

Command rewind_command(const RewindJob &job, bool archive) {
	Command command;
	command.argv = {job.bin_path + "/pg_rewind", "--target-pgdata=" + job.paths.pgdata(),
	                "--source-server=" +
	                    connection_string(job.upstream, "rewind_" + job.state.db.value, "postgres"),
	                "--no-ensure-shutdown", "--progress"};
	if (archive)
		command.argv.emplace_back("--restore-target-wal");
	connect_only_there(job.upstream, command);
	return command;
}

Status check_writable(const std::string &pgdata) {
	return check_directory(pgdata, Where::Top);
}

Status check_locations(const std::string &pgdata) {
	const auto locations = tablespaces_in(pgdata);
	if (!locations.ok())
		return locations.error();
	if (locations->empty())
		return {};
	const auto version = version_directory(pgdata);
	if (!version.ok())
		return core::invalid(version.error().message);
	for (const auto &location : *locations)
		for (const auto &name : entries_of(location))
			if (name != "." && name != ".." && name != *version)
				return core::invalid("\"" + location + "/" + name +
				                     "\" would be removed, which is not the tablespace's");
	return {};
}

Status check_room_for_rewind(const std::string &pgdata, std::uint64_t bytes,
                             std::uint64_t wal_bytes) {
	const auto locations = tablespaces_in(pgdata);
	if (!locations.ok())
		return locations.error();
	std::set<dev_t> seen;
	const auto check = [&](const std::string &place, std::uint64_t needed) {
		struct stat status = {};
		if (::stat(place.c_str(), &status) != 0 || !seen.insert(status.st_dev).second)
			return Status();
		return check_room("the data cannot be rewound", place, needed);
	};
	for (const std::string &place : {pgdata, pgdata + "/pg_wal"})
		if (auto done = check(place, bytes); !done.ok())
			return done;
	for (const auto &location : *locations)
		if (auto done = check(location, bytes - std::min(bytes, wal_bytes)); !done.ok())
			return done;
	return {};
}

Status try_rewind(const RewindJob &job, bool archive) {
	const std::string pgdata = job.paths.pgdata();
	const auto bytes = run_trial(job, archive);
	if (!bytes.ok())
		return bytes.error();
	const auto wal_bytes = upstreams_wal(job);
	if (!wal_bytes.ok())
		return wal_bytes.error();
	if (auto done = check_tablespaces(job); !done.ok())
		return done;
	if (auto done = check_writable(pgdata); !done.ok())
		return done;
	return check_room_for_rewind(pgdata, *bytes, *wal_bytes);
}

}  // namespace stolon::launcher
