// How data that lie somewhere come to follow an upstream: as they are, after a rewind, or not at
// all. Decided by walking both timeline histories from their common beginning (LESSONS C-2).
#pragma once

#include <string>
#include <vector>

#include "core/lineage/lineage.h"

namespace stolon::core {

enum class Way {
	Follow,  ///< nothing lies here that is not a part of the upstream's line
	Rewind,  ///< the lines part at `fork`; what lies beyond has to be taken back
	Clone,   ///< they have no common beginning, or nobody can tell
};

/// WAL of one timeline.
struct WalRange {
	Timeline timeline;
	Lsn from;
	Lsn to;  ///< not valid: to wherever that timeline ends here
	bool operator==(const WalRange &) const = default;
};

struct WayBack {
	Way way = Way::Clone;
	WalPosition fork;              ///< Follow, Rewind: the last place that both lines have
	std::vector<WalRange> beyond;  ///< Rewind: what `own` has behind it, oldest first
	std::string reason;            ///< Clone: one clause
};

/// `own.position.lsn` may be unknown (0): the answer is then given as if WAL lay here without end,
/// and `beyond` tells where to look for it. Two lines on timelines of the same number are never
/// taken for one, because two promotions that knew nothing of each other may have taken the same
/// number. The same can be so of a common ancestor: whoever acts on this answer has to compare the
/// WAL before `fork`.
WayBack way_back(const Lineage &own, const Lineage &upstream);

}  // namespace stolon::core
