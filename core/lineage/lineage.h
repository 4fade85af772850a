// Ancestry of WAL positions by walking timeline histories. A higher timeline number says nothing
// (LESSONS C-2).
#pragma once

#include <vector>

#include "core/base/types.h"
#include "core/model/info.h"

namespace stolon::core {

/// A server's place in the WAL together with the ancestors of its timeline.
struct Lineage {
	WalPosition position;
	std::vector<HistoryEntry>
	    history;  ///< oldest first; entry i ended where the next timeline began
};

/// True when everything up to `position` is part of the history that leads to `of`: `position` lies
/// on of's own timeline at or before of's LSN, or on an ancestor at or before the point where that
/// ancestor was left, and in both cases not beyond what `of` has. An unknown timeline or LSN (0) on
/// either side gives false.
bool contains(const Lineage &of, WalPosition position);

/// True when a standby at `standby` can go on streaming from an upstream with lineage `upstream`
/// without a rewind: its position lies on upstream's timeline (at any LSN: the upstream may still
/// be behind what it has flushed elsewhere only if it is the same timeline), or on an ancestor at
/// or before its end. An unknown position of the standby gives false.
bool can_follow(const Lineage &upstream, WalPosition standby);

}  // namespace stolon::core
