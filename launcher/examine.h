// How data that are going to be replaced lie in relation to the line that replaces them.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/lineage/way_back.h"
#include "launcher/control_file.h"
#include "launcher/wal_dump.h"

namespace stolon::launcher {

struct Examination {
	ControlData control;
	core::Lineage line;  ///< where the WAL ends that lies there, and the ancestors of that timeline
	core::WayBack back;  ///< to the upstream's line
	WalSummary beyond;   ///< what lies behind the fork, when there is one
};

/// Reads only; no process of the server may be left. Invalid: it cannot be examined. Unavailable:
/// the reading itself failed, which says nothing about the data.
core::Result<Examination> examine(const std::string &bin_path, const std::string &pgdata,
                                  const core::Lineage &upstream);

/// Where all WAL ends that lies there, behind the last checkpoint, where recovery would end. That
/// is read from there on, and may take long. Fails as examine() does.
core::Result<core::WalPosition> end_of_wal(const std::string &bin_path, const std::string &pgdata);

}  // namespace stolon::launcher
