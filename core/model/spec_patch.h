// A change of the cluster spec by an operator.
#pragma once

#include "core/model/spec.h"

namespace stolon::core {

/// `spec` with the fields of `patch` put in place of its own; a field that is null is taken out, so
/// that the option follows its default again. Objects are merged field by field, so that one keeper
/// or one parameter can be changed without naming the others. Names are matched in any case.
/// Invalid, with the option's name, as parse_spec; also for what only the first start looks at.
Result<ClusterSpec> patch_spec(const ClusterSpec &spec, const Json &patch);

}  // namespace stolon::core
