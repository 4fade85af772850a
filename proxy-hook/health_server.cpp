#include "proxy-hook/health_server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <strings.h>

#include <list>

#include "store/program/program.h"

namespace stolon::proxy {

namespace {

/// From the acceptance to the last byte of the answer.
constexpr timeval request_deadline{5, 0};
constexpr timeval accept_pause{1, 0};
constexpr std::size_t max_request_bytes = 8192;
/// One more, and the oldest is closed: balancers are done within milliseconds, so that this one is
/// not waiting for anything that is going to come.
constexpr std::size_t max_connections = 64;
constexpr const char *usage =
    "ask for /primary/KEEPER, /replica/KEEPER or /health/KEEPER; without KEEPER, HAProxy's "
    "\"http-check send-state\" tells it";

/// "UP 2/3; name=backend/server; node=..." -> "server".
std::string server_in(const std::string &state) {
	const auto name = state.find("name=");
	if (name == std::string::npos) {
		return {};
	}
	const std::string value = state.substr(name + 5, state.find(';', name) - name - 5);
	const auto slash = value.rfind('/');
	return slash == std::string::npos ? value : value.substr(slash + 1);
}

std::string_view next_line(std::string_view &text) {
	const auto end = text.find("\r\n");
	const std::string_view line = text.substr(0, end);
	text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
	return line;
}

/// The value of a header in the lines after the first; "" if it is not there.
std::string header_in(std::string_view lines, std::string_view name) {
	while (!lines.empty()) {
		const std::string_view line = next_line(lines);
		if (line.size() > name.size() && line[name.size()] == ':' &&
		    strncasecmp(line.data(), name.data(), name.size()) == 0) {
			const auto value = line.find_first_not_of(" \t", name.size() + 1);
			return value == std::string_view::npos ? "" : std::string(line.substr(value));
		}
	}
	return {};
}

const char *reason_of(int status) {
	switch (status) {
		case 200:
			return "OK";
		case 400:
			return "Bad Request";
		case 404:
			return "Not Found";
		case 405:
			return "Method Not Allowed";
		default:
			return "Service Unavailable";
	}
}

in_port_t port_of(const sockaddr_storage &address) {
	return address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6 &>(address).sin6_port
	                                     : reinterpret_cast<const sockaddr_in &>(address).sin_port;
}

std::string reply(const core::HealthAnswer &said, bool with_body) {
	const std::string body = said.text + "\n";
	return "HTTP/1.1 " + std::to_string(said.status) + " " + reason_of(said.status) +
	       "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " +
	       std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + (with_body ? body : "");
}

}  // namespace

std::optional<std::pair<core::HealthQuestion, core::KeeperUid>> parse_health_request(
    const std::string &path, const std::string &server_state) {
	using core::HealthQuestion;
	const auto slash = path.find('/', 1);
	const std::string what = path.substr(0, slash);
	const std::string name =
	    slash == std::string::npos ? server_in(server_state) : path.substr(slash + 1);
	const auto keeper = core::KeeperUid::parse(name);
	if (!keeper) {
		return std::nullopt;
	}
	for (const auto &[known, question] : {std::pair{"/primary", HealthQuestion::Primary},
	                                      std::pair{"/replica", HealthQuestion::Replica},
	                                      std::pair{"/health", HealthQuestion::Health}}) {
		if (what == known) {
			return std::pair(question, *keeper);
		}
	}
	return std::nullopt;
}

std::string answer_http(std::string_view request, const HealthServer::Answer &answer) {
	const std::string_view first = next_line(request);
	const auto path_at = first.find(' ');
	const auto path_end = first.find_first_of(" ?", path_at + 1);
	const auto version = first.rfind(" HTTP/1.");
	if (path_at == std::string_view::npos || path_end == std::string_view::npos ||
	    version == std::string_view::npos || version < path_at) {
		return reply({400, "this is not HTTP/1"}, true);
	}
	const std::string_view method = first.substr(0, path_at);
	if (method != "GET" && method != "HEAD" && method != "OPTIONS") {
		return reply({405, usage}, true);
	}
	const auto question =
	    parse_health_request(std::string(first.substr(path_at + 1, path_end - path_at - 1)),
	                         header_in(request, "X-Haproxy-Server-State"));
	return reply(
	    question ? answer(question->first, question->second) : core::HealthAnswer{404, usage},
	    method != "HEAD");
}

class HealthServer::Impl {
public:
	Impl(event_base *base, Answer answer) : base_(base), answer_(std::move(answer)) {}
	~Impl() {
		if (listen_again_ != nullptr) {
			event_free(listen_again_);
		}
		if (listener_ != nullptr) {
			evconnlistener_free(listener_);
		}
	}
	Impl(const Impl &) = delete;
	Impl &operator=(const Impl &) = delete;

