// The mirror against the fake, whose clock these tests move; and once against a real etcd.
#include "store/mirror.h"

#include "tests/store/backend.h"

namespace stolon::store::test {
namespace {

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

TEST_F(MirrorTest, FirstReadFillsTheCopyAndNothingCountsBefore) {
	put("c/a", "1");
	put("d", "not ours");
	EXPECT_FALSE(mirror->ready());
	EXPECT_EQ(mirror->contact_since(), Mirror::never);
	EXPECT_FALSE(mirror->in_contact());
	EXPECT_NE(mirror->problem(), "");
	const Instant start = backend.time;
	ASSERT_TRUE(ready());
	EXPECT_EQ(mirror->entries().size(), 1u);
	EXPECT_EQ(value("c/a"), "1");
	EXPECT_EQ(mirror->find("c/a")->seen_at, backend.time);
	EXPECT_EQ(mirror->contact_since(), backend.time);
	EXPECT_EQ(mirror->fresh_at(), start);
	EXPECT_EQ(mirror->problem(), "");
	EXPECT_EQ(mirror->revision(), backend.cluster.revision());
}

TEST_F(MirrorTest, EmptyStoreBecomesReadyToo) {
	const std::uint64_t before = mirror->changes();
	ASSERT_TRUE(ready());
	EXPECT_TRUE(mirror->entries().empty());
	EXPECT_GT(mirror->changes(), before);
}

TEST_F(MirrorTest, WatchBringsChangesWithinOneAnswer) {
	ASSERT_TRUE(ready());
	run(milliseconds(10));
	const std::uint64_t before = mirror->changes();
	const std::int64_t revision = put("c/a", "1");
	ASSERT_TRUE(run_until([&] { return value("c/a") == "1"; }, milliseconds(10)));
	EXPECT_EQ(mirror->find("c/a")->seen_at, backend.time);
	EXPECT_EQ(mirror->find("c/a")->mod_revision, revision);
	EXPECT_EQ(mirror->revision(), revision);
	EXPECT_GT(mirror->changes(), before);
	erase("c/a");
	EXPECT_TRUE(run_until([&] { return value("c/a") == "(absent)"; }, milliseconds(10)));
}

TEST_F(MirrorTest, RereadNeverMovesSeenAtOfWhatIsTheSame) {
	put("c/a", "1");
	ASSERT_TRUE(ready());
	const Instant seen = mirror->find("c/a")->seen_at;
	const Instant fresh = mirror->fresh_at();
	const std::uint64_t changes = mirror->changes();
	run(seconds(20));
	EXPECT_EQ(mirror->find("c/a")->seen_at, seen);
	EXPECT_GT(mirror->fresh_at(), fresh + seconds(10));
	EXPECT_EQ(mirror->changes(), changes);
}

TEST_F(MirrorTest, SameValuePutAgainIsSeenAnew) {
	put("c/a", "1");
	ASSERT_TRUE(ready());
	run(seconds(1));
	const Instant before = mirror->find("c/a")->seen_at;
	put("c/a", "1");
	run(milliseconds(10));
	EXPECT_GT(mirror->find("c/a")->seen_at, before);
}

TEST_F(MirrorTest, OutageEndsContactAndItBeginsAnewWithTheNextAnswer) {
	put("c/a", "1");
	ASSERT_TRUE(ready());
	run(seconds(7));
	const Instant before = mirror->contact_since();
	EXPECT_LT(before, backend.time - seconds(6));
	backend.cluster.set_available(false);
	run(seconds(10));
	EXPECT_FALSE(mirror->in_contact());
	EXPECT_EQ(mirror->contact_since(), Mirror::never);
	EXPECT_NE(mirror->problem(), "");
	EXPECT_EQ(value("c/a"), "1") << "missing information changes nothing";
	backend.cluster.set_available(true);
	const Instant back = backend.time;
	ASSERT_TRUE(run_until([&] { return mirror->in_contact(); }, seconds(3)));
	EXPECT_GE(mirror->contact_since(), back);
	EXPECT_EQ(mirror->contact_since(), backend.time);
	EXPECT_EQ(mirror->problem(), "");
}

TEST_F(MirrorTest, OverdueAnswerEndsContactAtOnce) {
	make_mirror({.prefix = "c/", .request_timeout = seconds(1), .probe_interval = seconds(2)});
	ASSERT_TRUE(ready());
	backend.cluster.set_available(false);
	EXPECT_TRUE(run_until([&] { return !mirror->in_contact(); }, seconds(3) + milliseconds(5)));
}

TEST_F(MirrorTest, ProcessThatSleptHasNoContactForThatTime) {
	ASSERT_TRUE(ready());
	run(seconds(1));
	const Instant before = mirror->contact_since();
	// Frozen with no request under way: nothing fails, but nothing was heard either.
	backend.time = backend.time + seconds(60);
	backend.cluster.set_now(backend.time);
	ASSERT_TRUE(run_until([&] { return mirror->contact_since() > before; }, seconds(3)));
	ASSERT_TRUE(run_until([&] { return mirror->in_contact(); }, seconds(3)));
	EXPECT_GE(mirror->contact_since(), before + seconds(60));
}

TEST_F(MirrorTest, AnswerThatTheProcessSleptOverIsNoContact) {
	ASSERT_TRUE(ready());
	run(seconds(1));
	mirror->refresh();
	mirror->poll(backend.time);
	backend.time = backend.time + seconds(4);
	backend.cluster.set_now(backend.time);
	store->process();
	mirror->poll(backend.time);
	EXPECT_FALSE(mirror->in_contact());
	EXPECT_EQ(mirror->contact_since(), Mirror::never);
	const Instant awake = backend.time;
	ASSERT_TRUE(run_until([&] { return mirror->in_contact(); }, seconds(1)));
	EXPECT_GT(mirror->contact_since(), awake);
}

TEST_F(MirrorTest, BrokenWatchMissesNothing) {
	ASSERT_TRUE(ready());
	run(milliseconds(10));
	backend.cluster.break_watches();
	put("c/a", "1");
	erase("c/a");
	put("c/b", "2");
	ASSERT_TRUE(run_until([&] { return value("c/b") == "2"; }, milliseconds(200)));
	EXPECT_EQ(value("c/a"), "(absent)");
	run(seconds(1));
	put("c/c", "3");
	EXPECT_TRUE(run_until([&] { return value("c/c") == "3"; }, milliseconds(10)));
	EXPECT_EQ(mirror->problem(), "");
}

TEST_F(MirrorTest, CompactionWhileTheWatchIsAwayLeadsToAFullRead) {
	put("c/a", "1");
	put("c/gone", "x");
	ASSERT_TRUE(ready());
	run(milliseconds(10));
	backend.cluster.break_watches();
	erase("c/gone");
	put("c/a", "2");
	put("other", "moves the revision on");
	backend.cluster.compact(backend.cluster.revision());
	ASSERT_TRUE(run_until([&] { return value("c/a") == "2"; }, seconds(3)));
	EXPECT_EQ(value("c/gone"), "(absent)");
	run(seconds(2));
	put("c/a", "3");
	EXPECT_TRUE(run_until([&] { return value("c/a") == "3"; }, milliseconds(10)));
}

TEST_F(MirrorTest, RefreshReadsWhatWasCommittedBefore) {
	ASSERT_TRUE(ready());
	run(seconds(1));
	const Instant asked = backend.time;
	EXPECT_LT(mirror->fresh_at(), asked);
	mirror->refresh();
	ASSERT_TRUE(run_until([&] { return mirror->fresh_at() >= asked; }, milliseconds(20)));
}

TEST_F(MirrorTest, RefreshDuringAReadIsNotSatisfiedByThatRead) {
	mirror->poll(backend.time);
	run(milliseconds(1));
	const Instant asked = backend.time;
	mirror->refresh();
	ASSERT_TRUE(ready());
	EXPECT_LT(mirror->fresh_at(), asked);
	EXPECT_TRUE(run_until([&] { return mirror->fresh_at() >= asked; }, milliseconds(20)));
}

TEST_F(MirrorTest, OversizedValueIsLeftOutAndNamed) {
	make_mirror({.prefix = "c/", .max_value_bytes = 10});
	put("c/a", "small");
	put("c/b", std::string(11, 'x'));
	ASSERT_TRUE(ready());
	EXPECT_EQ(value("c/b"), "(absent)");
	EXPECT_NE(mirror->problem().find("c/b"), std::string::npos);
	EXPECT_TRUE(mirror->in_contact());
	run(milliseconds(10));
	put("c/a", std::string(11, 'x'));
	run(milliseconds(10));
	EXPECT_EQ(value("c/a"), "small");
	EXPECT_NE(mirror->problem().find("c/a"), std::string::npos);
	put("c/a", "fits");
	put("c/b", "fits");
	run(milliseconds(10));
	EXPECT_EQ(value("c/a"), "fits");
	EXPECT_EQ(mirror->problem(), "");
}

TEST_F(MirrorTest, TooManyKeysAreLeftOutAndSaid) {
	make_mirror({.prefix = "c/", .max_keys = 2});
	for (const char *key : {"c/a", "c/b", "c/c", "c/d"})
		put(key, "x");
	ASSERT_TRUE(ready());
	EXPECT_EQ(mirror->entries().size(), 2u);
	EXPECT_NE(mirror->problem().find("more than 2 keys"), std::string::npos);
	erase("c/a");
	erase("c/b");
	erase("c/c");
	run(seconds(6));
	EXPECT_EQ(mirror->entries().size(), 1u);
	EXPECT_EQ(mirror->problem(), "");
}

TEST_F(MirrorTest, WithPrefixGivesThoseKeysOnly) {
	for (const char *key : {"c/a/1", "c/a/2", "c/b/1"})
		put(key, "x");
	ASSERT_TRUE(ready());
	const auto [begin, end] = mirror->with_prefix("c/a/");
	EXPECT_EQ(std::distance(begin, end), 2);
	const auto [none, none_end] = mirror->with_prefix("c/z");
	EXPECT_EQ(none, none_end);
}

TEST_F(MirrorTest, QuietStoreIsAskedOncePerInterval) {
	make_mirror({.prefix = "c/",
	             .request_timeout = seconds(1),
	             .resync_interval = seconds(60),
	             .probe_interval = seconds(5)});
	ASSERT_TRUE(ready());
	run(milliseconds(10));
	int wakes = 0;
	const Instant end = backend.time + seconds(50);
	while (backend.time < end) {
		Instant next = mirror->wake_at();
		if (const auto deadline = store->deadline())
			next = std::min(next, *deadline);
		ASSERT_GT(next, Instant{});
		backend.time = std::max(backend.time, next);
		backend.cluster.set_now(backend.time);
		store->process();
		mirror->poll(backend.time);
		wakes++;
	}
	EXPECT_LE(wakes, 10 * 5) << "at most the sending, the carrying out and the answer of a probe";
	EXPECT_TRUE(mirror->in_contact());
}

TEST_F(MirrorTest, DestroyedMirrorIsNotCalledAnyMore) {
	ASSERT_TRUE(ready());
	mirror->refresh();
	mirror->poll(backend.time);
	mirror.reset();
	put("c/a", "1");
	backend.time = backend.time + seconds(10);
	backend.cluster.set_now(backend.time);
	store->process();
}

TEST(MirrorOnEtcd, FollowsTheStoreThroughARestartOfEtcd) {
	EtcdProcess etcd;
	ASSERT_TRUE(etcd.running());
	EtcdOptions options;
	options.endpoints = {etcd.url()};
	auto store = std::move(make_etcd_store(options)).value();
	Mirror mirror(*store, {.prefix = "c/"});
	const auto run_until = [&](const std::function<bool()> &done, Duration limit) {
		return run_real_until(
		    {store.get()},
		    [&] {
			    mirror.poll(now());
			    return done();
		    },
		    limit);
	};
	ASSERT_TRUE(run_until([&] { return mirror.ready(); }, seconds(10)));
	EXPECT_EQ(0, etcd.ctl({"put", "c/a", "1"}));
	ASSERT_TRUE(run_until([&] { return mirror.find("c/a") != nullptr; }, seconds(10)));
	const Instant seen = mirror.find("c/a")->seen_at;
	const Instant contact = mirror.contact_since();

	etcd.stop();
	ASSERT_TRUE(run_until([&] { return !mirror.in_contact(); }, seconds(10)));
	etcd.start();
	ASSERT_TRUE(etcd.running());
	ASSERT_TRUE(run_until([&] { return mirror.in_contact(); }, seconds(10)));
	EXPECT_GT(mirror.contact_since(), contact);
	EXPECT_EQ(mirror.find("c/a")->seen_at, seen);
	EXPECT_EQ(0, etcd.ctl({"put", "c/a", "2"}));
	EXPECT_TRUE(run_until([&] { return mirror.find("c/a")->value == "2"; }, seconds(10)));
}

}  // namespace
}  // namespace stolon::store::test
