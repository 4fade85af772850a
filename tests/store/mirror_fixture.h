// A mirror of a fake store, whose clock the tests move.
#pragma once

#include "store/mirror.h"
#include "tests/store/backend.h"

namespace stolon::store::test {

class MirrorTest : public testing::Test {
protected:
	void SetUp() override {
		store = backend.cluster.connect(milliseconds(2));
		writer = backend.cluster.connect();
		make_mirror({.prefix = "c/"});
	}
	void make_mirror(MirrorOptions wanted) {
		mirror.reset();
		options = std::move(wanted);
		mirror = std::make_unique<Mirror>(*store, options);
	}
	/// Lets the program of the mirror live on until `done`.
	bool run_until(const std::function<bool()> &done, Duration limit = seconds(30)) {
		return backend.run_until(
		    {store.get(), writer.get()},
		    [&] {
			    mirror->poll(backend.time);
			    return done();
		    },
		    limit);
	}
	void run(Duration time) {
		run_until([] { return false; }, time);
	}
	std::int64_t put(const std::string &key, const std::string &value) {
		writer->txn({{}, {Op::put(key, value)}, {}}, seconds(1), [](const auto &) {});
		writer->process();
		return backend.cluster.revision();
	}
	void erase(const std::string &key) {
		writer->txn({{}, {Op::erase(key)}, {}}, seconds(1), [](const auto &) {});
		writer->process();
	}
	std::string value(const std::string &key) const {
		const MirrorEntry *entry = mirror->find(key);
		return entry == nullptr ? "(absent)" : entry->value;
	}
	bool ready() {
		return run_until([&] { return mirror->ready(); });
	}

	FakeBackend backend;
	std::unique_ptr<Store> store, writer;
	MirrorOptions options;
	std::unique_ptr<Mirror> mirror;
};

}  // namespace stolon::store::test
