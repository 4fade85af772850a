// From the mirror of the store to the inputs of the sentinel plan. Values that cannot be used are
// named in the log once and count as absent, except where being careful means something else.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/model/keys.h"
#include "core/plan/sentinel_plan.h"
#include "core/plan/standby_progress.h"
#include "store/mirror.h"

namespace stolon::sentinel {

/// Values of one type by key, parsed again only when they have changed.
template <typename T>
struct ParsedValues {
	struct Value {
		store::MirrorEntry entry;
		std::optional<T> parsed;  ///< nullopt: damaged
	};
	std::map<std::string, Value> by_key;
};

class Observations {
public:
	Observations(const store::Mirror &mirror, core::Keys keys);

	/// Takes in what has changed in the mirror. Every sentinel does this all the time, leading or
	/// not: a new leader must have seen the beats.
	void update();

	/// The present clusterdata; nullopt: absent or damaged (see `clusterdata_is_damaged`).
	const std::optional<core::ClusterData> &clusterdata() const { return clusterdata_; }
	bool clusterdata_is_damaged() const { return damaged_; }
	std::int64_t clusterdata_revision() const {
		return clusterdata_entry_ ? clusterdata_entry_->mod_revision : 0;
	}
	std::int64_t master_revision() const { return master_revision_; }

	/// Inputs for the plan. There must be a clusterdata().
	core::SentinelInputs inputs(core::Instant now) const;

	/// Why a new cluster must not be made in this store; empty: nothing speaks against it.
	std::string trace_of_a_cluster() const;

	const core::Keys &keys() const { return keys_; }

private:
	void update_clusterdata();
	void update_election(core::Instant seen_at);
	void update_beats();
	void update_switchover(core::Instant seen_at);
	void update_proxies();
	void update_progress();
	void update_running();
	void add_beats(core::SentinelInputs &inputs) const;

	const store::Mirror &mirror_;
	const core::Keys keys_;
	std::uint64_t changes_ = 0;
	bool first_ = true;

	std::optional<core::ClusterData> clusterdata_;
	bool damaged_ = false;
	std::optional<store::MirrorEntry> clusterdata_entry_;
	/// The open election, and since when it has been known with its present voters. A change of
	/// anything else, the spec for example, does not begin it anew.
	std::optional<core::Election> election_;
	core::Instant election_asked_at_;
	std::int64_t master_revision_ = 0;
	core::Instant master_seen_at_;

	ParsedValues<core::Beat> beats_;
	ParsedValues<core::KeeperInfo> infos_;
	ParsedValues<core::NodeInfo> nodes_;
	std::map<std::string, core::ProxyInfo> proxies_;  ///< by key
	std::string switchover_;                          ///< the id of the one seen last
	core::SwitchoverPhase switchover_step_ = core::SwitchoverPhase::Requested;
	std::optional<core::ResumePermit> resume_;
	core::Instant resume_seen_at_;
	core::Instant switchover_seen_at_, switchover_step_seen_at_;
	struct Running {
		std::string instance;
		core::Instant since;
	};
	std::map<core::KeeperUid, Running> running_;
	std::map<core::KeeperUid, core::StandbyProgress> progress_;
	/// The last good beat per keeper, also after its key has vanished.
	std::map<core::KeeperUid, core::BeatObservation> last_beats_;
};

}  // namespace stolon::sentinel
