// What the keeper worker does to its own server. Every function throws std::runtime_error (or
// PgError) with one sentence.
#pragma once

#include <string>

#include "core/model/info.h"

namespace stolon::pg {

/// Reads $PGDATA/stolon.state, which the launcher has made.
core::DataState read_data_state();
/// Replaces it; it is on disk when this returns.
void write_data_state(const core::DataState &state);

/// Replaces stolon.conf and lets the postmaster read it.
void write_configuration(const std::string &text);

/// Asks the startup process to end recovery, as pg_promote() does.
void request_promotion();
/// Asks for an immediate checkpoint; does not wait for it.
void request_checkpoint();

}  // namespace stolon::pg
