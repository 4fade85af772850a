// What a whole data directory that was set aside has that the master has not. Judged later than it
// was replaced, and nothing relies on its being there, so that there is no hurry and every doubt
// counts: what is said to hold nothing is removed.
#pragma once

#include <string>

#include "core/base/result.h"
#include "launcher/examine.h"
#include "launcher/replaced.h"
#include "launcher/upstream.h"

namespace stolon::launcher {

/// What set aside data are compared with.
struct Master {
	UpstreamServer server;
	core::Lineage line;  ///< with its present timeline; it has written a checkpoint there
};

/// Walks the histories, and compares the WAL before the fork byte by byte. Way::Clone: nobody can
/// tell what only this directory has; back.reason says why, and back.beyond where to look.
/// `was_primary` is DataState's. Unavailable: it could not be read or compared now. Invalid: there
/// is nothing to look at.
core::Result<Examination> judge(const std::string &bin_path, const std::string &directory,
                                const Replaced &why, bool was_primary, const Master &master);

}  // namespace stolon::launcher
