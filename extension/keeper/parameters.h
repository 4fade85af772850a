// Whether this server takes a parameter that the spec gives.
#pragma once

#include <string>

#include "core/model/spec.h"

namespace stolon::pg {

/// The spec without the pgParameters that this server would refuse: one unknown name makes it
/// refuse the whole file, and with it the upstream that it is to follow; one bad value keeps it
/// from starting the next time. `problem` becomes one sentence about the last of them, or "".
core::ClusterSpec usable_spec(const core::ClusterSpec &spec, std::string *problem);

}  // namespace stolon::pg
