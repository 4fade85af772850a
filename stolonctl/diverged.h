// What was set aside on the keepers, as text.
#pragma once

#include <string>

#include "stolonctl/cluster_view.h"

namespace stolon::ctl {

/// `only` empty: of all keepers.
std::string diverged_text(const ClusterView &view, const core::KeeperUid &only);

}  // namespace stolon::ctl
