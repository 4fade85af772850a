#include "launcher/wal_shape.h"

#include <cstdio>
#include <cstdlib>

namespace stolon::launcher {

namespace {

// access/xlog_internal.h: the same from PostgreSQL 9.5 on.
constexpr std::uint64_t page_header_size = 24;
constexpr std::uint64_t segment_header_size = 40;  // of the first page of a segment file
constexpr std::uint64_t record_alignment = 8;
constexpr std::uint64_t bytes_per_id = std::uint64_t{1} << 32;
constexpr std::size_t name_length = 24;

}  // namespace

bool WalShape::is_sane() const {
	return page >= 1024 && segment >= 1024 * 1024 && (page & (page - 1)) == 0 &&
	       (segment & (segment - 1)) == 0;
}

std::string WalShape::file_of(core::WalPosition at) const {
	const std::uint64_t per_id = bytes_per_id / segment;
	char name[32];
	std::snprintf(name, sizeof name, "%08X%08X%08X", at.timeline.value,
	              static_cast<unsigned>(segment_of(at.lsn) / per_id),
	              static_cast<unsigned>(segment_of(at.lsn) % per_id));
	return name;
}

core::Lsn WalShape::end_of_record(core::Lsn begin, std::uint64_t length) const {
	std::uint64_t at = begin.value;
	for (;;) {
		const std::uint64_t in_page = page - at % page;
		if (length <= in_page) {
			at += length;
			break;
		}
		at += in_page;
		length -= in_page;
		at += at % segment == 0 ? segment_header_size : page_header_size;
	}
	return core::Lsn{(at + record_alignment - 1) / record_alignment * record_alignment};
}

std::optional<WalFile> parse_wal_file(const std::string &name, const WalShape &shape) {
	if (name.size() != name_length ||
	    name.find_first_not_of("0123456789ABCDEF") != std::string::npos)
		return {};
	const auto part = [&name](std::size_t i) {
		return std::strtoull(name.substr(i * 8, 8).c_str(), nullptr, 16);
	};
	WalFile file;
	file.timeline.value = static_cast<std::uint32_t>(part(0));
	file.segment = part(1) * (bytes_per_id / shape.segment) + part(2);
	return file;
}

std::string history_file_of(core::Timeline timeline) {
	char name[32];
	std::snprintf(name, sizeof name, "%08X.history", timeline.value);
	return name;
}

std::optional<core::Timeline> timeline_of_history(const std::string &name) {
	constexpr std::size_t digits = 8;
	if (name.find_first_not_of("0123456789ABCDEF") != digits)
		return {};
	const core::Timeline timeline{
	    static_cast<std::uint32_t>(std::stoul(name.substr(0, digits), nullptr, 16))};
	return name == history_file_of(timeline) ? std::optional(timeline) : std::nullopt;
}

}  // namespace stolon::launcher
