// Whether data at rest still hold the WAL that their server told the cluster of. A disk that was
// restored from an older state looks like any other; what its server acknowledged since then is not
// on it.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/base/types.h"

namespace stolon::launcher {

/// Whether WAL was written here up to `told`, which the server of these data had flushed when it
/// said so. Reads pg_control, and pages of pg_wal since the last checkpoint. No process of the server may be left. True
/// also when it has gone on to a later timeline since. Fails when it cannot be read.
core::Result<bool> has_wal_up_to(const std::string &bin_path, const std::string &pgdata,
                                 core::WalPosition told);

}  // namespace stolon::launcher
