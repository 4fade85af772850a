// What store.h promises of reads, transactions, leases and watches: for the fake and a real etcd.
#include "tests/store/contract.h"

namespace stolon::store::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Stores, Contract, testing::Values("fake", "etcd"),
                         [](const auto &info) { return std::string(info.param); });

// ---- Reads and transactions

TEST_P(Contract, AbsentKeyIsAnEmptyRange) {
	const auto result = range({key("nothing"), {}, 0});
	ASSERT_TRUE(result.ok());
	EXPECT_TRUE(result->kvs.empty());
	EXPECT_GE(result->revision, 1);
}

TEST_P(Contract, PutIsReadBackWithItsRevisions) {
	const std::string bytes("\0\xff\n\"v", 5);
	const std::int64_t first = put("a", "one");
	const std::int64_t second = put("a", bytes);
	EXPECT_GT(second, first);
	const auto kvs = get("a");
	ASSERT_EQ(kvs.size(), 1u);
	EXPECT_EQ(kvs[0].key, key("a"));
	EXPECT_EQ(kvs[0].value, bytes);
	EXPECT_EQ(kvs[0].create_revision, first);
	EXPECT_EQ(kvs[0].mod_revision, second);
	EXPECT_EQ(kvs[0].version, 2);
	EXPECT_EQ(kvs[0].lease, 0);
}

TEST_P(Contract, PrefixReadsItsKeysInOrderAndNoOthers) {
	put("p/b", "2");
	put("p/a", "1");
	put("p0", "after the prefix");
	put("o", "before");
	const auto result = range({key("p/"), prefix_end(key("p/")), 0});
	ASSERT_TRUE(result.ok());
	ASSERT_EQ(result->kvs.size(), 2u);
	EXPECT_EQ(result->kvs[0].key, key("p/a"));
	EXPECT_EQ(result->kvs[1].key, key("p/b"));
}

TEST_P(Contract, LimitBoundsWhatIsRead) {
	for (const char *name : {"a", "b", "c"})
		put(name, "x");
	const auto result = range({prefix, prefix_end(prefix), 2});
	ASSERT_TRUE(result.ok());
	EXPECT_EQ(result->kvs.size(), 2u);
}

TEST_P(Contract, EmptyKeyIsRefused) {
	const auto result = range({"", {}, 0});
	ASSERT_FALSE(result.ok());
	EXPECT_EQ(result.error().kind, ErrorKind::Invalid);
}

TEST_P(Contract, TxnCreatesOnlyWhenAbsent) {
	TxnRequest request{{{Compare::Field::CreateRevision, key("a"), 0}},
	                   {Op::put(key("a"), "first"), Op::get(key("a"))},
	                   {Op::get(key("a"))}};
	auto result = txn(request);
	ASSERT_TRUE(result.ok());
	EXPECT_TRUE(result->succeeded);
	ASSERT_EQ(result->results.size(), 2u);
	EXPECT_TRUE(result->results[0].empty());
	ASSERT_EQ(result->results[1].size(), 1u);
	EXPECT_EQ(result->results[1][0].mod_revision, result->revision);
	const std::int64_t first = result->revision;

	request.then_ops[0].value = "second";
	result = txn(request);
	ASSERT_TRUE(result.ok());
	EXPECT_FALSE(result->succeeded);
	ASSERT_EQ(result->results.size(), 1u);
	ASSERT_EQ(result->results[0].size(), 1u);
	EXPECT_EQ(result->results[0][0].value, "first");
	EXPECT_EQ(result->results[0][0].mod_revision, first);
}

TEST_P(Contract, TxnComparesEachField) {
	const std::int64_t created = put("a", "1");
	const std::int64_t modified = put("a", "2");
	const auto holds = [&](Compare::Field field, std::int64_t expected) {
		const auto result = txn({{{field, key("a"), expected}}, {}, {}});
		EXPECT_TRUE(result.ok());
		return result.ok() && result->succeeded;
	};
	EXPECT_TRUE(holds(Compare::Field::CreateRevision, created));
	EXPECT_FALSE(holds(Compare::Field::CreateRevision, modified));
	EXPECT_TRUE(holds(Compare::Field::ModRevision, modified));
	EXPECT_FALSE(holds(Compare::Field::ModRevision, created));
	EXPECT_TRUE(holds(Compare::Field::Version, 2));
	EXPECT_FALSE(holds(Compare::Field::Version, 0));
}

