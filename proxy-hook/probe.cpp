#include "proxy-hook/probe.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace stolon::proxy {

namespace {

using core::Instant;
using core::milliseconds;
using core::seconds;

/// A tenth of the time that the server has been away for, within these: whoever comes back soon is
/// noticed soon, and who refuses for long gets few lines in its log.
constexpr auto shortest_retry = milliseconds(50);
constexpr auto longest_retry = seconds(1);
/// A server that neither refuses nor answers is not judged here. While a dead server's port is
/// still open (launcher/open_port.h) a request is lost, and repeated by the kernel after a second
/// only; by then another server may have been up for long.
constexpr auto first_patience = milliseconds(100);
constexpr auto longest_patience = seconds(2);
/// Before Postgres closes the held connection (authentication_timeout, 60 s by default).
constexpr auto usual_renewal = seconds(20);
constexpr auto shortest_renewal = seconds(1);
/// Of silence, with keepalives being sent: a host that is gone or cut off. Before that, new
/// connections to it may fail, and long before, clients' statements get stuck there.
constexpr int silence_ms = 2000;
constexpr int keepalive_s = 1;
constexpr auto never = seconds(3600);
constexpr std::size_t max_answer_bytes = 4096;

/// Never authenticates: the first answer is enough. In most configurations it is the request for a
/// password, after which a disconnection leaves no trace in the server's log.
std::string startup_packet() {
	constexpr char body[] =
	    "\0\3\0\0user\0postgres\0database\0postgres\0application_name\0stolon-proxy\0";
	// The array's own terminator ends the list of parameters.
	const std::uint32_t length = htonl(static_cast<std::uint32_t>(sizeof(body) + 4));
	return std::string(reinterpret_cast<const char *>(&length), sizeof(length)) +
	       std::string(body, sizeof(body));
}

void watch_for_silence(int fd) {
	constexpr int on = 1;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_s, sizeof(keepalive_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &keepalive_s, sizeof(keepalive_s));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof(silence_ms));
}

core::Result<Fd> start_connecting(const core::Backend &to) {
	addrinfo hints{};
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	hints.ai_socktype = SOCK_STREAM;
	addrinfo *found = nullptr;
	if (getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found) != 0) {
		return core::Error{core::ErrorKind::NotFound, to.host + " is not an address"};
	}
	Fd fd(socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	watch_for_silence(fd.get());
	const bool failed =
	    connect(fd.get(), found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS;
	const int error_number = errno;
	freeaddrinfo(found);
	if (failed) {
		return core::Error{
		    error_number == ECONNREFUSED ? core::ErrorKind::Denied : core::ErrorKind::Unavailable,
		    std::strerror(error_number)};
	}
	return fd;
}

int error_of(int socket) {
	int error_number = 0;
	socklen_t length = sizeof(error_number);
	getsockopt(socket, SOL_SOCKET, SO_ERROR, &error_number, &length);
	return error_number;
}

}  // namespace

std::optional<bool> is_refusal(std::string_view bytes) {
	constexpr std::size_t header = 5;
	if (bytes.empty()) {
		return std::nullopt;
	}
	if (bytes.front() != 'E') {
		return false;
	}
	if (bytes.size() < header) {
		return std::nullopt;
	}
	std::uint32_t length = 0;
	std::memcpy(&length, bytes.data() + 1, sizeof(length));
	const std::size_t total = ntohl(length) + std::size_t{1};
	if (total > max_answer_bytes) {
		return false;
	}
	if (bytes.size() < total) {
		return std::nullopt;
	}
	return bytes.substr(0, total).find(std::string_view("\0C57P03", 7)) != std::string_view::npos;
}

Probe::Probe(program::Loop &loop) : loop_(loop) {}

Probe::~Probe() {
	disconnect();
}

void Probe::disconnect() {
	if (epoll_) {
		loop_.forget_fd(epoll_.get());
		epoll_.reset();
	}
	socket_.reset();
	state_ = State::Idle;
}

