// What a contract test needs of a store, real or fake: connections, the passing of time, outages.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <string>
#include <vector>

#include "store/etcd/etcd_store.h"
#include "store/fake/fake_store.h"
#include "tests/store/etcd_process.h"

namespace stolon::store::test {

using core::milliseconds;
using core::seconds;

class Backend {
public:
	virtual ~Backend() = default;
	virtual std::unique_ptr<Store> connect() = 0;
	/// Lets time pass while `stores` work, until `done` holds; false when it does not in `limit`.
	virtual bool run_until(const std::vector<Store *> &stores, const std::function<bool()> &done,
	                       Duration limit) = 0;
	virtual void freeze() = 0;
	virtual void thaw() = 0;
	virtual void compact(std::int64_t revision) = 0;
};

/// Waits in poll() for what a store wants, as the programs do.
inline bool run_real_until(const std::vector<Store *> &stores, const std::function<bool()> &done,
                           Duration limit) {
	const Instant end = now() + limit;
	while (true) {
		for (Store *store : stores)
			store->process();
		if (done())
			return true;
		const Instant start = now();
		if (start >= end)
			return false;
		Instant wake = std::min(end, start + milliseconds(50));
		std::vector<pollfd> fds;
		for (Store *store : stores) {
			fds.push_back({store->fd(), POLLIN, 0});
			if (const auto deadline = store->deadline())
				wake = std::min(wake, *deadline);
		}
		const auto wait = std::chrono::ceil<milliseconds>(wake - start).count();
		poll(fds.data(), fds.size(), static_cast<int>(std::max<std::int64_t>(0, wait)));
	}
}

class FakeBackend final : public Backend {
public:
	FakeBackend() { cluster.set_now(time); }
	std::unique_ptr<Store> connect() override { return cluster.connect(milliseconds(2)); }
	bool run_until(const std::vector<Store *> &stores, const std::function<bool()> &done,
	               Duration limit) override {
		const Instant end = time + limit;
		while (true) {
			for (Store *store : stores)
				store->process();
			if (done())
				return true;
			if (time >= end)
				return false;
			time = time + milliseconds(1);
			cluster.set_now(time);
		}
	}
	void freeze() override { cluster.set_available(false); }
	void thaw() override { cluster.set_available(true); }
	void compact(std::int64_t revision) override { cluster.compact(revision); }

	FakeCluster cluster;
	Instant time{seconds(1000)};
};

class EtcdBackend final : public Backend {
public:
	std::unique_ptr<Store> connect() override {
		EtcdOptions options;
		options.endpoints = {etcd.url()};
		auto store = make_etcd_store(std::move(options));
		EXPECT_TRUE(store.ok());
		return std::move(store).value();
	}
	bool run_until(const std::vector<Store *> &stores, const std::function<bool()> &done,
	               Duration limit) override {
		return run_real_until(stores, done, limit);
	}
	void freeze() override { etcd.freeze(); }
	void thaw() override { etcd.thaw(); }
	void compact(std::int64_t revision) override {
		EXPECT_EQ(0, etcd.ctl({"compaction", std::to_string(revision)}));
	}

	EtcdProcess etcd;
};

/// One etcd for all contract tests, since each keeps to its own keys.
inline EtcdBackend &shared_etcd() {
	static EtcdBackend backend;
	return backend;
}

/// Waits for the answer of a call: `start` gets the callback.
template <typename T>
Result<T> wait_for(Backend &backend, const std::vector<Store *> &stores,
                   const std::function<void(Callback<T>)> &start) {
	auto result = std::make_shared<std::optional<Result<T>>>();
	start([result](Result<T> answer) { *result = std::move(answer); });
	if (!backend.run_until(
	        stores, [result] { return result->has_value(); }, seconds(20)))
		return Error{ErrorKind::Cancelled, "the test waited in vain for an answer"};
	return std::move(**result);
}

}  // namespace stolon::store::test
