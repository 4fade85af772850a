// Several endpoints, some of which do not work; and outcomes that nobody knows.
#include "store/etcd/endpoints.h"

#include "store/etcd/revisions.h"
#include "tests/store/etcd_drive.h"
#include "tests/store/scripted_server.h"

namespace stolon::store::test {
namespace {

using etcd::Endpoints;

constexpr const char *refusing = "http://127.0.0.1:1";

std::string header(int revision) {
	return R"("header":{"cluster_id":"7","member_id":"1","revision":")" + std::to_string(revision) +
	       R"(","raft_term":"2"})";
}

/// Answers everything as an etcd with no keys would.
ScriptedServer::Reaction empty_etcd(const ScriptedServer::Request &, int revision = 5) {
	return json_answer("{" + header(revision) + "}");
}

TEST(Endpoints, StayWithOneThatWorksAndLeaveOneThatFails) {
	Endpoints endpoints({"a", "b", "c"});
	EXPECT_EQ(endpoints.current(), 0u);
	endpoints.failed(0, Instant{seconds(1)});
	EXPECT_EQ(endpoints.current(), 1u);
	endpoints.failed(0, Instant{seconds(2)});
	EXPECT_EQ(endpoints.current(), 1u);
	endpoints.failed(1, Instant{seconds(3)});
	EXPECT_EQ(endpoints.current(), 2u);
	// Everything has failed: the one whose failure is longest ago.
	endpoints.failed(2, Instant{seconds(4)});
	EXPECT_EQ(endpoints.current(), 0u);
	EXPECT_EQ(endpoints.choose({true, false, false}), 1u);
	EXPECT_EQ(endpoints.choose({true, true, true}), std::nullopt);
}

TEST(Endpoints, TheOnlyOneStaysCurrent) {
	Endpoints endpoints({"a"});
	endpoints.failed(0, Instant{seconds(1)});
	EXPECT_EQ(endpoints.current(), 0u);
}

TEST(EtcdEndpoints, RefusingOneFirstCostsNothing) {
	auto store = open_etcd({refusing, shared_etcd().etcd.url()});
	EXPECT_EQ(store->current_endpoint(), refusing);
	const auto written = put(*store, "endpoints/a", "1");
	ASSERT_TRUE(written.ok()) << message(written);
	EXPECT_EQ(store->current_endpoint(), shared_etcd().etcd.url());
	EXPECT_TRUE(range(*store, "endpoints/a").ok());
}

TEST(EtcdEndpoints, SilentOneFirstCostsOneReadHalfOfItsTime) {
	SilentListener silent;
	auto store = open_etcd({silent.url(), shared_etcd().etcd.url()});
	const Instant start = now();
	EXPECT_TRUE(range(*store, "endpoints/a", seconds(1)).ok());
	EXPECT_GE(now() - start, milliseconds(450));
	const Instant second = now();
	EXPECT_TRUE(range(*store, "endpoints/a", seconds(1)).ok());
	EXPECT_LT(now() - second, milliseconds(400));
}

TEST(EtcdEndpoints, WriteToASilentOneIsUnknownAndTheNextGoesElsewhere) {
	SilentListener silent;
	auto store = open_etcd({silent.url(), shared_etcd().etcd.url()});
	const auto first = put(*store, "endpoints/a", "1", milliseconds(300));
	ASSERT_FALSE(first.ok());
	EXPECT_EQ(first.error().kind, ErrorKind::Unknown);
	EXPECT_TRUE(put(*store, "endpoints/a", "1", seconds(1)).ok());
}

TEST(EtcdEndpoints, AllRefusingIsUnavailableAtOnceForWritesToo) {
	auto store = open_etcd({refusing, "http://127.0.0.1:2"});
	const Instant start = now();
	const auto written = put(*store, "a", "1");
	ASSERT_FALSE(written.ok());
	EXPECT_EQ(written.error().kind, ErrorKind::Unavailable);
	EXPECT_NE(written.error().message.find("127.0.0.1:2"), std::string::npos);
	EXPECT_LT(now() - start, seconds(2));
}

