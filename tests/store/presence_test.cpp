// Presence against the fake, whose clock these tests move; and once against a real etcd.
#include "store/presence.h"

#include "tests/store/backend.h"

namespace stolon::store::test {
namespace {

class PresenceTest : public testing::Test {
protected:
	void SetUp() override {
		store = backend.cluster.connect(milliseconds(2));
		other = backend.cluster.connect();
		presence = std::make_unique<Presence>(*store, seconds(6), seconds(1));
	}
	bool run_until(const std::function<bool()> &done, Duration limit = seconds(30)) {
		return backend.run_until(
		    {store.get()},
		    [&] {
			    presence->poll(backend.time);
			    return done();
		    },
		    limit);
	}
	void run(Duration time) {
		run_until([] { return false; }, time);
	}
	bool published(Duration limit = seconds(5)) {
		return run_until([&] { return presence->published(); }, limit);
	}
	KeyValue stored(const std::string &key) {
		KeyValue kv;
		other->range({key, {}, 0}, seconds(1), [&](const Result<RangeResponse> &result) {
			if (!result->kvs.empty())
				kv = result->kvs[0];
		});
		other->process();
		return kv;
	}
	void txn(TxnRequest request) {
		other->txn(std::move(request), seconds(1), [](const auto &) {});
		other->process();
	}

	FakeBackend backend;
	std::unique_ptr<Store> store, other;
	std::unique_ptr<Presence> presence;
};

TEST_F(PresenceTest, PublishesUnderALease) {
	presence->set("k", "v");
	EXPECT_FALSE(presence->published());
	EXPECT_EQ(presence->lease(), 0);
	ASSERT_TRUE(published());
	EXPECT_EQ(stored("k").value, "v");
	EXPECT_EQ(stored("k").lease, presence->lease());
	EXPECT_NE(presence->lease(), 0);
}

TEST_F(PresenceTest, SteadyStateWritesNothingAndLives) {
	presence->set("k", "v");
	ASSERT_TRUE(published());
	const std::int64_t revision = backend.cluster.revision();
	for (int i = 0; i < 60; i++) {
		presence->set("k", "v");
		run(seconds(1));
	}
	EXPECT_EQ(backend.cluster.revision(), revision);
	EXPECT_EQ(stored("k").value, "v");
	EXPECT_TRUE(presence->published());
}

TEST_F(PresenceTest, ChangeIsPutAtOnce) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	const std::int64_t revision = backend.cluster.revision();
	presence->set("k", "2");
	EXPECT_FALSE(presence->published());
	ASSERT_TRUE(published(milliseconds(5)));
	EXPECT_EQ(stored("k").value, "2");
	EXPECT_EQ(backend.cluster.revision(), revision + 1);
}

TEST_F(PresenceTest, OnlyTheNewestValueCounts) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	const std::int64_t revision = backend.cluster.revision();
	presence->set("k", "2");
	presence->poll(backend.time);  // on its way
	presence->set("k", "3");
	presence->set("k", "4");
	ASSERT_TRUE(published());
	EXPECT_EQ(stored("k").value, "4");
	EXPECT_EQ(backend.cluster.revision(), revision + 2);
}

TEST_F(PresenceTest, LostLeaseIsGrantedAgainAndKeysComeBack) {
	presence->set("a", "1");
	presence->set("b", "2");
	ASSERT_TRUE(published());
	const std::int64_t lease = presence->lease();
	other->lease_revoke(lease, seconds(1), [](const auto &) {});
	other->process();
	EXPECT_EQ(stored("a").value, "");
	ASSERT_TRUE(run_until([&] { return presence->lease() != lease; }, seconds(3)));
	ASSERT_TRUE(published());
	EXPECT_EQ(stored("a").value, "1");
	EXPECT_EQ(stored("b").value, "2");
	EXPECT_EQ(stored("b").lease, presence->lease());
}

