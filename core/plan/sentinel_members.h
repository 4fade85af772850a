// The rules of the sentinel plan about who belongs to the cluster: the first master (S-01, S-02)
// and the members (S-09 to S-13). Only sentinel_*.cpp use it.
#pragma once

#include "core/plan/sentinel_facts.h"

namespace stolon::core::sentinel {

/// S-01.
SentinelDecision name_first_master(const SentinelInputs &inputs);
/// S-02; nothing is written while the first master is not writable.
SentinelDecision finish_initialising(const SentinelInputs &inputs, const Db &master);
/// S-09 to S-13, S-28 and S-26, the first that has something to do; no election is open.
SentinelDecision keep_members(const SentinelInputs &inputs);

}  // namespace stolon::core::sentinel
