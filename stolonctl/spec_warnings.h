// What an operator should know of a spec that is accepted.
#pragma once

#include <string>
#include <vector>

#include "core/model/clusterdata.h"

namespace stolon::ctl {

/// One sentence each for options without effect. `data`: the cluster that it is for; nullptr: a new
/// one, whose keepers are not known yet.
std::vector<std::string> spec_warnings(const core::ClusterSpec &spec,
                                       const core::ClusterData *data);

/// Prints them to stderr.
void print_spec_warnings(const core::ClusterSpec &spec, const core::ClusterData *data);

}  // namespace stolon::ctl
