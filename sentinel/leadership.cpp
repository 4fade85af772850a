#include "sentinel/leadership.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace stolon::sentinel {

namespace {

/// Between two attempts that failed; a leader's disappearance is answered at once.
constexpr Duration campaign_pause = core::milliseconds(200);

}  // namespace

Leadership::Leadership(store::Store &store, const store::Mirror &mirror, std::string key,
                       std::string value, Clock clock)
    : store_(store),
      mirror_(mirror),
      key_(std::move(key)),
      value_(std::move(value)),
      clock_(std::move(clock)) {}

bool Leadership::visible() const {
	return term_ != 0 && mirror_.revision() >= term_;
}

Instant Leadership::wake_at() const {
	const bool waiting = term_ == 0 && !in_flight_ && retry_at_ > Instant{};
	return waiting ? retry_at_ : store::Mirror::never;
}

void Leadership::begin_term(std::int64_t term, std::int64_t lease) {
	term_ = term;
	term_lease_ = lease;
	outcome_unknown_ = false;
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

/// After a campaign without an answer: the key says who won. Only a key that was made after the
/// campaign was sent can be the answer to it.
void Leadership::adopt_unknown(std::int64_t lease) {
	const store::MirrorEntry *entry = mirror_.find(key_);
	if (entry && entry->value == value_ && entry->create_revision > campaigned_at_revision_) {
		begin_term(entry->create_revision, lease);
	}
}

void Leadership::finished(store::Result<store::TxnResponse> outcome, std::int64_t lease) {
	in_flight_ = false;
	retry_at_ = clock_() + campaign_pause;
	if (outcome.ok()) {
		if (outcome->succeeded) {
			begin_term(outcome->revision, lease);
		}
		return;
	}
	outcome_unknown_ = outcome.error().kind == core::ErrorKind::Unknown;
	spdlog::warn("could not campaign for the lead: {}", outcome.error().message);
}

void Leadership::campaign(Instant now, std::int64_t lease, Duration request_timeout) {
	in_flight_ = true;
	outcome_unknown_ = false;
	retry_at_ = now + campaign_pause;
	campaigned_at_revision_ = mirror_.revision();
	store::TxnRequest request;
	request.compares.push_back({store::Compare::Field::CreateRevision, key_, 0});
	request.then_ops.push_back(store::Op::put(key_, value_, lease));
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
	if (mirror_.find(key_)) {
		if (outcome_unknown_) {
			adopt_unknown(lease);
		}
		retry_at_ = {};  // the next campaign begins with the key's disappearance
		return;
	}
	if (now >= retry_at_) {
		campaign(now, lease, request_timeout);
	}
}

}  // namespace stolon::sentinel