TEST(EtcdEndpoints, NameIsResolved) {
	std::string url = shared_etcd().etcd.url();
	url.replace(url.find("127.0.0.1"), 9, "localhost");
	EtcdOptions options;
	options.endpoints = {url};
	options.block_signals = true;
	auto store = open_etcd(std::move(options));
	const auto result = range(*store, "a");
	EXPECT_TRUE(result.ok()) << message(result);
}

TEST(EtcdEndpoints, NameThatDoesNotExistIsUnavailable) {
	auto store = open_etcd({"http://no-such-host.invalid:2379", shared_etcd().etcd.url()});
	EXPECT_TRUE(put(*store, "endpoints/a", "1").ok());
}

TEST(EtcdOutcome, WriteIsSentOnceWhenAKeptConnectionDiesUnderIt) {
	// libcurl would send it again by itself on a new connection.
	std::atomic<int> writes = 0;
	ScriptedServer server([&](const auto &request) -> ScriptedServer::Reaction {
		if (request.path != "/v3/kv/txn")
			return empty_etcd(request);
		writes++;
		return {{}, true};
	});
	auto store = open_etcd({server.url()});
	ASSERT_TRUE(range(*store, "a").ok());
	const auto written = put(*store, "a", "1");
	ASSERT_FALSE(written.ok());
	EXPECT_EQ(written.error().kind, ErrorKind::Unknown) << written.error().message;
	EXPECT_EQ(writes, 1);
}

TEST(EtcdOutcome, WriteIsSentOnceWhenAKeptConnectionIsReset) {
	std::atomic<int> writes = 0;
	ScriptedServer server([&](const auto &request) -> ScriptedServer::Reaction {
		if (request.path != "/v3/kv/txn")
			return empty_etcd(request);
		writes++;
		return {{}, false, true};
	});
	auto store = open_etcd({server.url()});
	ASSERT_TRUE(range(*store, "a").ok());
	const auto written = put(*store, "a", "1");
	ASSERT_FALSE(written.ok());
	EXPECT_EQ(written.error().kind, ErrorKind::Unknown) << written.error().message;
	EXPECT_EQ(writes, 1);
}

TEST(EtcdOutcome, ReadGoesToTheNextWhenTheConnectionDies) {
	ScriptedServer dying([](const auto &) { return ScriptedServer::Reaction{{}, true}; });
	ScriptedServer working([](const auto &request) { return empty_etcd(request); });
	auto store = open_etcd({dying.url(), working.url()});
	EXPECT_TRUE(range(*store, "a").ok());
	EXPECT_EQ(store->current_endpoint(), working.url());
}

TEST(EtcdOutcome, ConnectionsAreKept) {
	ScriptedServer server([](const auto &request) { return empty_etcd(request); });
	auto store = open_etcd({server.url()});
	for (int i = 0; i < 5; i++) {
		EXPECT_TRUE(range(*store, "a").ok());
		EXPECT_TRUE(put(*store, "a", "1").ok());
	}
	EXPECT_EQ(server.connections(), 1);
}

struct Refused {
	const char *text;
	int code;
	int status;
	ErrorKind of_read, of_write;
};

class EtcdRefusal : public testing::TestWithParam<Refused> {};

