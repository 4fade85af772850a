// The fixture of the contract tests: what store.h promises, for each thing that stands behind it.
#pragma once

#include "tests/store/backend.h"

namespace stolon::store::test {

inline constexpr Duration timeout = seconds(5);

class Contract : public testing::TestWithParam<const char *> {
protected:
	void SetUp() override {
		if (std::string(GetParam()) == "fake") {
			fake = std::make_unique<FakeBackend>();
			backend = fake.get();
		} else {
			ASSERT_TRUE(shared_etcd().etcd.running());
			backend = &shared_etcd();
		}
		store = backend->connect();
		prefix = std::string("test/") +
		         testing::UnitTest::GetInstance()->current_test_info()->name() + "/";
		// An earlier round (--gtest_repeat) has left its keys in the shared etcd.
		ASSERT_TRUE(txn({{}, {Op::erase(prefix, prefix_end(prefix))}, {}}).ok());
	}
	void TearDown() override { store.reset(); }

	std::string key(const std::string &name) const { return prefix + name; }

	bool run_until(const std::function<bool()> &done, Duration limit = seconds(10)) {
		return backend->run_until({store.get()}, done, limit);
	}
	Result<RangeResponse> range(RangeRequest request, Duration limit = timeout) {
		return wait_for<RangeResponse>(*backend, {store.get()}, [&](auto done) {
			store->range(request, limit, std::move(done));
		});
	}
	Result<TxnResponse> txn(TxnRequest request, Duration limit = timeout) {
		return wait_for<TxnResponse>(*backend, {store.get()}, [&](auto done) {
			store->txn(request, limit, std::move(done));
		});
	}
	Result<LeaseGrantResponse> grant(Duration ttl) {
		return wait_for<LeaseGrantResponse>(*backend, {store.get()}, [&](auto done) {
			store->lease_grant(ttl, timeout, std::move(done));
		});
	}
	Result<Duration> keepalive(std::int64_t lease) {
		return wait_for<Duration>(*backend, {store.get()}, [&](auto done) {
			store->lease_keepalive(lease, timeout, std::move(done));
		});
	}
	Result<bool> revoke(std::int64_t lease) {
		return wait_for<bool>(*backend, {store.get()}, [&](auto done) {
			store->lease_revoke(lease, timeout, std::move(done));
		});
	}
	std::int64_t put(const std::string &name, const std::string &value, std::int64_t lease = 0) {
		const auto result = txn({{}, {Op::put(key(name), value, lease)}, {}});
		EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
		return result.ok() ? result->revision : 0;
	}
	std::vector<KeyValue> get(const std::string &name) {
		const auto result = range({key(name), {}, 0});
		EXPECT_TRUE(result.ok());
		return result.ok() ? result->kvs : std::vector<KeyValue>{};
	}

	/// Everything that a watch has reported.
	struct Watched {
		int created = 0;
		std::vector<WatchEvent> events;
		std::vector<std::int64_t> revisions;
		std::vector<Error> failures;
	};
	RequestId watch(Watched &watched, std::int64_t start_revision, Store *on = nullptr) {
		WatchHandler handler;
		handler.created = [&](std::int64_t) { watched.created++; };
		handler.events = [&](std::int64_t revision, std::vector<WatchEvent> events) {
			watched.revisions.push_back(revision);
			watched.events.insert(watched.events.end(), events.begin(), events.end());
		};
		handler.failed = [&](const Error &error) { watched.failures.push_back(error); };
		return (on != nullptr ? on : store.get())
		    ->watch({prefix, prefix_end(prefix), start_revision}, handler);
	}

	std::unique_ptr<FakeBackend> fake;
	Backend *backend = nullptr;
	std::unique_ptr<Store> store;
	std::string prefix;
};

}  // namespace stolon::store::test
