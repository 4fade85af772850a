// A store behind whose address another one stands from some moment on, as after a restore.
#pragma once

#include <memory>
#include <utility>

#include "store/store.h"

namespace stolon::store::testing {

class SwitchingStore : public Store {
public:
	SwitchingStore(std::unique_ptr<Store> first, std::unique_ptr<Store> second)
	    : now_(std::move(first)), next_(std::move(second)) {}

	/// Whatever was under way at the first one stays unanswered.
	void switch_over() { std::swap(now_, next_); }

	RequestId range(RangeRequest request, Duration timeout, Callback<RangeResponse> done) override {
		return now_->range(std::move(request), timeout, std::move(done));
	}
	RequestId txn(TxnRequest request, Duration timeout, Callback<TxnResponse> done) override {
		return now_->txn(std::move(request), timeout, std::move(done));
	}
	RequestId lease_grant(Duration ttl, Duration timeout,
	                      Callback<LeaseGrantResponse> done) override {
		return now_->lease_grant(ttl, timeout, std::move(done));
	}
	RequestId lease_keepalive(std::int64_t lease, Duration timeout,
	                          Callback<Duration> done) override {
		return now_->lease_keepalive(lease, timeout, std::move(done));
	}
	RequestId lease_revoke(std::int64_t lease, Duration timeout, Callback<bool> done) override {
		return now_->lease_revoke(lease, timeout, std::move(done));
	}
	RequestId watch(WatchRequest request, WatchHandler handler) override {
		return now_->watch(std::move(request), std::move(handler));
	}
	void cancel(RequestId id) override { now_->cancel(id); }
	int fd() const override { return now_->fd(); }
	std::optional<Instant> deadline() const override { return now_->deadline(); }
	void process() override {
		now_->process();
		next_->process();
	}
	Instant clock() const override { return now_->clock(); }
	std::string current_endpoint() const override { return now_->current_endpoint(); }

private:
	std::unique_ptr<Store> now_, next_;
};

}  // namespace stolon::store::testing
