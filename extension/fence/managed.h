// ALTER SYSTEM on a parameter that stolon manages is refused: it would win over stolon.conf.
#pragma once

#include "extension/bridge/pg.h"

namespace stolon::pg {

/// Reports an error when `statement` is an ALTER SYSTEM SET of a parameter that stolon writes into
/// stolon.conf, or of one of its own settings that a session cannot set. RESET is let through: it
/// removes such a line. Does nothing on a server that is no member of a cluster.
void refuse_managed_parameter(const Node *statement);

}  // namespace stolon::pg
