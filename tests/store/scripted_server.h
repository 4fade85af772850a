// An HTTP server that answers what the test tells it to, for all that a real etcd does only on a
// bad day.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace stolon::store::test {

class ScriptedServer {
public:
	struct Request {
		std::string path, headers, body;
	};
	struct Reaction {
		std::vector<std::string> pieces;  ///< Sent one by one, as they are.
		bool close = false;               ///< Afterwards.
		bool reset = false;               ///< Close with a reset instead.
	};
	using Script = std::function<Reaction(const Request &)>;

	explicit ScriptedServer(Script script);
	~ScriptedServer();
	ScriptedServer(const ScriptedServer &) = delete;
	ScriptedServer &operator=(const ScriptedServer &) = delete;

	const std::string &url() const { return url_; }
	std::vector<Request> requests() const;
	int connections() const { return connections_; }

private:
	void run();
	void serve(int fd);

	Script script_;
	std::string url_;
	int listen_fd_ = -1;
	std::atomic<bool> stop_ = false;
	std::atomic<int> connections_ = 0;
	mutable std::mutex mutex_;
	std::vector<Request> requests_;
	std::vector<std::thread> threads_;
	std::thread acceptor_;
};

/// A whole answer with this JSON.
ScriptedServer::Reaction json_answer(const std::string &json, int status = 200);
/// The beginning of a stream of JSON lines.
std::string stream_head();
/// One chunk of it.
std::string chunk(const std::string &data);

/// Listens and never accepts: connections are made, and nobody answers.
class SilentListener {
public:
	SilentListener();
	~SilentListener();
	SilentListener(const SilentListener &) = delete;
	SilentListener &operator=(const SilentListener &) = delete;
	const std::string &url() const { return url_; }

private:
	std::string url_;
	int fd_ = -1;
};

}  // namespace stolon::store::test
