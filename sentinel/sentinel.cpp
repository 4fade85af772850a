#include "sentinel/sentinel.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "sentinel/identity.h"

namespace stolon::sentinel {

namespace {

/// How long leaving may take.
constexpr Duration stop_patience = core::seconds(1);
/// Pauses after transactions whose conditions did not hold, doubled each time. The first retry is
/// immediate: losing a race once is normal.
constexpr Duration first_retry_pause = core::milliseconds(20);
constexpr Duration longest_retry_pause = core::seconds(1);

Duration request_timeout_of(const core::ClusterSpec &spec) {
	return spec.request_timeout > Duration(0) ? spec.request_timeout : spec.fail_interval / 5;
}

/// Longer than a hiccup of the store, short enough for a new leader to be there before a beat
/// expires.
Duration lease_ttl_of(const core::ClusterSpec &spec) {
	return std::max<Duration>(core::seconds(2), spec.fail_interval * 6 / 10);
}

Duration probe_interval_of(const core::ClusterSpec &spec) {
	return spec.fail_interval / 5;
}

store::MirrorOptions mirror_options(const core::Keys &keys) {
	const core::ClusterSpec defaults;
	store::MirrorOptions options;
	options.prefix = keys.root();
	options.request_timeout = request_timeout_of(defaults);
	options.resync_interval = defaults.sleep_interval;
	options.probe_interval = probe_interval_of(defaults);
	return options;
}

}  // namespace

Sentinel::Sentinel(store::Store &store, core::Keys keys, SentinelOptions options)
    : store_(store),
      options_(std::move(options)),
      mirror_(store, mirror_options(keys)),
      presence_(store, lease_ttl_of({}), request_timeout_of({})),
      observations_(mirror_, keys),
      leadership_(store, mirror_, keys.sentinel_leader(),
                  core::sentinel_info_to_text(own_identity(options_.uid))),
      request_timeout_(request_timeout_of({})),
      started_at_(store.clock()) {
	presence_.set(keys.sentinel_info(options_.uid),
	              core::sentinel_info_to_text(own_identity(options_.uid)));
}

void Sentinel::take_over_times() {
	const auto &data = observations_.clusterdata();
	if (!data || (data->spec.fail_interval == times_of_.fail_interval &&
	              data->spec.sleep_interval == times_of_.sleep_interval &&
	              data->spec.request_timeout == times_of_.request_timeout)) {
		return;
	}
	times_of_ = data->spec;
	request_timeout_ = request_timeout_of(times_of_);
	mirror_.set_intervals(request_timeout_, times_of_.sleep_interval, probe_interval_of(times_of_));
	presence_.set_times(lease_ttl_of(times_of_), request_timeout_);
}

Instant Sentinel::step(Instant now) {
	presence_.poll(now);
	mirror_.poll(now);
	if (stop_at_) {
		return std::min({*stop_at_, presence_.wake_at(), mirror_.wake_at()});
	}
	// Before the first answer there is nothing to tell yet, unless it takes long.
	const bool starting = !mirror_.ready() && now < started_at_ + request_timeout_;
	if (mirror_.problem() != last_problem_ && !starting) {
		last_problem_ = mirror_.problem();
		if (last_problem_.empty()) {
			spdlog::info("the store answers");
		} else {
			spdlog::warn("{}", last_problem_);
		}
	}
	observations_.update();
	take_over_times();
	leadership_.poll(now, presence_.lease(), request_timeout_);
	plan_wake_at_.reset();
	if (leadership_.leads() && may_act(now)) {
		lead(now);
	}
	Instant wake = std::min({presence_.wake_at(), mirror_.wake_at(), leadership_.wake_at(now)});
	if (retry_at_ > now) {
		wake = std::min(wake, retry_at_);
	}
	if (plan_wake_at_) {
		wake = std::min(wake, *plan_wake_at_);
	}
	return wake;
}

/// One transaction at a time, never from a view that is older than what this sentinel has written
/// or been told.
bool Sentinel::may_act(Instant now) const {
	if (in_flight_ || now < retry_at_) {
		return false;
	}
	if (needed_read_ && mirror_.fresh_at() < *needed_read_) {
		return false;
	}
	return mirror_.revision() >= needed_revision_;
}

void Sentinel::lead(Instant now) {
	needed_read_.reset();
	if (observations_.clusterdata()) {
		decide(now);
	} else if (!observations_.clusterdata_is_damaged()) {
		initialise(now);
	}
}

void Sentinel::initialise(Instant now) {
	if (!options_.initial_spec) {
		say({{"S-00",
		      "There is no cluster of this name in the store. Initialise one with "
		      "`stolonctl init`, or start a sentinel with --initial-cluster-spec."}},
		    true);
		return;
	}
	const std::string trace = observations_.trace_of_a_cluster();
	if (!trace.empty()) {
		say({{"S-00",
		      "clusterdata is absent, but " + trace +
		          ", so no new cluster is initialised over it. Put clusterdata back from a "
		          "backup, or, if the old cluster is not needed any more, delete what is left "
		          "of it or use `stolonctl init`."}},
		    true);
		return;
	}
	const Instant due = std::max(started_at_, mirror_.contact_since()) + options_.initial_wait;
	if (now < due) {
		plan_wake_at_ = due;
		say({{"S-00",
		      "There is no cluster of this name in the store. One is initialised unless a "
		      "launcher tells of existing data within --initial-cluster-wait."}},
		    true);
		return;
	}
	const core::ClusterData data =
	    core::initial_clusterdata(*options_.initial_spec, random_hex(16));
	say({{"S-00", "A new cluster is initialised from the given spec."}}, false);
	send(initial_transaction(observations_.keys(), leadership_.term(), data),
	     "the first clusterdata", store_.clock());
}

void Sentinel::decide(Instant now) {
	core::SentinelInputs inputs = observations_.inputs(now);
	inputs.wall = store::wall_now();
	inputs.fresh_db_uids = random_db_uids(inputs.data.keepers.size() + inputs.nodes.size() + 1);
	const core::SentinelDecision decision = core::plan_sentinel(inputs);
	plan_wake_at_ = decision.wake_at;
	say(decision.reasons, !decision.write && !decision.reasons.empty());
	if (!decision.write) {
		refused_in_a_row_ = 0;
		return;
	}
	const Basis basis{observations_.clusterdata_revision(), observations_.master_revision(),
	                  leadership_.term()};
	const std::string what =
	    "generation " + std::to_string(decision.data.generation) + " of the view";
	send(decision_transaction(observations_.keys(), mirror_, basis, decision,
	                          core::format_wall_time(inputs.wall)),
	     what, now);
}

void Sentinel::send(store::TxnRequest request, std::string what, Instant now) {
	in_flight_ = true;
	store_.txn(std::move(request), request_timeout_,
	           [this, what = std::move(what), now](store::Result<store::TxnResponse> outcome) {
		           finished(std::move(outcome), what, now);
	           });
}

void Sentinel::finished(store::Result<store::TxnResponse> outcome, const std::string &what,
                        Instant sent_at) {
	in_flight_ = false;
	const Instant now = store_.clock();
	if (!outcome.ok()) {
		spdlog::warn("writing {}: {}; the store is read before anything else", what,
		             outcome.error().message);
		look_again(now);
		return;
	}
	needed_revision_ = std::max(needed_revision_, outcome->revision);
	if (outcome->succeeded) {
		refused_in_a_row_ = 0;
		spdlog::info("wrote {} at revision {} in {} ms", what, outcome->revision,
		             core::to_ms(now - sent_at));
		return;
	}
	spdlog::info("did not write {}: something it was decided from has changed meanwhile", what);
	// The answer's revision may be that of another cluster's key, which this mirror never reaches
	// by its watch: only the read counts.
	needed_revision_ = 0;
	look_again(now);
}

void Sentinel::look_again(Instant now) {
	needed_read_ = now;
	mirror_.refresh();
	last_said_.clear();
	Duration pause(0);
	for (int i = 1; i <= refused_in_a_row_ && pause < longest_retry_pause; ++i) {
		pause = i == 1 ? first_retry_pause : pause * 2;
	}
	retry_at_ = now + std::min(pause, longest_retry_pause);
	++refused_in_a_row_;
}

/// What is decided or waited for is logged when it changes.
void Sentinel::say(const std::vector<core::Reason> &reasons, bool waits) {
	for (const auto &reason : reasons) {
		if (std::find(last_said_.begin(), last_said_.end(), reason) == last_said_.end()) {
			spdlog::info("{}: {}", reason.rule, reason.text);
		}
	}
	if (reasons.empty() && waiting_) {
		spdlog::info("nothing is waited for any more");
	}
	waiting_ = waits;
	last_said_ = reasons;
}

void Sentinel::stop(Instant now) {
	if (!stop_at_) {
		stop_at_ = now + stop_patience;
		presence_.close();
	}
}

bool Sentinel::stopped(Instant now) const {
	return stop_at_ && ((presence_.idle() && !in_flight_) || now >= *stop_at_);
}

}  // namespace stolon::sentinel
