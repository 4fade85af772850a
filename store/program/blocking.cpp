#include "store/program/blocking.h"

#include <poll.h>

#include <algorithm>

namespace stolon::program {

namespace {

/// Longest single wait: a safety net, should the store's deadline be missing.
constexpr std::int64_t max_poll_ms = 100;

void wait_and_process(store::Store &store) {
	std::int64_t timeout_ms = max_poll_ms;
	if (std::optional<store::Instant> deadline = store.deadline()) {
		// Rounded up: waking just before the deadline would spin.
		timeout_ms =
		    std::clamp<std::int64_t>(core::to_ms(*deadline - store::now()) + 1, 0, max_poll_ms);
	}
	pollfd fd{store.fd(), POLLIN, 0};
	poll(&fd, 1, static_cast<int>(timeout_ms));
	store.process();
}

template <typename Response, typename Start>
store::Result<Response> run_until_done(store::Store &store, Start start) {
	std::optional<store::Result<Response>> answer;
	start([&answer](store::Result<Response> result) { answer.emplace(std::move(result)); });
	store.process();
	while (!answer) {
		wait_and_process(store);
	}
	return std::move(*answer);
}

}  // namespace

store::Result<store::RangeResponse> range_and_wait(store::Store &store, store::RangeRequest request,
                                                   store::Duration timeout) {
	return run_until_done<store::RangeResponse>(
	    store, [&](auto done) { store.range(std::move(request), timeout, std::move(done)); });
}

store::Result<store::TxnResponse> txn_and_wait(store::Store &store, store::TxnRequest request,
                                               store::Duration timeout) {
	return run_until_done<store::TxnResponse>(
	    store, [&](auto done) { store.txn(std::move(request), timeout, std::move(done)); });
}

}  // namespace stolon::program
