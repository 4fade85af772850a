// What store.h promises of callbacks, and of a store that is silent: for the fake and a real etcd.
#include "tests/store/contract.h"

namespace stolon::store::test {
namespace {

class ContractOutage : public Contract {};

INSTANTIATE_TEST_SUITE_P(Stores, ContractOutage, testing::Values("fake", "etcd"),
                         [](const auto &info) { return std::string(info.param); });

// ---- Callbacks

TEST_P(ContractOutage, CallbacksComeOnlyFromProcess) {
	bool called = false;
	store->range({key("a"), {}, 0}, timeout, [&](const auto &) { called = true; });
	EXPECT_FALSE(called);
	EXPECT_TRUE(store->deadline().has_value());
	EXPECT_TRUE(run_until([&] { return called; }));
}

TEST_P(ContractOutage, CallbacksAreNeverNested) {
	int depth = 0, deepest = 0, finished = 0;
	std::function<void(int)> start = [&](int left) {
		store->range({key("a"), {}, 0}, timeout, [&, left](const auto &) {
			deepest = std::max(deepest, ++depth);
			if (left > 0)
				start(left - 1);
			store->process();  // does nothing from inside
			depth--;
			finished++;
		});
	};
	start(4);
	start(4);
	EXPECT_TRUE(run_until([&] { return finished == 10; }));
	EXPECT_EQ(deepest, 1);
}

TEST_P(ContractOutage, CallbackMayCancelAnotherRequest) {
	// Whichever is answered first cancels the other.
	RequestId ids[2] = {};
	int answered = 0;
	for (const int mine : {0, 1}) {
		ids[mine] = store->range({key("a"), {}, 0}, timeout, [&, mine](const auto &) {
			answered++;
			store->cancel(ids[1 - mine]);
		});
	}
	ASSERT_TRUE(run_until([&] { return answered > 0; }));
	run_until([] { return false; }, milliseconds(100));
	EXPECT_EQ(answered, 1);
}

TEST_P(ContractOutage, CancelledRequestIsNotReported) {
	bool called = false;
	const RequestId id =
	    store->range({key("a"), {}, 0}, timeout, [&](const auto &) { called = true; });
	store->cancel(id);
	store->cancel(id);
	store->cancel(987654);
	EXPECT_FALSE(run_until([&] { return called; }, milliseconds(100)));
}

TEST_P(ContractOutage, DestroyingTheStoreDropsCallbacks) {
	bool called = false;
	auto other = backend->connect();
	other->range({key("a"), {}, 0}, timeout, [&](const auto &) { called = true; });
	other->process();
	// On a quick machine the answer may have come already.
	const bool before = called;
	other.reset();
	EXPECT_EQ(called, before);
}

// ---- Outages

TEST_P(ContractOutage, ReadOfASilentStoreIsUnavailable) {
	backend->freeze();
	const auto result = range({key("a"), {}, 0}, milliseconds(300));
	backend->thaw();
	ASSERT_FALSE(result.ok());
	EXPECT_EQ(result.error().kind, ErrorKind::Unavailable);
	EXPECT_TRUE(range({key("a"), {}, 0}).ok());
}

TEST_P(ContractOutage, WriteToASilentStoreIsUnknown) {
	put("a", "before");
	backend->freeze();
	const auto result = txn({{}, {Op::put(key("a"), "after")}, {}}, milliseconds(300));
	backend->thaw();
	ASSERT_FALSE(result.ok());
	EXPECT_EQ(result.error().kind, ErrorKind::Unknown);
	EXPECT_TRUE(range({key("a"), {}, 0}).ok());
}

TEST_P(ContractOutage, TxnThatOnlyReadsIsUnavailableAndNeverUnknown) {
	backend->freeze();
	const auto result = txn({{}, {Op::get(key("a"))}, {}}, milliseconds(300));
	backend->thaw();
	ASSERT_FALSE(result.ok());
	EXPECT_EQ(result.error().kind, ErrorKind::Unavailable);
}

TEST_P(ContractOutage, SilentStoreAnswersLateButInTime) {
	backend->freeze();
	std::optional<Result<RangeResponse>> result;
	store->range({key("a"), {}, 0}, seconds(5), [&](auto answer) { result = std::move(answer); });
	EXPECT_FALSE(run_until([&] { return result.has_value(); }, milliseconds(300)));
	backend->thaw();
	ASSERT_TRUE(run_until([&] { return result.has_value(); }));
	EXPECT_TRUE(result->ok());
}

TEST_P(ContractOutage, GrantAndRevokeOfASilentStoreAreUnknownAndKeepaliveIsUnavailable) {
	backend->freeze();
	std::optional<ErrorKind> granted, revoked, kept;
	const Duration limit = milliseconds(300);
	store->lease_grant(seconds(60), limit, [&](const auto &r) { granted = r.error().kind; });
	store->lease_revoke(4711, limit, [&](const auto &r) { revoked = r.error().kind; });
	store->lease_keepalive(4711, limit, [&](const auto &r) { kept = r.error().kind; });
	EXPECT_TRUE(run_until([&] { return granted && revoked && kept; }));
	backend->thaw();
	EXPECT_EQ(granted, ErrorKind::Unknown);
	EXPECT_EQ(revoked, ErrorKind::Unknown);
	EXPECT_EQ(kept, ErrorKind::Unavailable);
}

}  // namespace
}  // namespace stolon::store::test
