#include "tests/store/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

namespace stolon::store::test {

namespace {

int listen_somewhere(std::string &url) {
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socklen_t length = sizeof(address);
	bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address));
	listen(fd, 64);
	getsockname(fd, reinterpret_cast<sockaddr *>(&address), &length);
	url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
	return fd;
}

/// Takes one whole request out of the front of `input`.
std::optional<ScriptedServer::Request> take_request(std::string &input) {
	const std::size_t head_end = input.find("\r\n\r\n");
	if (head_end == std::string::npos)
		return std::nullopt;
	ScriptedServer::Request request;
	request.headers = input.substr(0, head_end);
	const std::size_t length_at = request.headers.find("Content-Length: ");
	const std::size_t length = length_at == std::string::npos
	                               ? 0
	                               : std::strtoul(&request.headers[length_at + 16], nullptr, 10);
	if (input.size() < head_end + 4 + length)
		return std::nullopt;
	request.body = input.substr(head_end + 4, length);
	const std::size_t path_at = request.headers.find(' ') + 1;
	request.path = request.headers.substr(path_at, request.headers.find(' ', path_at) - path_at);
	input.erase(0, head_end + 4 + length);
	return request;
}

}  // namespace

ScriptedServer::ScriptedServer(Script script)
    : script_(std::move(script)), listen_fd_(listen_somewhere(url_)) {
	acceptor_ = std::thread([this] { run(); });
}

ScriptedServer::~ScriptedServer() {
	stop_ = true;
	acceptor_.join();
	for (std::thread &thread : threads_)
		thread.join();
	close(listen_fd_);
}

std::vector<ScriptedServer::Request> ScriptedServer::requests() const {
	const std::lock_guard lock(mutex_);
	return requests_;
}

void ScriptedServer::run() {
	while (!stop_) {
		pollfd waiting{listen_fd_, POLLIN, 0};
		if (poll(&waiting, 1, 20) <= 0)
			continue;
		const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		connections_++;
		threads_.emplace_back([this, fd] { serve(fd); });
	}
}

void ScriptedServer::serve(int fd) {
	const int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	std::string input;
	bool open = true;
	while (!stop_ && open) {
		pollfd waiting{fd, POLLIN, 0};
		if (poll(&waiting, 1, 20) <= 0)
			continue;
		char buffer[4096];
		const ssize_t length = recv(fd, buffer, sizeof(buffer), 0);
		if (length <= 0)
			break;
		input.append(buffer, static_cast<std::size_t>(length));
		while (auto request = take_request(input)) {
			{
				const std::lock_guard lock(mutex_);
				requests_.push_back(*request);
			}
			const Reaction reaction = script_(*request);
			for (const std::string &piece : reaction.pieces) {
				send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
				std::this_thread::sleep_for(std::chrono::milliseconds(5));
			}
			if (reaction.reset) {
				const linger hard{1, 0};
				setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
			}
			open = !reaction.close && !reaction.reset;
		}
	}
	close(fd);
}

ScriptedServer::Reaction json_answer(const std::string &json, int status) {
	return {{"HTTP/1.1 " + std::to_string(status) +
	         " X\r\nContent-Type: application/json\r\nContent-Length: " +
	         std::to_string(json.size()) + "\r\n\r\n" + json}};
}

std::string stream_head() {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: "
	       "chunked\r\n\r\n";
}

std::string chunk(const std::string &data) {
	char length[20];
	snprintf(length, sizeof(length), "%zx\r\n", data.size());
	return length + data + "\r\n";
}

SilentListener::SilentListener() : fd_(listen_somewhere(url_)) {}

SilentListener::~SilentListener() {
	close(fd_);
}

}  // namespace stolon::store::test