TEST_F(PresenceTest, LostAnswerOfAPutIsMadeCertain) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	backend.cluster.lose_next_answer();
	presence->set("k", "2");
	ASSERT_TRUE(published());
	EXPECT_EQ(stored("k").value, "2");
	presence->set("k", "3");
	ASSERT_TRUE(published());
	EXPECT_EQ(stored("k").value, "3");
}

TEST_F(PresenceTest, LostAnswerOfAGrantLeadsToAnother) {
	backend.cluster.lose_next_answer();
	presence->set("k", "1");
	ASSERT_TRUE(published());
	EXPECT_EQ(stored("k").lease, presence->lease());
}

TEST_F(PresenceTest, PutThatComesLateDoesNotUndoANewerOne) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	// What an old put would have compared with is gone once a newer one is in.
	const std::int64_t before = stored("k").mod_revision;
	presence->set("k", "2");
	ASSERT_TRUE(published());
	EXPECT_NE(stored("k").mod_revision, before);
	txn({{{Compare::Field::ModRevision, "k", before}}, {Op::put("k", "late")}, {}});
	EXPECT_EQ(stored("k").value, "2");
}

TEST_F(PresenceTest, TakesOverAKeyThatAnEarlierProcessLeft) {
	txn({{}, {Op::put("k", "1")}, {}});
	presence->set("k", "1");
	ASSERT_TRUE(published());
	EXPECT_EQ(stored("k").lease, presence->lease()) << "the old one had no lease, or another";
}

TEST_F(PresenceTest, OutageLongerThanTheLeaseHeals) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	backend.cluster.set_available(false);
	run(seconds(20));
	presence->set("k", "2");
	run(seconds(1));
	EXPECT_FALSE(presence->published());
	backend.cluster.set_available(true);
	ASSERT_TRUE(published());
	EXPECT_EQ(stored("k").value, "2");
}

TEST_F(PresenceTest, KeepaliveSurvivesAShortOutage) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	const std::int64_t lease = presence->lease();
	const std::int64_t revision = backend.cluster.revision();
	run(seconds(1));
	backend.cluster.set_available(false);
	run(seconds(2));
	backend.cluster.set_available(true);
	run(seconds(20));
	EXPECT_EQ(presence->lease(), lease);
	EXPECT_EQ(backend.cluster.revision(), revision);
}

TEST_F(PresenceTest, DeletedKeyComesBackBeforeALeaseWouldEnd) {
	presence->set("a", "1");
	presence->set("b", "2");
	ASSERT_TRUE(published());
	run(seconds(30));
	txn({{}, {Op::erase("a")}, {}});
	EXPECT_TRUE(run_until([&] { return stored("a").value == "1"; }, seconds(6)));
	EXPECT_EQ(stored("a").lease, presence->lease());
	EXPECT_TRUE(published());
	EXPECT_EQ(stored("b").version, 1);
}

TEST_F(PresenceTest, KeyThatWasOverwrittenWithoutALeaseIsPutAgain) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	txn({{}, {Op::put("k", "by hand")}, {}});
	EXPECT_TRUE(run_until([&] { return stored("k").value == "1"; }, seconds(6)));
	EXPECT_EQ(stored("k").lease, presence->lease());
}

TEST_F(PresenceTest, KeyThatAnotherProcessHasTakenIsLeftToIt) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	Presence successor(*other, seconds(60), seconds(1));
	successor.set("k", "2");
	ASSERT_TRUE(backend.run_until(
	    {other.get()},
	    [&] {
		    successor.poll(backend.time);
		    return successor.published();
	    },
	    seconds(5)));
	const std::int64_t revision = backend.cluster.revision();
	run(seconds(20));
	EXPECT_EQ(stored("k").value, "2");
	EXPECT_EQ(backend.cluster.revision(), revision);
}

