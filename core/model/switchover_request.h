// What an operator may ask of a cluster about switchovers: the clusterdata that says so, or the
// reason why not. The same for stolonctl and for the SQL functions; whoever puts the result
// compares the revision of the clusterdata that it was made from.
#pragma once

#include "core/model/clusterdata.h"

namespace stolon::core {

/// `request` is to stand in `data`. Refused while another one is under way or scheduled, when
/// nobody would carry it out, for a keeper that does not exist, and for a time that is over.
/// Everything else is judged by the sentinel when it begins.
Result<ClusterData> with_switchover(ClusterData data, const Switchover &request,
                                    bool sentinel_leads, WallTime now);

/// The switchover of this id (empty: whichever it is) is to end. Refused when it is over, when
/// there is none, and once its master is being stopped. The sentinel ends it; without one that
/// leads, as soon as one does.
Result<ClusterData> with_cancelled_switchover(ClusterData data, const std::string &id);

/// Is this text what an operation's id looks like?
bool is_switchover_id(std::string_view text);

}  // namespace stolon::core
