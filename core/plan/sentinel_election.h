// The rules of the sentinel plan that replace the master: opening an election (S-05, S-06, S-08,
// S-16), permitting a restart in place (S-07), deciding (S-03, S-04, S-14). Only sentinel_*.cpp use
// it.
#pragma once

#include "core/plan/sentinel_facts.h"

namespace stolon::core::sentinel {

/// S-05 to S-08 and S-16; there is a named master. A decision without `write` carries a reason when
/// something is waited for, and wake_at when a beat will expire; other rules may then go on.
SentinelDecision watch_master(const SentinelInputs &inputs, const Db &master);

/// S-03, S-04 and S-14; an election is open. No other rule acts meanwhile.
SentinelDecision decide_election(const SentinelInputs &inputs);

/// Standbys that can be asked to vote, and why the others cannot.
struct Electorate {
	std::vector<DbUid> voters;
	/// They could vote, but never win: asked together with the others, so that it is known where
	/// they are.
	std::vector<DbUid> witnesses;
	std::vector<std::string> excluded;
};
/// `last_known` may be invalid (then no lag is looked at). `out` never votes: the old master.
Electorate find_electorate(const SentinelInputs &inputs, const DbUid &out, WalPosition last_known);

}  // namespace stolon::core::sentinel
