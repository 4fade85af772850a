// The rules of the sentinel plan for a planned change of the master (S-20 to S-24). Only
// sentinel_*.cpp use it.
#pragma once

#include "core/plan/sentinel_facts.h"

namespace stolon::core::sentinel {

/// S-20 to S-24; nullopt: there is no switchover, or it is over. A decision without `write` waits
/// for something, and other rules may go on.
std::optional<SentinelDecision> lead_switchover(const SentinelInputs &inputs);

/// The switchover whose old master the open election replaces, or nullptr.
const Switchover *switchover_of_election(const SentinelInputs &inputs);

}  // namespace stolon::core::sentinel
