// The bytes that balancers send, and what they get.
#include "proxy-hook/health_server.h"

#include <gtest/gtest.h>

namespace stolon::proxy {
namespace {

std::string asked;

core::HealthAnswer note(core::HealthQuestion question, const core::KeeperUid &keeper) {
	asked = std::to_string(static_cast<int>(question)) + " " + keeper.value;
	return {200, "yes"};
}

/// The status line's number and what was asked.
std::string ask(const std::string &request) {
	asked.clear();
	const std::string answer = answer_http(request, note);
	return answer.substr(9, 3) + (asked.empty() ? "" : " " + asked);
}

TEST(HealthServer, TellsQuestionsFromEverythingElse) {
	const std::string end = " HTTP/1.1\r\nHost: x\r\n";
	const struct {
		std::string request, answer;
	} rows[] = {
	    {"GET /primary/node1" + end, "200 0 node1"},
	    {"HEAD /replica/node1" + end, "200 1 node1"},
	    {"OPTIONS /health/node1 HTTP/1.0\r\n", "200 2 node1"},
	    {"GET /primary/node1?x=/replica" + end, "200 0 node1"},
	    {"GET /primary" + end + "x-haproxy-server-STATE:  UP 2/3; name=pg/node2; node=h\r\n",
	     "200 0 node2"},
	    {"GET /primary" + end + "X-Haproxy-Server-State: UP; name=node3\r\n", "200 0 node3"},
	    {"GET /primary/node1" + end + "X-Haproxy-Server-State: name=pg/node2\r\n", "200 0 node1"},
	    {"GET /primary" + end, "404"},
	    {"GET /primary/" + end, "404"},
	    {"GET /primary/a/b" + end, "404"},
	    {"GET /" + end, "404"},
	    {"GET /primaryx/node1" + end, "404"},
	    {"POST /primary/node1" + end, "405"},
	    {"GET /primary/node1\r\n", "400"},
	    {"GET  HTTP/1.1\r\n", "404"},
	    {"PRI * HTTP/2.0\r\n", "400"},
	    {"\r\n", "400"},
	    {"", "400"},
	};
	for (const auto &row : rows) {
		EXPECT_EQ(ask(row.request), row.answer) << row.request;
	}
}

TEST(HealthServer, TheBodyIsASentenceAndNothingFollowsAHead) {
	EXPECT_EQ(answer_http("GET /health/a HTTP/1.1\r\n", note),
	          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n"
	          "Connection: close\r\n\r\nyes\n");
	EXPECT_TRUE(answer_http("HEAD /health/a HTTP/1.1\r\n", note).ends_with("\r\n\r\n"));
}

}  // namespace
}  // namespace stolon::proxy
