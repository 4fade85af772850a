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

/// With fewer bytes of records than that in it, the file before is looked at, too: a switch of the
/// file, for example, leaves zeros up to its end on every line, and a record that only says so.
constexpr std::uint64_t enough = 1024;
constexpr int max_files = 8;

/// access/xlog_internal.h: of a page, and of the first one of a file.
constexpr std::uint64_t page_header = 24;
constexpr std::uint64_t file_header = 40;

/// A part of one file, from the last page on that holds anything up to where the lines part, or up
/// to the end of the file.
struct Stretch {
	std::uint64_t begin = 0, length = 0;  ///< within a file
	std::string content;                  ///< without zeros at its ends
	std::uint64_t records = 0;            ///< bytes of records in it, or of their padding
};

std::string without_zeros(const std::string &bytes) {
	const std::size_t begin = bytes.find_first_not_of('\0');
	return begin == std::string::npos
	           ? std::string()
	           : bytes.substr(begin, bytes.find_last_not_of('\0') - begin + 1);
}

/// The names under which a line has the file that holds the WAL right before `end`: where a
/// timeline is left, the file is copied for the next one.
std::set<std::string> names_of(const core::Lineage &line, core::Lsn end, const WalShape &shape) {
	std::set<std::string> names;
	const core::Lsn last{end.value - 1};
	for (const auto &entry : line.history)
		if (entry.end > last)
			names.insert(shape.file_of({entry.timeline, last}));
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

/// The last stretch of that file before `end`, a place within it.
Stretch read_stretch(const std::string &path, std::uint64_t end, const WalShape &shape) {
	Stretch stretch;
	const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
	std::string bytes(end, '\0');
	if (!file ||
	    ::pread(file.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
		return stretch;
	const std::size_t last = bytes.find_last_not_of('\0');
	if (last == std::string::npos)
		return stretch;
	const std::uint64_t content_end = last + 1;
	stretch.begin = content_end - std::min(content_end, compared);
	stretch.length = end - stretch.begin;
	stretch.content = without_zeros(bytes.substr(stretch.begin));
	for (std::uint64_t at = stretch.begin; at < content_end; ++at)
		stretch.records += at >= file_header && at % shape.page >= page_header ? 1 : 0;
	return stretch;
}

/// The zeros behind the content are a part of what is compared; only they do not travel.
std::string query_for(const std::string &name, const Stretch &stretch) {
	return "SELECT coalesce(encode(btrim(pg_catalog.pg_read_binary_file('pg_wal/" + name + "', " +
	       std::to_string(stretch.begin) + ", " + std::to_string(stretch.length) +
	       ", true), '\\x00'::bytea), 'hex'), '')";
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

struct Compared {
	std::uint64_t records = 0;  ///< bytes that are the same
	bool differs = false;
	std::string reason;  ///< why they are not the same; "": they are
};

/// Compares the last stretch before `end` in the file where that lies.
core::Result<Compared> compare_file(const UpstreamServer &upstream,
                                    const core::Lineage &upstream_line, const std::string &bin_path,
                                    const std::string &wal, const Examination &found,
                                    core::Lsn end) {
	const WalShape &shape = found.control.shape;
	Compared result;
	bool ours = false, theirs = false;
	for (const auto &name : names_of(found.line, end, shape)) {
		const Stretch stretch =
		    read_stretch(wal + "/" + name, (end.value - 1) % shape.segment + 1, shape);
		if (stretch.content.empty())
			continue;
		ours = true;
		for (const auto &other : names_of(upstream_line, end, shape)) {
			const auto answer = ask(upstream, bin_path, query_for(other, stretch));
			if (!answer.ok())
				return answer.error();
			if (*answer == hexadecimal(stretch.content)) {
				result.records = stretch.records;
				return result;
			}
			theirs = theirs || !answer->empty();
		}
	}
	const std::string before = "WAL before " + end.to_string();
	result.differs = ours && theirs;
	if (!ours)
		result.reason = "the " + before + " is not there any more";
	else if (theirs)
		result.reason = "the upstream's " + before +
		                " is not the same: it is another line with the same timeline numbers";
	else
		result.reason = "the upstream " + upstream.address() + " has no " + before + " any more";
	return result;
}

}  // namespace

core::Result<CommonWal> compare_common_wal(const UpstreamServer &upstream,
                                           const core::Lineage &upstream_line,
                                           const std::string &bin_path, const std::string &pgdata,
                                           const Examination &found) {
	if (auto done = check_upstream(upstream, upstream_line, bin_path); !done.ok())
		return done.error();
	const std::uint64_t segment = found.control.shape.segment;
	core::Lsn end = found.back.fork.lsn;
	// Nothing but a header: what is to be compared lies in the file before.
	if (end.value % segment <= file_header)
		end.value -= end.value % segment;
	std::uint64_t records = 0;
	for (int i = 0; i < max_files && records < enough && end.valid(); ++i) {
		const auto file =
		    compare_file(upstream, upstream_line, bin_path, pgdata + "/pg_wal", found, end);
		if (!file.ok())
			return file.error();
		// Older files add to what was found, as far as they are still there.
		if (!file->reason.empty() && (records == 0 || file->differs))
			return CommonWal{file->reason, file->differs};
		if (!file->reason.empty())
			break;
		records += file->records;
		end.value = (end.value - 1) / segment * segment;
	}
	if (records == 0)
		return CommonWal{"no record before " + found.back.fork.to_string() + " could be compared",
		                 false};
	return CommonWal();
}

core::Status check_common_wal(const UpstreamServer &upstream, const core::Lineage &upstream_line,
                              const std::string &bin_path, const std::string &pgdata,
                              const Examination &found) {
	const auto common = compare_common_wal(upstream, upstream_line, bin_path, pgdata, found);
	if (!common.ok())
		return common.error();
	return common->reason.empty() ? core::Status() : core::Status(core::invalid(common->reason));
}

}  // namespace stolon::launcher
