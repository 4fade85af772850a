// The stream of a watch, when it does not come as it should.
#include "tests/store/etcd_drive.h"
#include "tests/store/scripted_server.h"

namespace stolon::store::test {
namespace {

using Pieces = std::vector<std::string>;

constexpr const char *created =
    R"({"result":{"header":{"cluster_id":"7","revision":"5"},"created":true}})"
    "\n";
constexpr const char *put_event =
    R"({"result":{"header":{"cluster_id":"7","revision":"9"},"events":[)"
    R"({"kv":{"key":"YQ==","create_revision":"6","mod_revision":"6","version":"1","value":"dg=="}}]}})"
    "\n";
constexpr const char *delete_event =
    R"({"result":{"header":{"cluster_id":"7","revision":"9"},"events":[)"
    R"({"type":"DELETE","kv":{"key":"YQ==","mod_revision":"7"}}]}})"
    "\n";

class WatchStream : public testing::Test {
protected:
	/// Starts a watch on a server that answers with these pieces.
	void start(Pieces pieces, bool close = false, std::size_t max_body_bytes = 1024 * 1024) {
		server = std::make_unique<ScriptedServer>([pieces, close](const auto &) {
			return ScriptedServer::Reaction{pieces, close};
		});
		EtcdOptions options;
		options.endpoints = {server->url()};
		options.max_body_bytes = max_body_bytes;
		store = open_etcd(std::move(options));
		WatchHandler handler;
		handler.created = [this](std::int64_t) { accepted++; };
		handler.events = [this](std::int64_t revision, const std::vector<WatchEvent> &more) {
			last_revision = revision;
			events.insert(events.end(), more.begin(), more.end());
		};
		handler.failed = [this](const Error &error) { failures.push_back(error); };
		id = store->watch({"a", {}, 6}, handler);
	}
	bool run_until(const std::function<bool()> &done, Duration limit = seconds(10)) {
		return run_real_until({store.get()}, done, limit);
	}
	bool failed() {
		return run_until([this] { return !failures.empty(); });
	}