TEST_P(Contract, TxnFailsWhenOneOfTwoComparesFails) {
	const std::int64_t revision = put("a", "1");
	const auto result = txn({{{Compare::Field::ModRevision, key("a"), revision},
	                          {Compare::Field::ModRevision, key("b"), 1}},
	                         {Op::put(key("b"), "x")},
	                         {}});
	ASSERT_TRUE(result.ok());
	EXPECT_FALSE(result->succeeded);
	EXPECT_TRUE(get("b").empty());
}

TEST_P(Contract, TxnWritesAllKeysAtOneRevision) {
	const auto result = txn({{}, {Op::put(key("a"), "1"), Op::put(key("b"), "2")}, {}});
	ASSERT_TRUE(result.ok());
	EXPECT_EQ(get("a").at(0).mod_revision, result->revision);
	EXPECT_EQ(get("b").at(0).mod_revision, result->revision);
}

TEST_P(Contract, TxnErasesARange) {
	put("d/a", "1");
	put("d/b", "2");
	const auto result = txn({{}, {Op::erase(key("d/"), prefix_end(key("d/")))}, {}});
	ASSERT_TRUE(result.ok());
	EXPECT_TRUE(get("d/a").empty());
	EXPECT_TRUE(get("d/b").empty());
}

TEST_P(Contract, TxnThatPutsAKeyTwiceIsRefused) {
	const auto result = txn({{}, {Op::put(key("a"), "1"), Op::put(key("a"), "2")}, {}});
	ASSERT_FALSE(result.ok());
	EXPECT_EQ(result.error().kind, ErrorKind::Invalid);
	EXPECT_TRUE(get("a").empty());
}

// ---- Leases

TEST_P(Contract, LeaseExpiryRemovesItsKeysAndTheWatchReportsIt) {
	Watched watched;
	const auto lease = grant(milliseconds(1500));
	ASSERT_TRUE(lease.ok());
	EXPECT_GE(lease->ttl, seconds(2));
	const std::int64_t revision = put("a", "1", lease->id);
	EXPECT_EQ(get("a").at(0).lease, lease->id);
	watch(watched, revision + 1);
	ASSERT_TRUE(run_until([&] { return !watched.events.empty(); }));
	EXPECT_TRUE(watched.events[0].deleted);
	EXPECT_EQ(watched.events[0].kv.key, key("a"));
	EXPECT_GT(watched.events[0].kv.mod_revision, revision);
	EXPECT_TRUE(get("a").empty());
	const auto renewed = keepalive(lease->id);
	ASSERT_FALSE(renewed.ok());
	EXPECT_EQ(renewed.error().kind, ErrorKind::NotFound);
}

TEST_P(Contract, KeepaliveRenewsALeaseWithoutAWrite) {
	const auto lease = grant(seconds(60));
	ASSERT_TRUE(lease.ok());
	const std::int64_t before = range({key("x"), {}, 0})->revision;
	const auto renewed = keepalive(lease->id);
	ASSERT_TRUE(renewed.ok());
	EXPECT_EQ(*renewed, seconds(60));
	EXPECT_EQ(range({key("x"), {}, 0})->revision, before);
	EXPECT_TRUE(revoke(lease->id).ok());
}

TEST_P(Contract, RevokeRemovesTheKeysOfALease) {
	const auto lease = grant(seconds(60));
	ASSERT_TRUE(lease.ok());
	put("a", "1", lease->id);
	EXPECT_TRUE(revoke(lease->id).ok());
	EXPECT_TRUE(get("a").empty());
	const auto again = revoke(lease->id);
	ASSERT_FALSE(again.ok());
	EXPECT_EQ(again.error().kind, ErrorKind::NotFound);
}

