#include "core/lineage/lineage.h"

namespace stolon::core {
namespace {

bool known(WalPosition position) {
	return position.timeline.valid() && position.lsn.valid();
}

/// `position` lies on an ancestor, at or before the point where that ancestor was left.
bool on_ancestor(const std::vector<HistoryEntry> &history, WalPosition position) {
	for (const HistoryEntry &entry : history)
		if (entry.timeline == position.timeline)
			return position.lsn <= entry.end;
	return false;
}

}  // namespace

bool contains(const Lineage &of, WalPosition position) {
	if (!known(of.position) || !known(position))
		return false;
	// Also on an ancestor: a server may know its target timeline before it has the WAL up to where
	// that begins.
	if (position.lsn > of.position.lsn)
		return false;
	return position.timeline == of.position.timeline || on_ancestor(of.history, position);
}

bool can_follow(const Lineage &upstream, WalPosition standby) {
	if (!upstream.position.timeline.valid() || !known(standby))
		return false;
	return standby.timeline == upstream.position.timeline || on_ancestor(upstream.history, standby);
}

}  // namespace stolon::core
