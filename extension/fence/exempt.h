// Which statements a fenced server answers all the same: those that show its own state and touch no
// user data.
#pragma once

#include "extension/bridge/pg.h"

namespace stolon::pg {

/// A SELECT that reads no table and calls nothing but stolon's own status functions and harmless
/// built-in ones.
bool is_exempt_query(const PlannedStmt *statement);
/// One of stolon's own functions: they live in C, in this library.
bool is_own_function(Oid function_oid);
/// SHOW, SET, transaction control (COMMIT passes its own gates), and what only concerns the session
/// itself.
bool is_exempt_utility(const Node *statement);

/// May the statement run under stolon.allow_stale_reads?
bool is_read_only_query(const PlannedStmt *statement);
bool is_read_only_utility(const Node *statement);

}  // namespace stolon::pg
