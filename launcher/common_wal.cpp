#include "launcher/common_wal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "launcher/process.h"

namespace stolon::launcher {

namespace {

/// So much is compared, less where a file begins. Each record in it has a checksum, most have
/// transaction numbers, and commits have times.
constexpr std::uint64_t compared = 64ULL * 1024;

struct Stretch {
	std::uint64_t begin = 0, length = 0;  ///< within a file
};

Stretch stretch_before(core::Lsn fork, const WalShape &shape) {
	const std::uint64_t end = (fork.value - 1) % shape.segment + 1;
	const std::uint64_t length = std::min(end, compared);
	return {end - length, length};
}

/// The names under which a line has the file that holds the WAL before the fork: where a timeline
/// is left, the file is copied for the next one.
std::set<std::string> names_of(const core::Lineage &line, core::WalPosition fork,
                               const WalShape &shape) {
	std::set<std::string> names;
	const core::Lsn last{fork.lsn.value - 1};
	bool reached = false;
	for (const auto &entry : line.history) {
		reached = reached || entry.timeline == fork.timeline;
		if (reached)
			names.insert(shape.file_of({entry.timeline, last}));
	}
	if (reached || line.position.timeline == fork.timeline)
		names.insert(shape.file_of({line.position.timeline, last}));
	return names;
}

std::string hexadecimal(const std::string &bytes) {
	constexpr const char *digits = "0123456789abcdef";
	std::string text;
	for (const char c : bytes) {
		text += digits[static_cast<unsigned char>(c) >> 4];
		text += digits[static_cast<unsigned char>(c) & 0xf];
	}
	return text;
}

std::string read_stretch(const std::string &path, const Stretch &stretch) {
	const OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
	std::string bytes(stretch.length, '\0');
	const bool whole = file.valid() && ::pread(file.get(), bytes.data(), bytes.size(),
	                                           static_cast<off_t>(stretch.begin)) ==
	                                       static_cast<ssize_t>(bytes.size());
	return whole ? bytes : std::string();
}

std::string query_for(const std::string &name, const Stretch &stretch) {
	return "SELECT coalesce(encode(pg_catalog.pg_read_binary_file('pg_wal/" + name + "', " +
	       std::to_string(stretch.begin) + ", " + std::to_string(stretch.length) +
	       ", true), 'hex'), '')";
}

core::Status check_upstream(const UpstreamServer &upstream, const core::Lineage &line,
                            const std::string &bin_path) {
	const auto answer = ask(upstream, bin_path,
	                        "SELECT pg_catalog.pg_is_in_recovery() || ' ' || timeline_id FROM "
	                        "pg_catalog.pg_control_checkpoint()");
	if (!answer.ok())
		return answer.error();
	if (*answer == "false " + std::to_string(line.position.timeline.value))
		return {};
	return core::Error{core::ErrorKind::Unavailable,
	                   "the upstream " + upstream.address() +
	                       " is no primary with a checkpoint on timeline " +
	                       std::to_string(line.position.timeline.value) + " any more"};
}

}  // namespace

core::Status check_common_wal(const UpstreamServer &upstream, const core::Lineage &upstream_line,
                              const std::string &bin_path, const std::string &pgdata,
                              const Examination &found) {
	if (auto done = check_upstream(upstream, upstream_line, bin_path); !done.ok())
		return done;
	const WalShape &shape = found.control.shape;
	const core::WalPosition fork = found.back.fork;
	const Stretch stretch = stretch_before(fork.lsn, shape);
	std::set<std::string> ours;
	for (const auto &name : names_of(found.line, fork, shape))
		if (const auto bytes = read_stretch(pgdata + "/pg_wal/" + name, stretch); !bytes.empty())
			ours.insert(hexadecimal(bytes));
	if (ours.empty())
		return core::invalid("the WAL before " + fork.to_string() + " is not there any more");
	bool theirs = false;
	for (const auto &name : names_of(upstream_line, fork, shape)) {
		const auto answer = ask(upstream, bin_path, query_for(name, stretch));
		if (!answer.ok())
			return answer.error();
		if (ours.count(*answer) > 0)
			return {};
		theirs = theirs || !answer->empty();
	}
	return core::invalid(
	    theirs ? "the upstream's WAL before " + fork.to_string() +
	                 " is not the same: it is another line with the same timeline numbers"
	           : "the upstream " + upstream.address() + " has no WAL before " + fork.to_string() +
	                 " any more");
}

}  // namespace stolon::launcher
