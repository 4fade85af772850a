// Whether the WAL before a fork really is the same on both sides. Timeline numbers and histories do
// not prove it: two promotions that knew nothing of each other may have made the same ones.
#pragma once

#include <string>

#include "core/base/result.h"
#include "launcher/examine.h"
#include "launcher/upstream.h"

namespace stolon::launcher {

/// Compares the WAL right before the fork here with the upstream's, as far back as it takes to have
/// compared records and not only zeros behind the last one of a file, and looks whether the
/// upstream still is the primary on that timeline, with a checkpoint there. Unavailable: it cannot
/// be asked now. Invalid: it is not so, or the upstream does not have that WAL any more.
core::Status check_common_wal(const UpstreamServer &upstream, const core::Lineage &upstream_line,
                              const std::string &bin_path, const std::string &pgdata,
                              const Examination &found);

}  // namespace stolon::launcher
