// The transactions of the leading sentinel.
#pragma once

#include <string>

#include "core/model/keys.h"
#include "core/plan/sentinel_plan.h"
#include "store/mirror.h"
#include "store/store.h"

namespace stolon::sentinel {

/// Events that are kept; the older ones are deleted with each new one.
constexpr std::uint64_t max_history_events = 100;

/// What a decision was made from: a transaction only counts while all of it still holds.
struct Basis {
	std::int64_t clusterdata_revision = 0;
	std::int64_t master_revision = 0;
	std::int64_t leader_term = 0;  ///< create_revision of `sentinel-leader`
};

/// Writes a decision (with `write`). `time`: wall clock in RFC 3339, for the event.
store::TxnRequest decision_transaction(const core::Keys &keys, const store::Mirror &mirror,
                                       const Basis &basis, const core::SentinelDecision &decision,
                                       const std::string &time);

/// Puts the first clusterdata where there is none.
store::TxnRequest initial_transaction(const core::Keys &keys, std::int64_t leader_term,
                                      const core::ClusterData &data);

}  // namespace stolon::sentinel