TEST_P(EtcdRefusal, MeansWhatItMeans) {
	const Refused &refused = GetParam();
	const std::string json = std::string(R"({"error":")") + refused.text + R"(","message":")" +
	                         refused.text + R"(","code":)" + std::to_string(refused.code) + "}";
	ScriptedServer server([&](const auto &) { return json_answer(json, refused.status); });
	auto store = open_etcd({server.url()});
	const auto read = range(*store, "a");
	const auto written = put(*store, "a", "1");
	ASSERT_FALSE(read.ok());
	ASSERT_FALSE(written.ok());
	EXPECT_EQ(read.error().kind, refused.of_read);
	EXPECT_EQ(written.error().kind, refused.of_write);
	EXPECT_NE(read.error().message.find(refused.text), std::string::npos);
	EXPECT_EQ(server.requests().size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(
    Texts, EtcdRefusal,
    testing::Values(
        Refused{"etcdserver: request timed out", 14, 503, ErrorKind::Unavailable,
                ErrorKind::Unknown},
        Refused{"etcdserver: leader changed", 14, 503, ErrorKind::Unavailable, ErrorKind::Unknown},
        Refused{"etcdserver: no leader", 14, 503, ErrorKind::Unavailable, ErrorKind::Unknown},
        Refused{"context deadline exceeded", 4, 504, ErrorKind::Unavailable, ErrorKind::Unknown},
        Refused{"etcdserver: requested lease not found", 5, 404, ErrorKind::NotFound,
                ErrorKind::NotFound},
        Refused{"etcdserver: mvcc: required revision has been compacted", 11, 400,
                ErrorKind::Compacted, ErrorKind::Compacted},
        Refused{"etcdserver: permission denied", 7, 403, ErrorKind::Denied, ErrorKind::Denied},
        Refused{"etcdserver: user name is empty", 3, 400, ErrorKind::Denied, ErrorKind::Denied},
        Refused{"etcdserver: invalid auth token", 16, 401, ErrorKind::Denied, ErrorKind::Denied},
        Refused{"etcdserver: request is too large", 3, 400, ErrorKind::Invalid,
                ErrorKind::Invalid}));

TEST(EtcdOutcome, AnswerThatIsNoJsonIsNoAnswer) {
	ScriptedServer server([](const auto &) { return json_answer("<html>it works</html>", 404); });
	auto store = open_etcd({server.url()});
	const auto read = range(*store, "a");
	ASSERT_FALSE(read.ok());
	EXPECT_EQ(read.error().kind, ErrorKind::Unavailable);
	EXPECT_EQ(put(*store, "a", "1").error().kind, ErrorKind::Unknown);
}

TEST(EtcdOutcome, AnswerWithoutARevisionIsNoAnswer) {
	ScriptedServer server([](const auto &) { return json_answer("{}"); });
	auto store = open_etcd({server.url()});
	EXPECT_EQ(range(*store, "a").error().kind, ErrorKind::Unavailable);
	EXPECT_EQ(put(*store, "a", "1").error().kind, ErrorKind::Unknown);
}

TEST(EtcdOutcome, AnswerThatIsTooLargeIsLeft) {
	ScriptedServer server(
	    [](const auto &) { return json_answer("\"" + std::string(5000, 'x') + "\""); });
	EtcdOptions options;
	options.endpoints = {server.url()};
	options.max_body_bytes = 4096;
	auto store = open_etcd(std::move(options));
	const auto read = range(*store, "a");
	ASSERT_FALSE(read.ok());
	EXPECT_EQ(read.error().kind, ErrorKind::Unavailable);
	EXPECT_NE(read.error().message.find("larger than 4096"), std::string::npos);
}

TEST(EtcdRevision, AnswerFromThePastMakesTheReadGoElsewhere) {
	std::atomic<int> revision = 10;
	ScriptedServer first([&](const auto &request) { return empty_etcd(request, revision); });
	ScriptedServer second([](const auto &request) { return empty_etcd(request, 11); });
	auto store = open_etcd({first.url(), second.url()});
	EXPECT_EQ(range(*store, "a")->revision, 10);
	revision = 9;
	EXPECT_EQ(range(*store, "a")->revision, 11);
	EXPECT_EQ(store->current_endpoint(), second.url());
}

TEST(EtcdRevision, WriteAnsweredFromThePastIsUnknown) {
	std::atomic<int> revision = 10;
	ScriptedServer server([&](const auto &request) { return empty_etcd(request, revision); });
	auto store = open_etcd({server.url()});
	ASSERT_TRUE(range(*store, "a").ok());
	revision = 9;
	EXPECT_EQ(put(*store, "a", "1").error().kind, ErrorKind::Unknown);
}

TEST(EtcdRevision, AnotherClusterHasItsOwnRevisions) {
	std::atomic<bool> rebuilt = false;
	ScriptedServer server([&](const auto &request) {
		if (!rebuilt)
			return empty_etcd(request, 10);
		return json_answer(R"({"header":{"cluster_id":"8","revision":"2"}})");
	});
	auto store = open_etcd({server.url()});
	ASSERT_TRUE(range(*store, "a").ok());
	rebuilt = true;
	EXPECT_EQ(range(*store, "a")->revision, 2);
}

TEST(EtcdRevision, OneMemberThatIsBehindIsNeverTheWholeCluster) {
	etcd::Setback setback(3, seconds(10));
	EXPECT_FALSE(setback.behind(0, Instant{seconds(100)}));
	EXPECT_FALSE(setback.behind(0, Instant{seconds(1000)}));
}

TEST(EtcdRevision, ClusterHasGoneBackWhenMostOfItIsBehindForLong) {
	etcd::Setback setback(3, seconds(10));
	EXPECT_FALSE(setback.behind(0, Instant{seconds(100)}));
	EXPECT_FALSE(setback.behind(2, Instant{seconds(109)}));
	EXPECT_TRUE(setback.behind(0, Instant{seconds(110)}));
}

TEST(EtcdRevision, OneAnswerFromThePresentTellsThatTheClusterHasNotGoneBack) {
	etcd::Setback setback(3, seconds(10));
	EXPECT_FALSE(setback.behind(0, Instant{seconds(100)}));
	EXPECT_FALSE(setback.behind(1, Instant{seconds(105)}));
	setback.none();
	EXPECT_FALSE(setback.behind(0, Instant{seconds(111)}));
	EXPECT_FALSE(setback.behind(1, Instant{seconds(120)}));
	EXPECT_TRUE(setback.behind(1, Instant{seconds(121)}));
}

std::unique_ptr<Store> open_with_setback(const std::vector<std::string> &endpoints,
                                         Duration limit) {
	EtcdOptions options;
	options.endpoints = endpoints;
	options.setback_limit = limit;
	return open_etcd(std::move(options));
}

TEST(EtcdRevision, ClusterThatWentBackIsBelievedInTheEnd) {
	std::atomic<int> revision = 10;
	const auto answer = [&](const auto &request) { return empty_etcd(request, revision); };
	ScriptedServer first(answer), second(answer);
	auto store = open_with_setback({first.url(), second.url(), refusing}, milliseconds(300));
	ASSERT_TRUE(range(*store, "a").ok());
	revision = 5;
	const Instant start = now();
	const auto refused = range(*store, "a");
	ASSERT_FALSE(refused.ok());
	Result<RangeResponse> read = refused;
	while (!read.ok() && now() < start + seconds(20))
		read = range(*store, "a");
	ASSERT_TRUE(read.ok()) << message(read);
	EXPECT_EQ(read->revision, 5);
	EXPECT_GE(now() - start, milliseconds(300));
	EXPECT_TRUE(put(*store, "a", "1").ok());
}

TEST(EtcdRevision, AnswerFromThePastSaysSo) {
	std::atomic<int> revision = 10;
	ScriptedServer server([&](const auto &request) { return empty_etcd(request, revision); });
	auto store = open_etcd({server.url()});
	ASSERT_TRUE(range(*store, "a").ok());
	revision = 9;
	EXPECT_NE(range(*store, "a").error().message.find("restored"), std::string::npos);
}

}  // namespace
}  // namespace stolon::store::test
