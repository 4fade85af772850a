// `stolonctl init --from-keeper`: the first clusterdata of a cluster whose store was lost, from the
// data that are still there.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "stolonctl/cluster_view.h"

namespace stolon::ctl {

/// What is going to be written, and what the operator should know of it.
struct Rebuilt {
	core::ClusterData data;
	std::vector<std::string> notes;  ///< one sentence each
};

/// `view`: of a store without clusterdata. Refuses (Invalid, with the reason and what to do) a
/// keeper whose data are not known, one beside which another one may have newer data, or cannot
/// be compared with it, unless `force`, and whatever would let two masters serve. `spare` are
/// random uids for members that get a copy.
core::Result<Rebuilt> rebuild_from(const ClusterView &view, const core::KeeperUid &from,
                                   core::ClusterSpec spec, bool force,
                                   std::vector<core::DbUid> spare);

/// How long a lease may still be valid that was given before the store was lost: failInterval of
/// the new spec, or of before as far as the data directories tell it; at least the default.
core::Duration longest_lease(const ClusterView &view, const core::ClusterSpec &spec);

/// The keepers that report data, one line each.
std::string list_candidates(const ClusterView &view);

}  // namespace stolon::ctl