TEST_P(Contract, PutWithALeaseThatIsGoneIsNotFound) {
	const auto result = txn({{}, {Op::put(key("a"), "1", 4711)}, {}});
	ASSERT_FALSE(result.ok());
	EXPECT_EQ(result.error().kind, ErrorKind::NotFound);
}

// ---- Watches

TEST_P(Contract, WatchFromAPastRevisionReportsEverythingSince) {
	put("a", "1");
	const std::int64_t second = put("a", "2");
	const std::int64_t third = put("b", "3");
	ASSERT_TRUE(txn({{}, {Op::erase(key("a"))}, {}}).ok());
	Watched watched;
	watch(watched, second);
	ASSERT_TRUE(run_until([&] { return watched.events.size() >= 3; }));
	ASSERT_EQ(watched.events.size(), 3u);
	EXPECT_EQ(watched.created, 1);
	EXPECT_EQ(watched.events[0].kv.value, "2");
	EXPECT_EQ(watched.events[0].kv.mod_revision, second);
	EXPECT_EQ(watched.events[1].kv.key, key("b"));
	EXPECT_EQ(watched.events[1].kv.mod_revision, third);
	EXPECT_TRUE(watched.events[2].deleted);
	EXPECT_EQ(watched.revisions.back(), watched.events[2].kv.mod_revision);
}

TEST_P(Contract, WatchFromNowOnReportsOnlyWhatComes) {
	put("a", "old");
	Watched watched;
	watch(watched, 0);
	ASSERT_TRUE(run_until([&] { return watched.created == 1; }));
	put("a", "new");
	ASSERT_TRUE(run_until([&] { return !watched.events.empty(); }));
	ASSERT_EQ(watched.events.size(), 1u);
	EXPECT_EQ(watched.events[0].kv.value, "new");
}

TEST_P(Contract, WatchReportsWhatAnotherConnectionWrites) {
	auto other = backend->connect();
	Watched watched;
	watch(watched, 0, other.get());
	ASSERT_TRUE(backend->run_until(
	    {other.get()}, [&] { return watched.created == 1; }, timeout));
	put("a", "1");
	EXPECT_TRUE(backend->run_until(
	    {other.get()}, [&] { return watched.events.size() == 1; }, timeout));
}

TEST_P(Contract, WatchReportsAllEventsOfOneTxnTogether) {
	Watched watched;
	watch(watched, 0);
	ASSERT_TRUE(run_until([&] { return watched.created == 1; }));
	ASSERT_TRUE(txn({{}, {Op::put(key("a"), "1"), Op::put(key("b"), "2")}, {}}).ok());
	ASSERT_TRUE(run_until([&] { return !watched.events.empty(); }));
	EXPECT_EQ(watched.events.size(), 2u);
	EXPECT_EQ(watched.revisions.size(), 1u);
}

TEST_P(Contract, WatchFromACompactedRevisionFails) {
	const std::int64_t first = put("a", "1");
	const std::int64_t second = put("a", "2");
	backend->compact(second);
	Watched watched;
	watch(watched, first);
	ASSERT_TRUE(run_until([&] { return !watched.failures.empty(); }));
	EXPECT_EQ(watched.failures[0].kind, ErrorKind::Compacted);
	Watched later;
	watch(later, second);
	ASSERT_TRUE(run_until([&] { return !later.events.empty(); }));
	EXPECT_EQ(later.events[0].kv.value, "2");
}

TEST_P(Contract, CancelledWatchIsSilent) {
	Watched watched;
	const RequestId id = watch(watched, 0);
	ASSERT_TRUE(run_until([&] { return watched.created == 1; }));
	store->cancel(id);
	put("a", "1");
	EXPECT_FALSE(run_until([&] { return !watched.events.empty(); }, milliseconds(200)));
	EXPECT_TRUE(watched.failures.empty());
}

TEST(PrefixEnd, IsTheFirstKeyAfterThePrefix) {
	EXPECT_EQ(prefix_end("a/"), "a0");
	EXPECT_EQ(prefix_end("a\xff"), "b");
	EXPECT_EQ(prefix_end("\xff\xff"), std::string(1, '\0'));
}

}  // namespace
}  // namespace stolon::store::test
