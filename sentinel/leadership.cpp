#include "sentinel/leadership.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace stolon::sentinel {

namespace {

/// Between two campaigns that were not won; a leader's disappearance is answered at once.
constexpr Duration campaign_pause = core::milliseconds(200);

}  // namespace

Leadership::Leadership(store::Store &store, const store::Mirror &mirror, std::string key,
                       std::string value)
    : store_(store), mirror_(mirror), key_(std::move(key)), value_(std::move(value)) {}

Instant Leadership::wake_at(Instant now) const {
	return retry_at_ > now ? retry_at_ : store::Mirror::never;
}

void Leadership::begin_term(std::int64_t term, std::int64_t lease) {
	term_ = term;
	term_lease_ = lease;
	spdlog::info("this sentinel leads (term {})", term);
}

void Leadership::check_term(std::int64_t lease) {
	if (mirror_.revision() < term_) {
		return;
	}
	const store::MirrorEntry *entry = mirror_.find(key_);
	if (entry && entry->create_revision == term_ && lease == term_lease_) {
		return;
	}
	spdlog::warn("this sentinel no longer leads (term {} is over: {})", term_,
	             lease == term_lease_ ? "its key has vanished" : "its lease was lost");
	term_ = 0;
}

void Leadership::finished(store::Result<store::TxnResponse> outcome, std::int64_t lease) {
	in_flight_ = false;
	retry_at_ = store_.clock() + campaign_pause;
	if (!outcome.ok()) {
		spdlog::warn("could not campaign for the lead: {}", outcome.error().message);
		return;
	}
	if (outcome->succeeded) {
		begin_term(outcome->revision, lease);
		return;
	}
	// An earlier campaign whose answer was lost may have been won: then the key is under our lease.
	if (!outcome->results.empty() && !outcome->results.front().empty() &&
	    outcome->results.front().front().lease == lease) {
		begin_term(outcome->results.front().front().create_revision, lease);
	}
}

void Leadership::campaign(Instant now, std::int64_t lease, Duration request_timeout) {
	in_flight_ = true;
	retry_at_ = now + campaign_pause;
	store::TxnRequest request;
	request.compares.push_back({store::Compare::Field::CreateRevision, key_, 0});
	request.then_ops.push_back(store::Op::put(key_, value_, lease));
	request.else_ops.push_back(store::Op::get(key_));
	store_.txn(std::move(request), request_timeout,
	           [this, lease](store::Result<store::TxnResponse> outcome) {
		           finished(std::move(outcome), lease);
	           });
}

void Leadership::poll(Instant now, std::int64_t lease, Duration request_timeout) {
	if (!mirror_.ready()) {
		return;
	}
	if (term_ != 0) {
		check_term(lease);
	}
	if (term_ != 0 || in_flight_ || lease == 0) {
		return;
	}
	const store::MirrorEntry *entry = mirror_.find(key_);
	if (entry && entry->value != value_) {
		retry_at_ = {};  // the next campaign begins with the key's disappearance
		return;
	}
	if (now >= retry_at_) {
		campaign(now, lease, request_timeout);
	}
}

}  // namespace stolon::sentinel
