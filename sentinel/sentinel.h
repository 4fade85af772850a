// One sentinel: observes the store, campaigns for the lead, and while it leads brings clusterdata
// to what the plan says, one transaction at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/model/keys.h"
#include "core/model/spec.h"
#include "sentinel/commit.h"
#include "sentinel/leadership.h"
#include "sentinel/observations.h"
#include "store/mirror.h"
#include "store/presence.h"
#include "store/store.h"

namespace stolon::sentinel {

struct SentinelOptions {
	core::SentinelUid uid;
	/// Given: a cluster that does not exist yet is initialised with it.
	std::optional<core::ClusterSpec> initial_spec;
	/// A store without a cluster is watched for so long before one is made: it may have lost its
	/// contents, and launchers that hold the data of the lost cluster tell of themselves again.
	Duration initial_wait = core::seconds(10);
};

class Sentinel {
public:
	Sentinel(store::Store &store, core::Keys keys, SentinelOptions options);

	/// Does what is due; returns when it wants to be called again at the latest.
	Instant step(Instant now);

	/// Leave: the lease is revoked, so that another sentinel leads at once.
	void stop(Instant now);
	/// Everything that leaving takes has been done, or has had its time.
	bool stopped(Instant now) const;

private:
	void take_over_times();
	bool may_act(Instant now) const;
	void lead(Instant now);
	void initialise(Instant now);
	void decide(Instant now);
	void send(store::TxnRequest request, std::string what, Instant now);
	void finished(store::Result<store::TxnResponse> outcome, const std::string &what,
	              Instant sent_at);
	void look_again(Instant now);
	void say(const std::vector<core::Reason> &reasons, bool waits);

	store::Store &store_;
	const SentinelOptions options_;
	store::Mirror mirror_;
	store::Presence presence_;
	Observations observations_;
	Leadership leadership_;

	core::ClusterSpec times_of_;  ///< the spec whose intervals are in use
	Duration request_timeout_;
	const Instant started_at_;

	bool in_flight_ = false;
	std::int64_t needed_revision_ = 0;    ///< nothing older than what was written is acted on
	std::optional<Instant> needed_read_;  ///< nor anything that was not read after this
	int refused_in_a_row_ = 0;            ///< transactions whose conditions did not hold
	Instant retry_at_{};
	std::optional<Instant> plan_wake_at_;
	std::optional<Instant> stop_at_;
	std::vector<core::Reason> last_said_;
	bool waiting_ = false;  ///< what was said last is waited for
	std::string last_problem_;
};

}  // namespace stolon::sentinel
