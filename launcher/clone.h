// Copies the upstream's data directory into one beside PGDATA. It is swapped in later, by swap_in.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/model/clusterdata.h"
#include "launcher/data_dir.h"
#include "launcher/upstream.h"

namespace stolon::launcher {

struct CloneJob {
	Paths paths;
	Identity identity;
	core::DataState state;  ///< what the copy becomes
	std::string bin_path;   ///< of PostgreSQL's programs
	UpstreamServer upstream;
	core::DbUid upstream_db;
	std::string slot;       ///< made by the upstream beforehand; "": none
	std::string system_id;  ///< the copy must have it; "": not known
};

/// Blocks; for a task of its own. Progress goes to stderr. Can be repeated after an interruption at
/// any point; what an interrupted one has left is removed first.
core::Status run_clone(const CloneJob &job);

}  // namespace stolon::launcher
