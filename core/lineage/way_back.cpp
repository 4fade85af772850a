#include "core/lineage/way_back.h"

#include <algorithm>
#include <limits>

namespace stolon::core {
namespace {

constexpr Lsn endless{std::numeric_limits<std::uint64_t>::max()};

/// The part of a line that lies on one timeline.
struct Stretch {
	Timeline timeline;
	Lsn begin, end;
};

std::vector<Stretch> stretches_of(const Lineage &line) {
	std::vector<Stretch> stretches;
	Lsn begin;
	for (const HistoryEntry &entry : line.history) {
		stretches.push_back({entry.timeline, begin, entry.end});
		begin = entry.end;
	}
	const Lsn end = line.position.lsn.valid() ? line.position.lsn : endless;
	stretches.push_back({line.position.timeline, begin, end});
	return stretches;
}

bool is_complete(const Lineage &line) {
	return line.position.timeline.valid() &&
	       (line.position.timeline.value == 1 || !line.history.empty());
}

std::string number(Timeline timeline) {
	return std::to_string(timeline.value);
}

/// Histories are bounded: one of them may begin later.
bool align(const std::vector<Stretch> &own, const std::vector<Stretch> &upstream, std::size_t &i,
           std::size_t &j) {
	for (i = 0; i < own.size(); ++i)
		for (j = 0; j < upstream.size(); ++j)
			if (own[i].timeline == upstream[j].timeline)
				return true;
	return false;
}

WayBack clone(std::string reason) {
	WayBack back;
	back.reason = std::move(reason);
	return back;
}

WayBack rewind(const std::vector<Stretch> &own, WalPosition fork) {
	WayBack back;
	back.way = Way::Rewind;
	back.fork = fork;
	for (const Stretch &stretch : own)
		if (stretch.end > fork.lsn)
			back.beyond.push_back({stretch.timeline, std::max(stretch.begin, fork.lsn),
			                       stretch.end == endless ? Lsn() : stretch.end});
	return back;
}

/// The stretch is the last one of `own`, the upstream has gone on to another timeline.
WayBack from_last_of_own(const std::vector<Stretch> &own, Lsn upstream_left) {
	const Stretch &last = own.back();
	if (last.end > upstream_left)
		return rewind(own, {last.timeline, upstream_left});
	WayBack back;
	back.way = Way::Follow;
	back.fork = {last.timeline, last.end};
	return back;
}

}  // namespace

WayBack way_back(const Lineage &own, const Lineage &upstream) {
	for (const Lineage *line : {&own, &upstream})
		if (!is_complete(*line))
			return clone("the ancestors of timeline " + number(line->position.timeline) +
			             " are not known");
	if (own.position.timeline == upstream.position.timeline)
		return clone("both are on timelines of the same number, " + number(own.position.timeline));
	const auto mine = stretches_of(own), theirs = stretches_of(upstream);
	std::size_t i = 0, j = 0;
	if (!align(mine, theirs, i, j))
		return clone("the lines have no timeline in common");
	for (;; ++i, ++j) {
		const Stretch &a = mine[i], &b = theirs[j];
		const bool last_of_mine = i + 1 == mine.size(), last_of_theirs = j + 1 == theirs.size();
		if (last_of_mine)
			return from_last_of_own(mine, b.end);
		if (last_of_theirs && b.end < a.end)
			return clone("the upstream has not come to where timeline " + number(a.timeline) +
			             " was left here");
		const Lsn end = std::min(a.end, b.end);
		if (last_of_theirs || a.end != b.end || mine[i + 1].timeline != theirs[j + 1].timeline)
			return rewind(mine, {a.timeline, end});
	}
}

}  // namespace stolon::core
