#include "launcher/examine.h"

#include "core/lineage/history_file.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

core::Status read_line(const std::string &wal, Examination &found) {
	found.line.position.timeline = found.control.timeline;
	if (found.control.timeline.value <= 1)
		return {};
	const auto text = store::read_small_file(wal + "/" + history_file_of(found.control.timeline));
	if (!text.ok())
		return core::invalid("the history of timeline " +
		                     std::to_string(found.control.timeline.value) +
		                     " cannot be read: " + text.error().message);
	found.line.history = core::parse_history_file(*text);
	return {};
}

/// Where the WAL ends when nothing of it lies behind the fork. Read from the last checkpoint, or
/// from where the timeline began if that came later.
core::Result<core::Lsn> find_end(const std::string &bin_path, const std::string &wal,
                                 const Examination &found) {
	core::WalRange range{found.line.position.timeline, found.control.checkpoint.lsn, {}};
	if (found.control.checkpoint.timeline != range.timeline && !found.line.history.empty())
		range.from = found.line.history.back().end;
	WalSummary summary;
	if (auto done = read_wal(bin_path, wal, found.control.shape, range, summary); !done.ok())
		return done.error();
	if (!summary.end.valid())
		return core::invalid("the end of the WAL was not found from " + range.from.to_string() +
		                     " on");
	return summary.end;
}

}  // namespace

core::Result<Examination> examine(const std::string &bin_path, const std::string &pgdata,
                                  const core::Lineage &upstream) {
	Examination found;
	const auto control = read_control_file(bin_path, pgdata);
	if (!control.ok())
		return control.error();
	found.control = *control;
	const std::string wal = pgdata + "/pg_wal";
	if (auto done = read_line(wal, found); !done.ok())
		return done.error();
	found.back = core::way_back(found.line, upstream);
	if (found.back.way == core::Way::Clone)
		return found;
	for (const auto &range : found.back.beyond)
		if (auto done = read_wal(bin_path, wal, found.control.shape, range, found.beyond);
		    !done.ok())
			return core::invalid(done.error().message);
	if (found.beyond.records > 0) {
		found.line.position.lsn = found.beyond.end;
		return found;
	}
	const auto end = find_end(bin_path, wal, found);
	if (!end.ok())
		return core::invalid(end.error().message);
	found.line.position.lsn = *end;
	found.back = core::way_back(found.line, upstream);
	return found;
}

}  // namespace stolon::launcher
