// The mirror against the fake, whose clock these tests move; and once against a real etcd.
#include "tests/store/mirror_fixture.h"

namespace stolon::store::test {
namespace {

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

TEST(MirrorOnEtcd, GoesBackWithAStoreThatWasBuiltAnew) {
	EtcdProcess etcd;
	ASSERT_TRUE(etcd.running());
	EtcdOptions options;
	options.endpoints = {etcd.url()};
	options.setback_limit = seconds(1);
	auto store = std::move(make_etcd_store(options)).value();
	Mirror mirror(*store, {.prefix = "c/"});
	bool told = false;
	const auto run_until = [&](const std::function<bool()> &done, Duration limit) {
		return run_real_until(
		    {store.get()},
		    [&] {
			    mirror.poll(now());
			    told = told || mirror.problem().find("went back") != std::string::npos;
			    return done();
		    },
		    limit);
	};
	for (const char *value : {"1", "2", "3", "4", "5"})
		ASSERT_EQ(0, etcd.ctl({"put", "c/a", value}));
	ASSERT_EQ(0, etcd.ctl({"put", "c/gone", "x"}));
	ASSERT_TRUE(run_until([&] { return mirror.ready(); }, seconds(10)));
	const std::int64_t before = mirror.revision();

	etcd.stop();
	etcd.wipe();
	etcd.start();
	ASSERT_TRUE(etcd.running());
	ASSERT_EQ(0, etcd.ctl({"put", "c/a", "new"}));
	ASSERT_TRUE(run_until([&] { return mirror.find("c/a")->value == "new"; }, seconds(20)));
	EXPECT_EQ(mirror.find("c/gone"), nullptr);
	EXPECT_LT(mirror.revision(), before);
	EXPECT_TRUE(told);
	// And the watch is one from the new revisions.
	ASSERT_EQ(0, etcd.ctl({"put", "c/a", "newer"}));
	EXPECT_TRUE(run_until([&] { return mirror.find("c/a")->value == "newer"; }, seconds(4)));
	EXPECT_TRUE(run_until([&] { return mirror.problem().empty(); }, seconds(10)));
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
	EXPECT_GE(mirror.contact_since(), contact);
	EXPECT_EQ(mirror.find("c/a")->seen_at, seen);
	EXPECT_EQ(0, etcd.ctl({"put", "c/a", "2"}));
	EXPECT_TRUE(run_until([&] { return mirror.find("c/a")->value == "2"; }, seconds(10)));
}

}  // namespace
}  // namespace stolon::store::test
