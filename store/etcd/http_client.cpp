#include "store/etcd/http_client.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace stolon::store::etcd {

namespace {

/// Idle connections that are kept. A few requests at a time go to at most 16 endpoints.
constexpr long max_kept_connections = 16;
/// A peer that has vanished without a word is noticed after this long, also on an idle watch.
constexpr unsigned tcp_user_timeout_ms = 4000;
constexpr long keepalive_idle_s = 2;
constexpr long keepalive_interval_s = 1;
/// Rounds of process(), so that a peer that sends without end cannot hold the caller.
constexpr int max_rounds = 64;
constexpr std::size_t max_events_at_once = 64;

/// libcurl may start a thread to resolve a name; it must not take the signals of the process.
class SignalBlock {
public:
	explicit SignalBlock(bool active) : active_(active) {
		if (!active_)
			return;
		sigset_t all;
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before_);
	}
	~SignalBlock() {
		if (active_)
			pthread_sigmask(SIG_SETMASK, &before_, nullptr);
	}
	SignalBlock(const SignalBlock &) = delete;
	SignalBlock &operator=(const SignalBlock &) = delete;

private:
	bool active_;
	sigset_t before_{};
};

}  // namespace

struct HttpClient::Transfer {
	TransferId id = 0;
	CURL *easy = nullptr;
	curl_slist *headers = nullptr;
	HttpRequest request;
	std::size_t body_read = 0;
	std::string body;
	std::size_t max_body_bytes = 0;
	bool too_large = false;
	std::array<char, CURL_ERROR_SIZE> error_text{};

	Transfer() = default;
	Transfer(const Transfer &) = delete;
	Transfer &operator=(const Transfer &) = delete;
	~Transfer() {
		if (easy != nullptr)
			curl_easy_cleanup(easy);
		curl_slist_free_all(headers);
	}
};

Result<std::unique_ptr<HttpClient>> HttpClient::create(HttpOptions options) {
	std::unique_ptr<HttpClient> client(new HttpClient);
	client->options_ = std::move(options);
	const HttpOptions &files = client->options_;
	client->tls_ = TlsFiles(files.ca_file, files.cert_file, files.key_file);
	if (const core::Status status = client->tls_.read(); !status.ok())
		return status.error();
	client->epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
	if (client->epoll_fd_ < 0)
		return core::invalid(std::string("cannot create an epoll fd: ") + std::strerror(errno));
	client->multi_ = curl_multi_init();
	if (client->multi_ == nullptr)
		return core::invalid("cannot initialise libcurl");
	CURLM *multi = client->multi_;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &HttpClient::on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client.get());
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &HttpClient::on_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client.get());
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, max_kept_connections);
	curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	return client;
}

HttpClient::~HttpClient() {
	SignalBlock block(options_.block_signals);
	for (auto &[id, transfer] : transfers_)
		curl_multi_remove_handle(multi_, transfer->easy);
	transfers_.clear();
	if (multi_ != nullptr)
		curl_multi_cleanup(multi_);
	if (epoll_fd_ >= 0)
		close(epoll_fd_);
}

TransferId HttpClient::start(HttpRequest request) {
	SignalBlock block(options_.block_signals);
	auto transfer = std::make_unique<Transfer>();
	transfer->request = std::move(request);
	transfer->max_body_bytes = options_.max_body_bytes;
	transfer->easy = curl_easy_init();
	if (transfer->easy == nullptr || !prepare(*transfer))
		return 0;
	if (curl_multi_add_handle(multi_, transfer->easy) != CURLM_OK)
		return 0;
	transfer->id = ++last_id_;
	const TransferId id = transfer->id;
	transfers_.emplace(id, std::move(transfer));
	return id;
}

