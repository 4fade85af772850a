// S-17: standbys that do not get on are made anew. Only sentinel_*.cpp use it.
#pragma once

#include "core/plan/sentinel_facts.h"

namespace stolon::core::sentinel {

/// Nullopt: nothing to do and nothing to say.
std::optional<SentinelDecision> repair_standbys(const SentinelInputs &inputs);

}  // namespace stolon::core::sentinel
