// Who may take part in a switchover: whether the master can be replaced, and by whom. Only
// sentinel_*.cpp use it.
#pragma once

#include <string>

#include "core/plan/sentinel_facts.h"

namespace stolon::core::sentinel {

/// A db with its keeper, for people.
std::string name_of(const SentinelInputs &inputs, const DbUid &uid);

/// Why the master cannot be replaced in an orderly way; empty: it can.
std::string objection_to_master(const SentinelInputs &inputs, const Db &master);

/// Why this standby cannot take over now; empty: it can, as far as its lag is not concerned.
std::string objection_to_target(const SentinelInputs &inputs, const DbUid &uid);

/// Why the target is not close enough to be waited for by clients; empty: it is.
std::string objection_to_lag(const SentinelInputs &inputs, const Db &master, const Db &target);

/// The standby with the smallest known lag that nothing speaks against; among equals the one
/// with the higher failoverPriority, then the lower keeper uid. Empty: nobody, and `why` says so.
DbUid choose_switchover_target(const SentinelInputs &inputs, const Db &master, std::string &why);

}  // namespace stolon::core::sentinel
