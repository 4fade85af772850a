#include "launcher/wal_dump.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "launcher/process.h"

namespace stolon::launcher {

namespace {

constexpr std::uint64_t records_per_note = 1'000'000;

/// What stands behind `label`, or "".
std::string_view behind(std::string_view line, std::string_view label) {
	const std::size_t at = line.find(label);
	return at == std::string_view::npos ? std::string_view() : line.substr(at + label.size());
}

/// The time in "COMMIT 2026-11-22 02:51:07.123456 UTC; ..." and in "COMMIT_PREPARED 735: 2026-...".
std::string time_in(std::string_view description) {
	const std::size_t dash = description.find('-');
	constexpr std::size_t year = 4;
	if (dash == std::string_view::npos || dash < year)
		return {};
	description.remove_prefix(dash - year);
	return std::string(description.substr(0, description.find(';')));
}

bool has_file(const std::string &wal_directory, const WalShape &shape, core::WalPosition at) {
	return ::access((wal_directory + "/" + shape.file_of(at)).c_str(), R_OK) == 0;
}

/// WAL that ended with the last byte of a file: the next one was never made.
bool ended_before(const std::string &wal_directory, const WalShape &shape,
                  const core::WalRange &range) {
	return range.from.value % shape.segment == 0 &&
	       has_file(wal_directory, shape, {range.timeline, core::Lsn{range.from.value - 1}});
}

/// The last file that the range may go to: WAL beyond a file that is not there cannot be read.
core::Lsn last_file_of(const std::string &wal_directory, const WalShape &shape,
                       const core::WalRange &range) {
	core::Lsn last = range.from;
	for (core::Lsn next = range.from; !range.to.valid() || next < range.to;
	     next.value += shape.segment) {
		next.value -= next.value % shape.segment;
		if (!has_file(wal_directory, shape, {range.timeline, next}))
			break;
		last = next;
	}
	return last;
}

/// The files are named, because otherwise pg_waldump reads the size of a segment from whatever file
/// it comes across first in the directory, and gives up when that is one that PostgreSQL has made
/// for later and that is still empty.
std::vector<std::string> arguments_for(const std::string &wal_directory, const WalShape &shape,
                                       const core::WalRange &range) {
	const core::Lsn last = last_file_of(wal_directory, shape, range);
	std::vector<std::string> arguments = {"--timeline=" + std::to_string(range.timeline.value),
	                                      "--start=" + range.from.to_string()};
	if (range.to.valid() &&
	    shape.segment_of(last) == shape.segment_of(core::Lsn{range.to.value - 1}))
		arguments.push_back("--end=" + range.to.to_string());
	arguments.push_back(shape.file_of({range.timeline, range.from}));
	arguments.push_back(shape.file_of({range.timeline, last}));
	return arguments;
}

/// At the end of the WAL pg_waldump exits with 1. One that was killed, or did not start, has told
/// of too little, and whoever relies on that loses the rest.
core::Status came_to_the_end(int wait_status) {
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) <= 1)
		return {};
	return core::Error{
	    core::ErrorKind::Unavailable,
	    "pg_waldump did not come to the end of the WAL: it " + describe_exit(wait_status)};
}

}  // namespace

void add_record(const std::string &line, const WalShape &shape, WalSummary &summary) {
	if (!line.starts_with("rmgr: "))
		return;
	// "len (rec/tot):     54/  4210, tx: 735, lsn: 0/01529418, prev 0/015293E0, desc: ..."
	const std::string_view length = behind(behind(line, "len (rec/tot):"), "/");
	const std::string_view lsn = behind(line, ", lsn: ");
	const auto begin = core::Lsn::parse(lsn.substr(0, lsn.find(',')));
	if (length.empty() || !begin.ok())
		return;
	++summary.records;
	summary.end =
	    shape.end_of_record(*begin, std::strtoull(std::string(length).c_str(), nullptr, 10));
	const std::string_view description = behind(line, "desc: ");
	if (!line.starts_with("rmgr: Transaction "))
		return;
	if (description.starts_with("PREPARE"))
		++summary.prepared;
	if (!description.starts_with("COMMIT"))
		return;
	++summary.commits;
	summary.last_commit = time_in(description);
	if (summary.commits == 1)
		summary.first_commit = summary.last_commit;
}

core::Status read_wal(const std::string &bin_path, const std::string &wal_directory,
                      const WalShape &shape, const core::WalRange &range, WalSummary &summary) {
	if (!has_file(wal_directory, shape, {range.timeline, range.from})) {
		if (ended_before(wal_directory, shape, range))
			return {};
		return core::Error{core::ErrorKind::NotFound,
		                   "the WAL at " + range.from.to_string() + " of timeline " +
		                       std::to_string(range.timeline.value) + " is not there any more"};
	}
	Command command;
	command.argv = {bin_path + "/pg_waldump", "--path=" + wal_directory};
	for (auto &argument : arguments_for(wal_directory, shape, range))
		command.argv.push_back(std::move(argument));
	command.environment = {{"LC_ALL", "C"}, {"TZ", "UTC"}, {"PGTZ", "UTC"}};
	// Where the WAL ends it says so, as an error.
	command.discard_errors = true;
	const auto ended = run_for_lines(command, [&](std::string_view line) {
		add_record(std::string(line), shape, summary);
		if (summary.records % records_per_note == records_per_note - 1)
			say("reading the WAL, " + summary.end.to_string());
	});
	return ended.ok() ? came_to_the_end(*ended) : core::Status(ended.error());
}

std::string dump_command(const std::string &directory, const WalShape &shape,
                         const core::WalRange &range) {
	std::string command = "pg_waldump --path=pg_wal";
	for (const auto &argument : arguments_for(directory + "/pg_wal", shape, range))
		command += " " + argument;
	return command;
}

}  // namespace stolon::launcher