bool HttpClient::prepare(Transfer &transfer) {
	CURL *easy = transfer.easy;
	const HttpRequest &request = transfer.request;
	CURLcode first_failure = CURLE_OK;
	const auto set = [&](CURLoption option, auto value) {
		const CURLcode code = curl_easy_setopt(easy, option, value);
		if (first_failure == CURLE_OK)
			first_failure = code;
	};

	set(CURLOPT_URL, request.url.c_str());
	set(CURLOPT_PRIVATE, &transfer);
	set(CURLOPT_ERRORBUFFER, transfer.error_text.data());
	set(CURLOPT_NOSIGNAL, 1L);
	set(CURLOPT_NOPROXY, "*");
	set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
	set(CURLOPT_TCP_NODELAY, 1L);
	set(CURLOPT_TCP_KEEPALIVE, 1L);
	set(CURLOPT_TCP_KEEPIDLE, keepalive_idle_s);
	set(CURLOPT_TCP_KEEPINTVL, keepalive_interval_s);
	set(CURLOPT_SOCKOPTFUNCTION, &HttpClient::on_new_socket);
	set(CURLOPT_WRITEFUNCTION, &HttpClient::on_write);
	set(CURLOPT_WRITEDATA, &transfer);
	// 0 would mean libcurl's default of 300 s.
	set(CURLOPT_CONNECTTIMEOUT_MS,
	    static_cast<long>(std::max<std::int64_t>(1, core::to_ms(request.connect_timeout))));
#if LIBCURL_VERSION_NUM >= 0x075700
	// Without it, dropping a transfer waits for the thread that resolves its name.
	set(CURLOPT_QUICK_EXIT, 1L);
#endif

	set(CURLOPT_POST, 1L);
	set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
	if (request.repeatable) {
		set(CURLOPT_POSTFIELDS, request.body.data());
	} else {
		set(CURLOPT_READFUNCTION, &HttpClient::on_read);
		set(CURLOPT_READDATA, &transfer);
	}

	const auto add_header = [&](const std::string &line) {
		curl_slist *longer = curl_slist_append(transfer.headers, line.c_str());
		if (longer == nullptr)
			first_failure = CURLE_OUT_OF_MEMORY;
		else
			transfer.headers = longer;
	};
	add_header("Content-Type: application/json");
	add_header("Expect:");
	for (const std::string &line : request.headers)
		add_header(line);
	set(CURLOPT_HTTPHEADER, transfer.headers);

	prepare_tls(transfer.easy, &first_failure);
	return first_failure == CURLE_OK;
}

void HttpClient::prepare_tls(CURL *easy, CURLcode *first_failure) {
	// What cannot be read now stays as it was.
	if (tls_is_doubtful_)
		(void)tls_.read();
	tls_is_doubtful_ = false;
	const auto set = [&](CURLoption option, auto value) {
		if (*first_failure == CURLE_OK)
			*first_failure = curl_easy_setopt(easy, option, value);
	};
	const auto set_text = [&](CURLoption option, const std::string &pem) {
		curl_blob blob = {const_cast<char *>(pem.data()), pem.size(), CURL_BLOB_COPY};
		if (!pem.empty())
			set(option, &blob);
	};
	set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
	set_text(CURLOPT_CAINFO_BLOB, tls_.ca());
	// With a CA of one's own, those of the system vouch for nothing (and lie on a disk).
	if (!tls_.ca().empty())
		set(CURLOPT_CAPATH, static_cast<const char *>(nullptr));
	set_text(CURLOPT_SSLCERT_BLOB, tls_.cert());
	set_text(CURLOPT_SSLKEY_BLOB, tls_.key());
}

void HttpClient::drop(TransferId id) {
	const auto found = transfers_.find(id);
	if (found != transfers_.end()) {
		remove(*found->second);
		return;
	}
	std::erase_if(done_, [id](const HttpDone &done) { return done.id == id; });
}

void HttpClient::remove(Transfer &transfer) {
	SignalBlock block(options_.block_signals);
	curl_multi_remove_handle(multi_, transfer.easy);
	const TransferId id = transfer.id;
	transfers_.erase(id);
}

bool HttpClient::sent(TransferId id) const {
	const auto found = transfers_.find(id);
	return found != transfers_.end() &&
	       (found->second->request.repeatable || found->second->body_read > 0);
}

std::string HttpClient::take_body(TransferId id) {
	const auto found = transfers_.find(id);
	return found == transfers_.end() ? std::string() : std::exchange(found->second->body, {});
}

void HttpClient::process() {
	SignalBlock block(options_.block_signals);
	for (int round = 0; round < max_rounds; round++) {
		const bool sockets = run_ready_sockets();
		const bool timer = run_timer();
		if (!sockets && !timer)
			break;
	}
	collect();
}

bool HttpClient::run_ready_sockets() {
	std::array<epoll_event, max_events_at_once> events;
	const int count = epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()), 0);
	for (int i = 0; i < count; i++) {
		int flags = 0;
		if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP))
			flags |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			flags |= CURL_CSELECT_OUT;
		if (events[i].events & EPOLLERR)
			flags |= CURL_CSELECT_ERR;
		int running = 0;
		curl_multi_socket_action(multi_, events[i].data.fd, flags, &running);
	}
	return count > 0;
}

