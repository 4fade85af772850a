// The replication slots that stolon holds on this server: one for each other member, named after
// its incarnation. Nobody else's are looked at. Every function throws PgError.
#pragma once

#include <string>
#include <vector>

#include "core/plan/keeper_plan.h"

namespace stolon::pg {

/// False while a starting server has not read its slots from the disk. One that is made then is
/// read as a second one of its name, whose files vanish with the first one.
bool slots_are_loaded();

/// Those whose name could be stolon's: "stolon_" and the 8 digits of a db.
std::vector<core::LocalSlot> local_slots();

/// It keeps WAL from the last checkpoint on, or from where `slot.like` does.
void create_slot(const core::NewSlot &slot);
void drop_slot(const std::string &name);
/// As pg_replication_slot_advance() does, for a slot that nobody uses; it keeps no dead rows then.
void advance_slot(const core::SlotAdvance &advance);

}  // namespace stolon::pg