TEST_F(PresenceTest, OutageDuringALookDoesNotPutAnythingAgain) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	const std::int64_t revision = backend.cluster.revision();
	run(milliseconds(3900));
	backend.cluster.set_available(false);
	run(milliseconds(1300));
	backend.cluster.set_available(true);
	run(seconds(5));
	EXPECT_EQ(backend.cluster.revision(), revision);
	txn({{}, {Op::erase("k")}, {}});
	EXPECT_TRUE(run_until([&] { return stored("k").value == "1"; }, seconds(6)));
}

TEST_F(PresenceTest, PutsThatAreRefusedDoNotStarveTheKeepalive) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	const std::int64_t lease = presence->lease();
	presence->set("", "every put of an empty key is refused");
	// The keepalive that is due after two seconds comes before the outage, and the lease outlives
	// it.
	run(milliseconds(2050));
	backend.cluster.set_available(false);
	run(milliseconds(3700));
	backend.cluster.set_available(true);
	run(seconds(10));
	EXPECT_EQ(presence->lease(), lease);
	EXPECT_EQ(stored("k").version, 1);
}

TEST_F(PresenceTest, PausesAreShorterThanTheLease) {
	presence = std::make_unique<Presence>(*store, seconds(2), milliseconds(400));
	presence->set("k", "1");
	backend.cluster.set_available(false);
	run(seconds(20));
	backend.cluster.set_available(true);
	// The grant that was under way, a pause, and the next one.
	EXPECT_TRUE(published(milliseconds(350)));
}

TEST_F(PresenceTest, CloseRemovesTheKeysAtOnce) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	presence->close();
	EXPECT_FALSE(presence->idle());
	ASSERT_TRUE(backend.run_until(
	    {store.get()}, [&] { return presence->idle(); }, seconds(3)));
	EXPECT_EQ(stored("k").value, "");
	EXPECT_EQ(presence->lease(), 0);
}

TEST_F(PresenceTest, CloseDuringAGrantLeavesNoLease) {
	presence->set("k", "1");
	presence->poll(backend.time);
	presence->close();
	EXPECT_FALSE(presence->idle());
	ASSERT_TRUE(backend.run_until(
	    {store.get()}, [&] { return presence->idle(); }, seconds(3)));
	EXPECT_EQ(presence->lease(), 0);
	EXPECT_EQ(stored("k").value, "");
}

TEST_F(PresenceTest, CloseWithoutALeaseIsIdle) {
	presence->close();
	EXPECT_TRUE(presence->idle());
}

TEST_F(PresenceTest, SleepsBetweenKeepalives) {
	presence->set("k", "1");
	ASSERT_TRUE(published());
	run(milliseconds(10));
	EXPECT_GT(presence->wake_at(), backend.time + seconds(1));
	EXPECT_LE(presence->wake_at(), backend.time + seconds(2));
}

TEST(PresenceOnEtcd, PublishesAndCloses) {
	EtcdProcess etcd;
	ASSERT_TRUE(etcd.running());
	EtcdOptions options;
	options.endpoints = {etcd.url()};
	auto store = std::move(make_etcd_store(options)).value();
	Presence presence(*store, seconds(2), seconds(1));
	const auto run_until = [&](const std::function<bool()> &done, Duration limit) {
		return run_real_until(
		    {store.get()},
		    [&] {
			    presence.poll(now());
			    return done();
		    },
		    limit);
	};
	presence.set("k", "v");
	ASSERT_TRUE(run_until([&] { return presence.published(); }, seconds(10)));
	const std::int64_t lease = presence.lease();
	// Longer than the lease lasts by itself.
	EXPECT_FALSE(run_until([&] { return presence.lease() != lease; }, seconds(4)));
	presence.close();
	ASSERT_TRUE(run_until([&] { return presence.idle(); }, seconds(10)));
	std::optional<std::size_t> left;
	store->range({"k", {}, 0}, seconds(5),
	             [&](const Result<RangeResponse> &result) { left = result->kvs.size(); });
	ASSERT_TRUE(run_until([&] { return left.has_value(); }, seconds(10)));
	EXPECT_EQ(left, 0u);
}

}  // namespace
}  // namespace stolon::store::test
