// Helpers for tests that drive one etcd store.
#pragma once

#include "tests/store/backend.h"

namespace stolon::store::test {

inline std::unique_ptr<Store> open_etcd(EtcdOptions options) {
	auto store = make_etcd_store(std::move(options));
	EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().message);
	return store.ok() ? std::move(store).value() : nullptr;
}

inline std::unique_ptr<Store> open_etcd(const std::vector<std::string> &endpoints) {
	EtcdOptions options;
	options.endpoints = endpoints;
	return open_etcd(std::move(options));
}

template <typename T>
Result<T> wait_real(Store &store, const std::function<void(Callback<T>)> &start) {
	std::optional<Result<T>> result;
	start([&result](Result<T> answer) { result = std::move(answer); });
	if (!run_real_until(
	        {&store}, [&] { return result.has_value(); }, seconds(20)))
		return Error{ErrorKind::Cancelled, "the test waited in vain for an answer"};
	return std::move(*result);
}

inline Result<RangeResponse> range(Store &store, const std::string &key,
                                   Duration timeout = seconds(5)) {
	return wait_real<RangeResponse>(store, [&](auto done) {
		store.range({key, {}, 0}, timeout, std::move(done));
	});
}

inline Result<TxnResponse> put(Store &store, const std::string &key, const std::string &value,
                               Duration timeout = seconds(5)) {
	return wait_real<TxnResponse>(store, [&](auto done) {
		store.txn({{}, {Op::put(key, value)}, {}}, timeout, std::move(done));
	});
}

inline std::string message(const auto &result) {
	return result.ok() ? "" : result.error().message;
}

}  // namespace stolon::store::test
