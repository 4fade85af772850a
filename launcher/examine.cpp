#include "launcher/examine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/lineage/history_file.h"
#include "launcher/entries.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

using core::ErrorKind;
using core::Lineage;
using core::Result;
using core::Timeline;

std::string number(Timeline timeline) {
	return std::to_string(timeline.value);
}

/// Whatever was wrong, these data cannot be judged; unless it was the reading that failed.
core::Error verdict(const core::Error &error) {
	return error.kind == ErrorKind::Unavailable ? error : core::invalid(error.message);
}

Result<Lineage> read_line(const std::string &wal, Timeline timeline) {
	Lineage line;
	line.position.timeline = timeline;
	if (timeline.value <= 1)
		return line;
	const auto text = store::read_small_file(wal + "/" + history_file_of(timeline));
	if (!text.ok())
		return core::invalid("the history of timeline " + number(timeline) +
		                     " cannot be read: " + text.error().message);
	line.history = core::parse_history_file(*text);
	return line;
}

/// Where the WAL ends when nothing of it lies behind the fork. Read from the last checkpoint, or
/// from where the timeline began if that came later.
Result<core::Lsn> find_end(const std::string &bin_path, const std::string &wal,
                           const ControlData &control, const Lineage &line) {
	core::WalRange range{line.position.timeline, control.checkpoint.lsn, {}};
	if (control.checkpoint.timeline != range.timeline && !line.history.empty())
		range.from = line.history.back().end;
	WalSummary summary;
	if (auto done = read_wal(bin_path, wal, control.shape, range, summary); !done.ok())
		return done.error();
	if (!summary.end.valid())
		return core::invalid("the end of the WAL was not found from " + range.from.to_string() +
		                     " on");
	return summary.end;
}

bool is_in(const Lineage &line, Timeline timeline) {
	return line.position.timeline == timeline ||
	       std::any_of(line.history.begin(), line.history.end(),
	                   [&](const auto &entry) { return entry.timeline == timeline; });
}

/// Both know where a timeline was left, and do not say the same.
bool contradicts(const std::vector<core::HistoryEntry> &history, const Lineage &line) {
	for (const auto &a : history)
		for (const auto &b : line.history)
			if (a.timeline == b.timeline && a.end != b.end)
				return true;
	return false;
}

/// A timeline later than that of pg_control of which something was received, and that is not in
/// `line`: PostgreSQL would take it for the newest one and go on on it, and what was received of it
/// may be nowhere else.
Result<std::optional<Timeline>> find_stray(const std::string &wal, const ControlData &control,
                                           const Lineage &line) {
	const auto names = list_entries(wal);
	if (!names.ok())
		return names.error();
	for (const auto &name : *names) {
		const auto file = parse_wal_file(name, control.shape);
		const auto history = timeline_of_history(name);
		const Timeline timeline = file ? file->timeline : history ? *history : Timeline();
		if (timeline <= control.timeline)
			continue;
		if (!is_in(line, timeline))
			return std::optional(timeline);
		const auto text =
		    history ? store::read_small_file(wal + "/" + name) : Result<std::string>(std::string());
		if (!text.ok() || contradicts(core::parse_history_file(*text), line))
			return std::optional(timeline);
	}
	return std::optional<Timeline>();
}

/// Reads what lies behind the fork; without any, where it ends.
core::Status read_beyond(const std::string &bin_path, const std::string &wal,
                         const Lineage &upstream, Examination &found) {
	for (const auto &range : found.back.beyond)
		if (auto done = read_wal(bin_path, wal, found.control.shape, range, found.beyond);
		    !done.ok())
			return done;
	if (found.beyond.records > 0) {
		found.line.position.lsn = found.beyond.end;
		return {};
	}
	const auto end = find_end(bin_path, wal, found.control, found.line);
	if (!end.ok())
		return end.error();
	found.line.position.lsn = *end;
	found.back = core::way_back(found.line, upstream);
	return {};
}

}  // namespace

Result<Examination> examine(const std::string &bin_path, const std::string &pgdata,
                            const Lineage &upstream) {
	Examination found;
	const auto control = read_control_file(bin_path, pgdata);
	if (!control.ok())
		return core::invalid(control.error().message);
	found.control = *control;
	const std::string wal = pgdata + "/pg_wal";
	auto line = read_line(wal, control->timeline);
	if (!line.ok())
		return line.error();
	found.line = std::move(*line);
	found.back = core::way_back(found.line, upstream);
	if (found.back.way == core::Way::Clone)
		return found;
	const auto stray = find_stray(wal, *control, upstream);
	if (!stray.ok())
		return stray.error();
	if (*stray) {
		found.back = core::WayBack();
		found.back.reason = "something of timeline " + number(**stray) +
		                    " has been received, which is not in the upstream's line";
		return found;
	}
	if (auto done = read_beyond(bin_path, wal, upstream, found); !done.ok())
		return verdict(done.error());
	return found;
}

Result<core::WalPosition> end_of_wal(const std::string &bin_path, const std::string &pgdata) {
	const auto control = read_control_file(bin_path, pgdata);
	if (!control.ok())
		return control.error();
	const std::string wal = pgdata + "/pg_wal";
	const auto line = read_line(wal, control->timeline);
	if (!line.ok())
		return line.error();
	const auto stray = find_stray(wal, *control, *line);
	if (!stray.ok())
		return stray.error();
	if (*stray)
		return core::invalid("something of timeline " + number(**stray) +
		                     " has been received, and pg_control is still on timeline " +
		                     number(control->timeline));
	const auto end = find_end(bin_path, wal, *control, *line);
	if (!end.ok())
		return verdict(end.error());
	return core::WalPosition{control->timeline, *end};
}

}  // namespace stolon::launcher