	core::Status listen(const std::string &where) {
		sockaddr_storage address{};
		int length = sizeof(address);
		auto *generic = reinterpret_cast<sockaddr *>(&address);
		// Without a port it would listen on a random one.
		if (evutil_parse_sockaddr_port(where.c_str(), generic, &length) != 0 ||
		    port_of(address) == 0) {
			return core::invalid("--health-listen: \"" + where +
			                     "\" is not ADDRESS:PORT, for example 127.0.0.1:8008");
		}
		listener_ = evconnlistener_new_bind(
		    base_, &Impl::accepted, this,
		    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
		    static_cast<int>(max_connections), generic, length);
		if (listener_ == nullptr) {
			return core::invalid("--health-listen: cannot listen on " + where +
			                     "; is the port in use, and the address one of this host's?");
		}
		listen_again_ = evtimer_new(
		    base_,
		    [](evutil_socket_t, short, void *self) noexcept {
			    evconnlistener_enable(static_cast<Impl *>(self)->listener_);
		    },
		    this);
		evconnlistener_set_error_cb(listener_, &Impl::cannot_accept);
		return {};
	}

private:
	struct Connection {
		Impl *owner;
		std::list<Connection>::iterator self;
		bufferevent *stream = nullptr;
		event *deadline = nullptr;

		~Connection() {
			if (deadline != nullptr) {
				event_free(deadline);
			}
			if (stream != nullptr) {
				bufferevent_free(stream);
			}
		}
	};

	/// For example too many open files: who is waiting would be offered again and again.
	static void cannot_accept(evconnlistener *listener, void *self) noexcept {
		if (event *again = static_cast<Impl *>(self)->listen_again_;
		    again != nullptr && evtimer_add(again, &accept_pause) == 0) {
			evconnlistener_disable(listener);
		}
	}

	static void accepted(evconnlistener *, evutil_socket_t fd, sockaddr *, int,
	                     void *self) noexcept {
		try {
			static_cast<Impl *>(self)->add(fd);
		} catch (const std::exception &problem) {
			spdlog::warn("a question for health was dropped: {}", problem.what());
		}
	}

	void add(evutil_socket_t fd) {
		if (connections_.size() >= max_connections) {
			connections_.pop_front();
		}
		bufferevent *stream = bufferevent_socket_new(base_, fd, BEV_OPT_CLOSE_ON_FREE);
		if (stream == nullptr) {
			evutil_closesocket(fd);
			return;
		}
		Connection &one = connections_.emplace_back();
		one.owner = this;
		one.self = std::prev(connections_.end());
		one.stream = stream;
		one.deadline = evtimer_new(
		    base_,
		    [](evutil_socket_t, short, void *connection) noexcept {
			    static_cast<Connection *>(connection)->owner->close(connection);
		    },
		    &one);
		if (one.deadline == nullptr || evtimer_add(one.deadline, &request_deadline) != 0) {
			close(&one);
			return;
		}
		bufferevent_setcb(stream, &Impl::readable, &Impl::written, &Impl::ended, &one);
		bufferevent_setwatermark(stream, EV_READ, 0, max_request_bytes);
		bufferevent_enable(stream, EV_READ | EV_WRITE);
	}

	void close(void *connection) {
		connections_.erase(static_cast<Connection *>(connection)->self);
	}

	static void readable(bufferevent *stream, void *connection) noexcept {
		auto *one = static_cast<Connection *>(connection);
		try {
			evbuffer *input = bufferevent_get_input(stream);
			std::string request(evbuffer_get_length(input), '\0');
			evbuffer_copyout(input, request.data(), request.size());
			const auto end = request.find("\r\n\r\n");
			if (end == std::string::npos) {
				if (request.size() >= max_request_bytes) {
					one->owner->close(one);
				}
				return;
			}
			bufferevent_disable(stream, EV_READ);
			const std::string text = answer_http(request.substr(0, end + 2), one->owner->answer_);
			bufferevent_write(stream, text.data(), text.size());
		} catch (...) {
			one->owner->close(one);
		}
	}

	/// The whole answer has left.
	static void written(bufferevent *stream, void *connection) noexcept {
		if ((bufferevent_get_enabled(stream) & EV_READ) == 0) {
			static_cast<Connection *>(connection)->owner->close(connection);
		}
	}

	static void ended(bufferevent *, short, void *connection) noexcept {
		static_cast<Connection *>(connection)->owner->close(connection);
	}

	event_base *base_;
	Answer answer_;
	evconnlistener *listener_ = nullptr;
	event *listen_again_ = nullptr;
	std::list<Connection> connections_;  ///< oldest first
};

HealthServer::HealthServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HealthServer::~HealthServer() = default;

core::Result<std::unique_ptr<HealthServer>> HealthServer::open(program::Loop &loop,
                                                               const std::string &listen,
                                                               Answer answer) {
	auto impl = std::make_unique<Impl>(loop.base(), std::move(answer));
	if (core::Status status = impl->listen(listen); !status) {
		return status.error();
	}
	return std::unique_ptr<HealthServer>(new HealthServer(std::move(impl)));
}

}  // namespace stolon::proxy
