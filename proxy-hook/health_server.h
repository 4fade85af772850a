// Answers external balancers over HTTP: GET /primary/KEEPER, /replica/KEEPER, /health/KEEPER with
// 200 or 503. Without a KEEPER, HAProxy's header X-Haproxy-Server-State (http-check send-state)
// tells which server is meant. Runs in the proxy's own loop, so nobody may hold it up: a request is
// short, comes within seconds, and there are few at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/base/result.h"
#include "core/plan/node_health.h"

namespace stolon::program {
class Loop;
}

namespace stolon::proxy {

class HealthServer {
public:
	using Answer = std::function<core::HealthAnswer(core::HealthQuestion, const core::KeeperUid &)>;

	/// `listen`: ADDRESS:PORT, an IPv6 address in brackets; only there. Fails with one sentence
	/// when nothing can listen there.
	static core::Result<std::unique_ptr<HealthServer>> open(program::Loop &loop,
	                                                        const std::string &listen,
	                                                        Answer answer);
	~HealthServer();
	HealthServer(const HealthServer &) = delete;
	HealthServer &operator=(const HealthServer &) = delete;

private:
	class Impl;
	explicit HealthServer(std::unique_ptr<Impl> impl);
	std::unique_ptr<Impl> impl_;
};

/// The bytes of the answer to a whole request (up to and with its empty line); the connection is
/// closed after it.
std::string answer_http(std::string_view request, const HealthServer::Answer &answer);

/// What is asked, from the path and the header's value ("" when there is none). Nullopt: not a
/// question that this server knows.
std::optional<std::pair<core::HealthQuestion, core::KeeperUid>> parse_health_request(
    const std::string &path, const std::string &server_state);

}  // namespace stolon::proxy
