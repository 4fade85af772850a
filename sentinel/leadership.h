// Which of the sentinels leads: the one that put `sentinel-leader` under its lease. The term is the
// key's create_revision; every transaction of a leader compares it, so that a leader that does not
// know yet that its term is over changes nothing.
#pragma once

#include <string>

#include "store/mirror.h"
#include "store/store.h"

namespace stolon::sentinel {

using core::Duration;
using core::Instant;

class Leadership {
public:
	/// `value` is what the key holds while this process leads.
	Leadership(store::Store &store, const store::Mirror &mirror, std::string key,
	           std::string value);

	/// Looks at the mirror and campaigns when nobody leads. `lease`: this process's live lease, 0
	/// if there is none at the moment.
	void poll(Instant now, std::int64_t lease, Duration request_timeout);
	Instant wake_at(Instant now) const;

	std::int64_t term() const { return term_; }
	/// A term that has been won is only acted on once the mirror shows it.
	bool leads() const { return term_ != 0 && mirror_.revision() >= term_; }

private:
	void campaign(Instant now, std::int64_t lease, Duration request_timeout);
	void finished(store::Result<store::TxnResponse> outcome, std::int64_t lease);
	void check_term(std::int64_t lease);
	void begin_term(std::int64_t term, std::int64_t lease);

	store::Store &store_;
	const store::Mirror &mirror_;
	const std::string key_;
	const std::string value_;
	std::int64_t term_ = 0;
	std::int64_t term_lease_ = 0;
	bool in_flight_ = false;
	Instant retry_at_{};
};

}  // namespace stolon::sentinel