bool HttpClient::run_timer() {
	if (!timer_at_ || *timer_at_ > now())
		return false;
	// libcurl sets it anew when it wants to be called again.
	timer_at_.reset();
	int running = 0;
	curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
	return true;
}

void HttpClient::collect() {
	int left = 0;
	while (CURLMsg *message = curl_multi_info_read(multi_, &left)) {
		if (message->msg != CURLMSG_DONE)
			continue;
		const CURLcode code = message->data.result;
		char *data = nullptr;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &data);
		// The compiler cannot see it: libcurl's PRIVATE is a char pointer.
		auto *transfer = static_cast<Transfer *>(static_cast<void *>(data));
		done_.push_back(finish(*transfer, code));
		remove(*transfer);
	}
}

namespace {

// The server's word on our certificate comes as an alert, with TLS 1.3 only after the handshake.
bool blames_tls(CURLcode code, const std::string &problem) {
	return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
	       code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE ||
	       problem.find("alert") != std::string::npos;
}

}  // namespace

HttpDone HttpClient::finish(Transfer &transfer, CURLcode code) {
	HttpDone done;
	done.id = transfer.id;
	done.body = std::move(transfer.body);
	done.sent = sent(transfer.id);
	curl_off_t connected_us = 0;
	curl_easy_getinfo(transfer.easy, CURLINFO_CONNECT_TIME_T, &connected_us);
	long connections = 0;
	curl_easy_getinfo(transfer.easy, CURLINFO_NUM_CONNECTS, &connections);
	done.connected = connected_us > 0 || connections == 0;
	if (code == CURLE_OK) {
		curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &done.status);
		return done;
	}
	if (transfer.too_large)
		done.problem =
		    "the answer is larger than " + std::to_string(transfer.max_body_bytes) + " bytes";
	else if (transfer.error_text[0] != '\0')
		done.problem = transfer.error_text.data();
	else
		done.problem = curl_easy_strerror(code);
	tls_is_doubtful_ = tls_is_doubtful_ || blames_tls(code, done.problem);
	return done;
}

std::optional<HttpDone> HttpClient::next_done() {
	if (done_.empty())
		return std::nullopt;
	HttpDone done = std::move(done_.front());
	done_.pop_front();
	return done;
}

std::optional<Instant> HttpClient::deadline() const {
	if (!done_.empty())
		return Instant{};
	return timer_at_;
}

int HttpClient::on_socket(CURL *, curl_socket_t socket, int what, void *self, void *) noexcept {
	const int epoll_fd = static_cast<HttpClient *>(self)->epoll_fd_;
	if (what == CURL_POLL_REMOVE) {
		// libcurl may have closed it already, which took it out.
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, socket, nullptr);
		return 0;
	}
	epoll_event event{};
	event.data.fd = socket;
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, socket, &event) == 0)
		return 0;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, socket, &event) == 0 ? 0 : -1;
}

int HttpClient::on_timer(CURLM *, long timeout_ms, void *self) noexcept {
	auto *client = static_cast<HttpClient *>(self);
	if (timeout_ms < 0)
		client->timer_at_.reset();
	else
		client->timer_at_ = now() + core::milliseconds(timeout_ms);
	return 0;
}

int HttpClient::on_new_socket(void *, curl_socket_t socket, curlsocktype) noexcept {
	// Programs that use the store start others, which must not inherit its connections.
	fcntl(socket, F_SETFD, FD_CLOEXEC);
	setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &tcp_user_timeout_ms,
	           sizeof(tcp_user_timeout_ms));
	return CURL_SOCKOPT_OK;
}

std::size_t HttpClient::on_read(char *buffer, std::size_t size, std::size_t count,
                                void *data) noexcept {
	auto *transfer = static_cast<Transfer *>(data);
	const std::string &body = transfer->request.body;
	const std::size_t part = std::min(size * count, body.size() - transfer->body_read);
	std::memcpy(buffer, body.data() + transfer->body_read, part);
	transfer->body_read += part;
	return part;
}

std::size_t HttpClient::on_write(char *data, std::size_t size, std::size_t count,
                                 void *target) noexcept {
	auto *transfer = static_cast<Transfer *>(target);
	const std::size_t length = size * count;
	if (length > transfer->max_body_bytes - transfer->body.size()) {
		transfer->too_large = true;
		return 0;
	}
	try {
		transfer->body.append(data, length);
	} catch (const std::bad_alloc &) {
		return 0;
	}
	return length;
}

}  // namespace stolon::store::etcd
