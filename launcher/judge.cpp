#include "launcher/judge.h"

#include <map>
#include <utility>

#include "launcher/common_wal.h"
#include "launcher/entries.h"

namespace stolon::launcher {

namespace {

using core::Error;
using core::ErrorKind;
using core::Lsn;
using core::Result;
using core::Timeline;
using core::WalRange;

/// For each timeline later than pg_control's of which anything lies in pg_wal: the first segment,
/// when there is one. A server that received it may have ended before its pg_control was there.
using LaterTimelines = std::map<Timeline, std::optional<std::uint64_t>>;

Result<LaterTimelines> later_timelines(const std::string &wal, const ControlData &control) {
	const auto names = list_entries(wal);
	if (!names.ok())
		return names.error();
	LaterTimelines later;
	for (const auto &name : *names) {
		if (const auto history = timeline_of_history(name); history && *history > control.timeline)
			later.try_emplace(*history);
		const auto file = parse_wal_file(name, control.shape);
		if (!file || file->timeline <= control.timeline)
			continue;
		auto &first = later[file->timeline];
		first = std::min(first.value_or(file->segment), file->segment);
	}
	return later;
}

/// Everything that lies there from the last checkpoint on.
Examination not_judged(const ControlData &control, const LaterTimelines &later,
                       const std::string &reason) {
	Examination found;
	found.control = control;
	found.back.reason = reason;
	found.back.beyond.push_back({control.checkpoint.timeline, control.checkpoint.lsn, {}});
	if (control.timeline != control.checkpoint.timeline)
		found.back.beyond.push_back({control.timeline, control.checkpoint.lsn, {}});
	for (const auto &[timeline, segment] : later)
		if (segment)
			found.back.beyond.push_back({timeline, Lsn{*segment * control.shape.segment}, {}});
	return found;
}

/// Data that have only ever been a standby's, or a copy on which no server was ever started, on the
/// very timeline that the master is on. way_back() does not compare such lines, because what was
/// promoted may have taken the same number; this was not. Whether they came from this master, or
/// from another one that had taken that number, the comparison of the WAL has to tell.
bool may_be_part_of(const std::string &directory, bool was_primary, const core::Lineage &master,
                    const Examination &found) {
	return !was_primary && (found.control.standby || exists(directory + "/backup_label")) &&
	       exists(directory + "/standby.signal") &&
	       found.line.position.timeline == master.position.timeline &&
	       found.line.history == master.history;
}

/// The WAL there ends on the master's line, as far as timelines tell.
core::Status take_for_a_part(const std::string &bin_path, const std::string &directory,
                             Examination &found) {
	const auto end = end_of_wal(bin_path, directory);
	if (!end.ok())
		return end.error();
	found.line.position = *end;
	found.back = core::WayBack();
	found.back.way = core::Way::Follow;
	found.back.fork = *end;
	return {};
}

/// Invalid: it cannot be told.
Result<Examination> compare(const std::string &bin_path, const std::string &directory,
                            bool was_primary, const Master &master) {
	auto found = examine(bin_path, directory, master.line);
	if (!found.ok())
		return found.error();
	if (found->back.way == core::Way::Clone &&
	    may_be_part_of(directory, was_primary, master.line, *found))
		if (auto done = take_for_a_part(bin_path, directory, *found); !done.ok())
			return done.error();
	if (found->back.way == core::Way::Clone)
		return core::invalid(found->back.reason);
	if (auto done = check_common_wal(master.server, master.line, bin_path, directory, *found);
	    !done.ok())
		return done.error();
	return found;
}

std::string why_incomparable(const Replaced &why, const ControlData &control,
                             const LaterTimelines &later) {
	if (why.cloned_anew)
		return "it was replaced because there may be another timeline of the same number";
	if (!later.empty())
		return "something of timeline " + std::to_string(later.rbegin()->first.value) +
		       " had been received, and pg_control is still on timeline " +
		       std::to_string(control.timeline.value);
	return {};
}

}  // namespace

Result<Examination> judge(const std::string &bin_path, const std::string &directory,
                          const Replaced &why, bool was_primary, const Master &master) {
	const auto control = read_control_file(bin_path, directory);
	if (!control.ok())
		return core::invalid(control.error().message);
	const auto later = later_timelines(directory + "/pg_wal", *control);
	if (!later.ok())
		return later.error();
	if (const auto reason = why_incomparable(why, *control, *later); !reason.empty())
		return not_judged(*control, *later, reason);
	auto found = compare(bin_path, directory, was_primary, master);
	if (!found.ok() && found.error().kind != ErrorKind::Unavailable)
		return not_judged(*control, *later, found.error().message);
	return found;
}

}  // namespace stolon::launcher
