#include "launcher/control_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "launcher/process.h"
#include "spdlog/spdlog.h"

namespace stolon::launcher {

namespace {

constexpr std::size_t max_control_data = 64 * 1024;

constexpr const char *state_label = "Database cluster state";
constexpr const char *checkpoint_label = "Latest checkpoint location";
constexpr const char *checkpoint_timeline_label = "Latest checkpoint's TimeLineID";
constexpr const char *recovery_timeline_label = "Min recovery ending loc's timeline";

// access/xlogrecord.h: the same from PostgreSQL 9.5 on.
constexpr std::uint64_t record_header_size = 24;
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

/// The length of the shutdown checkpoint that begins there; 0: there is none.
std::uint64_t checkpoint_length(const std::string &pgdata, core::WalPosition at,
                                const WalShape &shape) {
	const std::string path = pgdata + "/pg_wal/" + shape.file_of(at);
	const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
	// A header that goes on on the next page is interrupted by that page's own; its length, which
	// comes first, never is. Such a record is not looked into: the case is rare, and costs a clone.
	unsigned char header[record_header_size] = {};
	const std::uint64_t left_in_page = shape.page - at.lsn.value % shape.page;
	if (!file || left_in_page < sizeof header ||
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

core::Result<std::string> read_control_data(const std::string &bin_path,
                                            const std::string &pgdata) {
	Command command;
	command.argv = {bin_path + "/pg_controldata", "-D", pgdata};
	command.environment = {{"LC_ALL", "C"}};
	return text_of_command(command, max_control_data);
}

WalShape shape_in(const std::string &control_data) {
	return WalShape{number_of(control_data, "WAL block size"),
	                number_of(control_data, "Bytes per WAL segment")};
}

core::Timeline timeline_in(const std::string &control_data, const std::string &label) {
	const std::uint64_t number = number_of(control_data, label);
	return core::Timeline{number <= UINT32_MAX ? static_cast<std::uint32_t>(number) : 0};
}

/// A damaged file is told in a warning before everything else.
bool is_intact(const std::string &control_data) {
	return control_data.starts_with("pg_control version number:");
}

core::WalPosition position_of(const std::string &control_data, const char *lsn_label,
                              const char *timeline_label) {
	const auto lsn = core::Lsn::parse(value_of(control_data, lsn_label));
	const core::Timeline timeline = timeline_in(control_data, timeline_label);
	if (!lsn.ok() || !timeline.valid())
		return {};
	return {timeline, *lsn};
}

}  // namespace

core::WalPosition last_position_in(const std::string &control_data) {
	if (!is_intact(control_data))
		return {};
	return core::further(
	    position_of(control_data, checkpoint_label, checkpoint_timeline_label),
	    position_of(control_data, "Minimum recovery ending location", recovery_timeline_label));
}

core::WalPosition last_position(const std::string &bin_path, const std::string &pgdata) {
	const auto text = read_control_data(bin_path, pgdata);
	return text.ok() ? last_position_in(*text) : core::WalPosition();
}

std::optional<core::WalPosition> clean_end_in(const std::string &control_data,
                                              const std::string &pgdata) {
	if (!is_intact(control_data) || value_of(control_data, state_label) != "shut down")
		return std::nullopt;
	core::WalPosition end = position_of(control_data, checkpoint_label, checkpoint_timeline_label);
	const WalShape shape = shape_in(control_data);
	if (!end.timeline.valid() || !shape.is_sane())
		return std::nullopt;
	const std::uint64_t length = checkpoint_length(pgdata, end, shape);
	if (length == 0)
		return std::nullopt;
	end.lsn = shape.end_of_record(end.lsn, length);
	return end;
}

core::Result<ControlData> read_control_file(const std::string &bin_path,
                                            const std::string &pgdata) {
	const auto text = read_control_data(bin_path, pgdata);
	if (!text.ok())
		return text.error();
	ControlData control;
	const std::string state = value_of(*text, state_label);
	control.clean = state == "shut down" || state == "shut down in recovery";
	control.standby = state == "in archive recovery" || state == "shut down in recovery";
	control.shape = shape_in(*text);
	control.checkpoint = position_of(*text, checkpoint_label, checkpoint_timeline_label);
	if (!is_intact(*text) || !control.checkpoint.timeline.valid() || !control.shape.is_sane())
		return core::invalid("pg_control of \"" + pgdata + "\" is damaged");
	// A promotion is noted there before there is a checkpoint on the new timeline.
	control.timeline =
	    std::max(control.checkpoint.timeline, timeline_in(*text, recovery_timeline_label));
	return control;
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