void Probe::watch(const std::optional<core::Backend> &master) {
	if (master == master_) {
		return;
	}
	disconnect();
	master_ = master;
	refused_ = false;
	renew_interval_ = usual_renewal;
	patience_ = first_patience;
	no_good_since_.reset();
	next_ = {};
	loop_.wake();
}

Instant Probe::step(Instant now) {
	if (!master_) {
		return now + never;
	}
	if (now >= next_) {
		if (state_ == State::Idle || state_ == State::Holding) {
			connect(State::Connecting, now);
		} else {
			patience_ = std::min<core::Duration>(2 * patience_, longest_patience);
			lost_too_early_ = false;
			retry(now);
		}
	}
	return next_;
}

void Probe::connect(State state, Instant now) {
	disconnect();
	core::Result<Fd> socket = start_connecting(*master_);
	if (!socket) {
		if (socket.error().kind == core::ErrorKind::Denied) {
			refuse(now);
		} else {
			retry(now);
			next_ = socket.error().kind == core::ErrorKind::NotFound ? now + never : next_;
		}
		return;
	}
	socket_ = std::move(*socket);
	epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
	epoll_event event{};
	// In silence only the end of the connection is of interest.
	event.events = state == State::Connecting ? EPOLLOUT : EPOLLIN | EPOLLRDHUP;
	epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket_.get(), &event);
	loop_.on_readable(epoll_.get(), [this] { ready(); });
	state_ = state;
	answer_.clear();
	next_ = now + patience_;
}

void Probe::ready() {
	const Instant now = store::now();
	switch (state_) {
		case State::Idle:
			return;
		case State::Connecting:
			connected(now);
			break;
		case State::Asking:
			answered(now);
			break;
		case State::Holding:
			held_lost(now);
			break;
	}
	loop_.wake();
}

/// Taken for a refusal until the server is heard again: the clients' connections are breaking at
/// this very moment, and the first one that tries a new connection would get an error.
void Probe::held_lost(Instant now) {
	lost_too_early_ = now - held_since_ < renew_interval_;
	refused_ = true;
	patience_ = first_patience;
	connect(State::Connecting, now);
}

void Probe::connected(Instant now) {
	if (const int error_number = error_of(socket_.get()); error_number != 0) {
		if (error_number == ECONNREFUSED) {
			refuse(now);
		} else {
			retry(now);
		}
		return;
	}
	const std::string packet = startup_packet();
	if (send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) !=
	    static_cast<ssize_t>(packet.size())) {
		retry(now);
		return;
	}
	epoll_event event{};
	event.events = EPOLLIN | EPOLLRDHUP;
	epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket_.get(), &event);
	state_ = State::Asking;
	next_ = now + longest_patience;
}

void Probe::answered(Instant now) {
	char buffer[max_answer_bytes];
	// Taken, not peeked at: Postgres logs a connection that is closed with bytes unread.
	const ssize_t got = recv(socket_.get(), buffer, sizeof(buffer), 0);
	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			retry(now);
		}
		return;
	}
	answer_.append(buffer, static_cast<std::size_t>(got));
	const std::optional<bool> refusal = is_refusal(answer_);
	if (!refusal) {
		return;
	}
	if (*refusal) {
		refuse(now);
		return;
	}
	if (refused_ && lost_too_early_) {
		// Perhaps authentication_timeout is shorter than usual.
		renew_interval_ = std::max<core::Duration>(shortest_renewal, renew_interval_ / 2);
	}
	refused_ = false;
	no_good_since_.reset();
	connect(State::Holding, now);
	if (state_ == State::Holding) {
		held_since_ = now;
		next_ = now + renew_interval_;
	}
}

void Probe::refuse(Instant now) {
	refused_ = true;
	// Not because it was held for too long.
	lost_too_early_ = false;
	retry(now);
}

void Probe::retry(Instant now) {
	disconnect();
	no_good_since_ = no_good_since_.value_or(now);
	next_ = now +
	        std::clamp<core::Duration>((now - *no_good_since_) / 10, shortest_retry, longest_retry);
}

}  // namespace stolon::proxy
