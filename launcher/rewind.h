// Lets the data of an earlier incarnation follow the new master: as they are when nothing of them
// has diverged, otherwise by pg_rewind, after what only they have was copied to a directory beside.
#pragma once

#include <map>
#include <string>

#include "core/base/result.h"
#include "core/lineage/lineage.h"
#include "launcher/data_dir.h"
#include "launcher/upstream.h"

namespace stolon::launcher {

struct RewindJob {
	Paths paths;
	Identity identity;
	core::DataState state;  ///< what PGDATA becomes
	std::string bin_path;   ///< of PostgreSQL's programs
	UpstreamServer upstream;
	core::Lineage upstream_line;  ///< with its present timeline; it has written a checkpoint there
	std::map<std::string, std::string> archiving;  ///< the spec's archive_parameters()
};

/// Blocks; for a task of its own. No process of the server may be left. Progress goes to stdout and
/// stderr. Unavailable: it can be tried again. Invalid: these data cannot be
/// used, or not any more; they have to be replaced by a clone, and kept.
core::Status run_rewind(const RewindJob &job);

}  // namespace stolon::launcher
