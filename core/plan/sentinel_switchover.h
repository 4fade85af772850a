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

/// Until when the release of this master is awaited, whose launcher is stopping it for a
/// switchover; nullopt: it is not. A stop may outlast the lease: PostgreSQL waits for standbys that
/// do not answer. What was acknowledged since the last beat is only told by the release.
std::optional<Instant> release_awaited_until(const SentinelInputs &inputs, const Db &master);

}  // namespace stolon::core::sentinel
