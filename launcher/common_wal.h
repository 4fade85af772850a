// Whether the WAL before a fork really is the same on both sides. Timeline numbers and histories do
// not prove it: two promotions that knew nothing of each other may have made the same ones.
#pragma once

#include <string>

#include "core/base/result.h"
#include "launcher/examine.h"
#include "launcher/upstream.h"

namespace stolon::launcher {

struct CommonWal {
	std::string reason;            ///< why it is not proven that it is the same; "": it is the same
	bool is_another_line = false;  ///< it was compared, and is not the same
};

/// Compares the WAL right before the fork here with the upstream's, as far back as it takes to have
/// compared records and not only zeros behind the last one of a file, and looks whether the
/// upstream still is the primary on that timeline, with a checkpoint there. Unavailable: it is not,
/// or cannot be asked now.
core::Result<CommonWal> compare_common_wal(const UpstreamServer &upstream,
                                           const core::Lineage &upstream_line,
                                           const std::string &bin_path, const std::string &pgdata,
                                           const Examination &found);

/// The same for whom only the proof counts. Invalid, with the reason: it is not proven.
core::Status check_common_wal(const UpstreamServer &upstream, const core::Lineage &upstream_line,
                              const std::string &bin_path, const std::string &pgdata,
                              const Examination &found);

}  // namespace stolon::launcher
