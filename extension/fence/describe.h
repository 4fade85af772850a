// Why this server may not acknowledge, in words: one place for the gates' error message and for
// stolon.status().
#pragma once

#include "extension/fence/shared.h"

namespace stolon::pg {

/// The role is gone for good (another was named, an election is open): waiting makes no sense.
bool is_lost(FenceReason reason);

/// Another server is the master: sessions have no future here.
bool names_another(const SharedCopy &shared);

/// One sentence with full stop, into `out`. No allocation.
void describe_fence(const SharedCopy &shared, char *out, std::size_t size);

}  // namespace stolon::pg