	std::unique_ptr<ScriptedServer> server;
	std::unique_ptr<Store> store;
	RequestId id = 0;
	int accepted = 0;
	std::vector<WatchEvent> events;
	std::int64_t last_revision = 0;
	std::vector<Error> failures;
};

TEST_F(WatchStream, LinesMayComeInPieces) {
	const std::string text = std::string(created) + put_event + delete_event;
	Pieces pieces = {stream_head()};
	for (std::size_t i = 0; i < text.size(); i += 50)
		pieces.push_back(chunk(text.substr(i, 50)));
	start(pieces);
	ASSERT_TRUE(run_until([this] { return events.size() == 2; }));
	EXPECT_EQ(accepted, 1);
	EXPECT_EQ(events[0].kv.key, "a");
	EXPECT_EQ(events[0].kv.value, "v");
	EXPECT_TRUE(events[1].deleted);
	EXPECT_EQ(last_revision, 7) << "the newest that was reported, not the header's";
	EXPECT_TRUE(failures.empty());
}

TEST_F(WatchStream, RequestAsksForALeaderAndTheRevision) {
	start({stream_head(), chunk(created)});
	ASSERT_TRUE(run_until([this] { return accepted == 1; }));
	const auto request = server->requests().at(0);
	EXPECT_EQ(request.path, "/v3/watch");
	EXPECT_EQ(request.body, R"({"create_request":{"key":"YQ==","start_revision":"6"}})");
	EXPECT_NE(request.headers.find("Grpc-Metadata-hasleader: true"), std::string::npos);
}

TEST_F(WatchStream, EndOfTheStreamFailsItAfterItsLastEvents) {
	start({stream_head(), chunk(created), chunk(put_event), "0\r\n\r\n"}, true);
	ASSERT_TRUE(failed());
	EXPECT_EQ(failures[0].kind, ErrorKind::Unavailable);
	EXPECT_EQ(events.size(), 1u);
	EXPECT_FALSE(run_until([this] { return failures.size() > 1; }, milliseconds(50)));
}

TEST_F(WatchStream, BrokenConnectionFailsIt) {
	start({stream_head(), chunk(created), "1"}, true);
	ASSERT_TRUE(failed());
	EXPECT_EQ(failures[0].kind, ErrorKind::Unavailable);
}

TEST_F(WatchStream, ErrorInTheStreamFailsIt) {
	start({stream_head(), chunk(created),
	       chunk(R"({"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader",)"
	             R"("http_status":"Service Unavailable"}})"
	             "\n")});
	ASSERT_TRUE(failed());
	EXPECT_EQ(failures[0].kind, ErrorKind::Unavailable);
	EXPECT_NE(failures[0].message.find("no leader"), std::string::npos);
}

TEST_F(WatchStream, ErrorThatEndsTheStreamIsToldAlthoughItsLineHasNoEnd) {
	start({stream_head(), chunk(created),
	       chunk(R"({"error":{"grpc_code":14,"message":"etcdserver: no leader"}})"), "0\r\n\r\n"});
	ASSERT_TRUE(failed());
	EXPECT_NE(failures[0].message.find("no leader"), std::string::npos);
}

TEST_F(WatchStream, ErrorInsteadOfAStreamFailsIt) {
	start(json_answer(R"({"error":"etcdserver: permission denied","code":7})", 403).pieces);
	ASSERT_TRUE(failed());
	EXPECT_EQ(failures[0].kind, ErrorKind::Denied);
}

TEST_F(WatchStream, CancelByCompactionIsCompacted) {
	start(
	    {stream_head(), chunk(created),
	     chunk(R"({"result":{"header":{"cluster_id":"7"},"canceled":true,"compact_revision":"8"}})"
	           "\n")});
	ASSERT_TRUE(failed());
	EXPECT_EQ(failures[0].kind, ErrorKind::Compacted);
}

TEST_F(WatchStream, CancelForAnotherReasonFailsIt) {
	start({stream_head(), chunk(created),
	       chunk(R"({"result":{"canceled":true,"cancel_reason":"etcdserver: stopping"}})"
	             "\n")});
	ASSERT_TRUE(failed());
	EXPECT_EQ(failures[0].kind, ErrorKind::Unavailable);
	EXPECT_NE(failures[0].message.find("stopping"), std::string::npos);
}

TEST_F(WatchStream, LineThatIsNoJsonFailsIt) {
	start({stream_head(), chunk(created), chunk("{\"result\":\n")});
	ASSERT_TRUE(failed());
	EXPECT_EQ(failures[0].kind, ErrorKind::Unavailable);
}

TEST_F(WatchStream, BadNumberInAnEventFailsIt) {
	start({stream_head(), chunk(created),
	       chunk(R"({"result":{"events":[{"kv":{"key":"YQ==","mod_revision":"many"}}]}})"
	             "\n")});
	ASSERT_TRUE(failed());
	EXPECT_TRUE(events.empty());
}

TEST_F(WatchStream, LineWithoutEndIsBounded) {
	Pieces pieces = {stream_head(), chunk(created)};
	for (int i = 0; i < 20; i++)
		pieces.push_back(chunk(std::string(1000, ' ')));
	start(pieces, false, 4096);
	ASSERT_TRUE(failed());
	EXPECT_NE(failures[0].message.find("too large"), std::string::npos);
}

TEST_F(WatchStream, CancelFromItsOwnCallbackEndsIt) {
	start({});
	store->cancel(id);
	auto other = std::make_unique<ScriptedServer>([](const auto &) {
		return ScriptedServer::Reaction{{stream_head(), chunk(created), chunk(put_event)}};
	});
	auto connection = open_etcd({other->url()});
	RequestId watch = 0;
	WatchHandler handler;
	handler.created = [&](std::int64_t) {
		accepted++;
		connection->cancel(watch);
	};
	handler.events = [&](std::int64_t, const auto &more) {
		events.insert(events.end(), more.begin(), more.end());
	};
	watch = connection->watch({"a", {}, 0}, handler);
	ASSERT_TRUE(run_real_until(
	    {connection.get()}, [&] { return accepted == 1; }, seconds(5)));
	EXPECT_FALSE(run_real_until(
	    {connection.get()}, [&] { return !events.empty(); }, milliseconds(100)));
}

TEST(WatchOnEtcd, SilentEndpointFailsTheWatchWhenAReadFindsOut) {
	EtcdProcess etcd;
	ASSERT_TRUE(etcd.running());
	auto store = open_etcd({etcd.url(), shared_etcd().etcd.url()});
	int accepted = 0;
	std::vector<Error> failures;
	WatchHandler handler;
	handler.created = [&](std::int64_t) { accepted++; };
	handler.failed = [&](const Error &error) { failures.push_back(error); };
	store->watch({"a", {}, 0}, handler);
	ASSERT_TRUE(run_real_until(
	    {store.get()}, [&] { return accepted == 1; }, seconds(5)));
	etcd.freeze();
	EXPECT_TRUE(range(*store, "a", milliseconds(400)).ok());
	ASSERT_EQ(failures.size(), 1u);
	EXPECT_EQ(failures[0].kind, ErrorKind::Unavailable);
	etcd.thaw();
}

TEST(WatchOnEtcd, NothingHappensWhileNothingHappens) {
	auto store = open_etcd({shared_etcd().etcd.url()});
	int accepted = 0;
	WatchHandler handler;
	handler.created = [&](std::int64_t) { accepted++; };
	store->watch({"idle/a", {}, 0}, handler);
	ASSERT_TRUE(run_real_until(
	    {store.get()}, [&] { return accepted == 1; }, seconds(5)));
	ASSERT_TRUE(range(*store, "a").ok());
	int wakes = 0;
	const Instant end = now() + seconds(3);
	while (now() < end) {
		pollfd waiting{store->fd(), POLLIN, 0};
		Instant wake = end;
		if (const auto deadline = store->deadline())
			wake = std::min(wake, *deadline);
		const auto wait = std::chrono::ceil<milliseconds>(wake - now()).count();
		poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(0, wait)));
		store->process();
		wakes++;
	}
	EXPECT_LE(wakes, 5);
}

}  // namespace
}  // namespace stolon::store::test
