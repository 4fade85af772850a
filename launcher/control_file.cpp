#include "launcher/control_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "launcher/process.h"
#include "spdlog/spdlog.h"

namespace stolon::launcher {

namespace {

constexpr std::size_t max_control_data = 64 * 1024;

// access/xlogrecord.h and xlog_internal.h: the same from PostgreSQL 9.5 on.
constexpr std::uint64_t record_header_size = 24;
constexpr std::uint64_t page_header_size = 24;
constexpr std::uint64_t segment_header_size = 40;  // of the first page of a segment file
constexpr std::uint64_t record_alignment = 8;
constexpr std::uint64_t longest_checkpoint = 512;
constexpr std::size_t info_offset = 16;
constexpr std::size_t resource_manager_offset = 17;
constexpr unsigned char xlog_resource_manager = 0;
constexpr unsigned char info_mask = 0xf0;
constexpr unsigned char shutdown_checkpoint = 0x00;

/// The value behind "label:" in the output of pg_controldata; "" when there is none.
std::string value_of(const std::string &text, const std::string &label) {
	const std::string key = label + ":";
	std::size_t at = text.starts_with(key) ? 0 : text.find("\n" + key);
	if (at == std::string::npos)
		return {};
	at = text.find(':', at) + 1;
	const std::size_t begin = text.find_first_not_of(' ', at);
	const std::size_t end = text.find('\n', at);
	return begin == std::string::npos || begin >= end ? std::string()
	                                                  : text.substr(begin, end - begin);
}

std::uint64_t number_of(const std::string &text, const std::string &label) {
	const std::string value = value_of(text, label);
	std::uint64_t number = 0;
	const char *end = value.data() + value.size();
	const auto read = std::from_chars(value.data(), end, number);
	return read.ec == std::errc() && read.ptr == end ? number : 0;
}

struct WalShape {
	std::uint64_t page = 0;
	std::uint64_t segment = 0;
	bool is_sane() const {
		return page >= 1024 && segment >= 1024 * 1024 && (page & (page - 1)) == 0 &&
		       (segment & (segment - 1)) == 0;
	}
};

std::string segment_path(const std::string &pgdata, core::WalPosition at, const WalShape &shape) {
	const std::uint64_t per_id = (std::uint64_t{1} << 32) / shape.segment;
	const std::uint64_t number = at.lsn.value / shape.segment;
	char name[32];
	std::snprintf(name, sizeof name, "%08X%08X%08X", at.timeline.value,
	              static_cast<unsigned>(number / per_id), static_cast<unsigned>(number % per_id));
	return pgdata + "/pg_wal/" + name;
}

/// The length of the shutdown checkpoint that begins there; 0: there is none.
std::uint64_t checkpoint_length(const std::string &pgdata, core::WalPosition at,
                                const WalShape &shape) {
	const OwnedFd file(::open(segment_path(pgdata, at, shape).c_str(), O_RDONLY | O_CLOEXEC));
	// A header that goes on on the next page is interrupted by that page's own; its length, which
	// comes first, never is. Such a record is not looked into: the case is rare, and costs a clone.
	unsigned char header[record_header_size] = {};
	const std::uint64_t left_in_page = shape.page - at.lsn.value % shape.page;
	if (!file.valid() || left_in_page < sizeof header ||
	    ::pread(file.get(), header, sizeof header,
	            static_cast<off_t>(at.lsn.value % shape.segment)) != sizeof header)
		return 0;
	std::uint32_t length = 0;
	std::memcpy(&length, header, sizeof length);
	const bool is_it = header[resource_manager_offset] == xlog_resource_manager &&
	                   (header[info_offset] & info_mask) == shutdown_checkpoint &&
	                   length >= record_header_size && length <= longest_checkpoint;
	return is_it ? length : 0;
}

/// Where a record of `length` bytes ends: each page that it goes on to begins with a header.
core::Lsn end_of_record(core::Lsn begin, std::uint64_t length, const WalShape &shape) {
	std::uint64_t at = begin.value;
	for (;;) {
		const std::uint64_t in_page = shape.page - at % shape.page;
		if (length <= in_page) {
			at += length;
			break;
		}
		at += in_page;
		length -= in_page;
		at += at % shape.segment == 0 ? segment_header_size : page_header_size;
	}
	return core::Lsn{(at + record_alignment - 1) / record_alignment * record_alignment};
}

core::Result<std::string> read_control_data(const std::string &bin_path,
                                            const std::string &pgdata) {
	const OwnedFd output(::memfd_create("pg_controldata", MFD_CLOEXEC));
	if (!output.valid())
		return core::invalid("memfd_create failed");
	Command command;
	command.argv = {bin_path + "/pg_controldata", "-D", pgdata};
	command.environment = {{"LC_ALL", "C"}};
	command.output_fd = output.get();
	if (auto done = run_command(command); !done.ok())
		return done.error();
	std::string text(max_control_data, '\0');
	const ssize_t got = ::pread(output.get(), text.data(), text.size(), 0);
	text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
	return text;
}

core::WalPosition position_of(const std::string &control_data, const char *lsn_label,
                              const char *timeline_label) {
	const auto lsn = core::Lsn::parse(value_of(control_data, lsn_label));
	const std::uint64_t timeline = number_of(control_data, timeline_label);
	if (!lsn.ok() || timeline == 0 || timeline > UINT32_MAX)
		return {};
	return {core::Timeline{static_cast<std::uint32_t>(timeline)}, *lsn};
}

}  // namespace

core::WalPosition last_position_in(const std::string &control_data) {
	if (!control_data.starts_with("pg_control version number:"))
		return {};
	return core::further(
	    position_of(control_data, "Latest checkpoint location", "Latest checkpoint's TimeLineID"),
	    position_of(control_data, "Minimum recovery ending location",
	                "Min recovery ending loc's timeline"));
}

core::WalPosition last_position(const std::string &bin_path, const std::string &pgdata) {
	const auto text = read_control_data(bin_path, pgdata);
	return text.ok() ? last_position_in(*text) : core::WalPosition();
}

std::optional<core::WalPosition> clean_end_in(const std::string &control_data,
                                              const std::string &pgdata) {
	// A damaged file is told in a warning before everything else.
	if (!control_data.starts_with("pg_control version number:") ||
	    value_of(control_data, "Database cluster state") != "shut down")
		return std::nullopt;
	core::WalPosition end =
	    position_of(control_data, "Latest checkpoint location", "Latest checkpoint's TimeLineID");
	const WalShape shape{number_of(control_data, "WAL block size"),
	                     number_of(control_data, "Bytes per WAL segment")};
	if (!end.timeline.valid() || !shape.is_sane())
		return std::nullopt;
	const std::uint64_t length = checkpoint_length(pgdata, end, shape);
	if (length == 0)
		return std::nullopt;
	end.lsn = end_of_record(end.lsn, length, shape);
	return end;
}

std::optional<core::WalPosition> clean_end(const std::string &bin_path, const std::string &pgdata) {
	const auto text = read_control_data(bin_path, pgdata);
	if (!text.ok()) {
		spdlog::warn("how the server ended cannot be told: {}", text.error().message);
		return std::nullopt;
	}
	return clean_end_in(*text, pgdata);
}

}  // namespace stolon::launcher
