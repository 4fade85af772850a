// HTTP POSTs by libcurl's multi interface, with all sockets in one private epoll fd. It knows
// nothing of etcd. Finished transfers are fetched, not reported, so that whoever handles one may
// start and drop others.
#pragma once

#include <curl/curl.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/etcd/tls_files.h"
#include "store/store.h"

namespace stolon::store::etcd {

struct HttpOptions {
	std::string ca_file, cert_file, key_file;
	bool block_signals = false;  ///< All signals, while libcurl runs.
	std::size_t max_body_bytes = 8 * 1024 * 1024;
};

struct HttpRequest {
	std::string url;
	std::vector<std::string> headers;
	std::string body;
	/// Sending it twice does no harm. If not, the body is handed to libcurl once only, because
	/// libcurl by itself repeats a request whose reused connection died before the answer.
	bool repeatable = true;
	Duration connect_timeout = core::seconds(1);
};

using TransferId = std::uint64_t;

/// The end of a transfer: an answer, or the reason why there is none.
struct HttpDone {
	TransferId id = 0;
	long status = 0;  ///< HTTP's; 0: no complete answer came
	std::string body;
	std::string problem;     ///< "" when there is an answer
	bool sent = false;       ///< Part of the body may have been sent.
	bool connected = false;  ///< The connection had been made.
};

class HttpClient {
public:
	static Result<std::unique_ptr<HttpClient>> create(HttpOptions options);
	~HttpClient();
	HttpClient(const HttpClient &) = delete;
	HttpClient &operator=(const HttpClient &) = delete;

	/// 0 when libcurl is out of memory. No limit of time except for connecting: the caller drops
	/// what takes too long.
	TransferId start(HttpRequest request);
	/// Forgets the transfer and closes its connection. Unknown ids are ignored.
	void drop(TransferId id);
	/// Part of the body may have been sent.
	bool sent(TransferId id) const;
	/// Takes what has come of the body so far.
	std::string take_body(TransferId id);

	void process();
	std::optional<HttpDone> next_done();

	int fd() const { return epoll_fd_; }
	std::optional<Instant> deadline() const;

private:
	struct Transfer;

	HttpClient() = default;
	bool prepare(Transfer &transfer);
	void remove(Transfer &transfer);
	void collect();
	HttpDone finish(Transfer &transfer, CURLcode code);
	void prepare_tls(CURL *easy, CURLcode *first_failure);
	bool run_ready_sockets();
	bool run_timer();

	static int on_socket(CURL *easy, curl_socket_t socket, int what, void *self,
	                     void *socket_data) noexcept;
	static int on_timer(CURLM *multi, long timeout_ms, void *self) noexcept;
	static int on_new_socket(void *self, curl_socket_t socket, curlsocktype purpose) noexcept;
	static std::size_t on_read(char *buffer, std::size_t size, std::size_t count,
	                           void *transfer) noexcept;
	static std::size_t on_write(char *data, std::size_t size, std::size_t count,
	                            void *transfer) noexcept;

	HttpOptions options_;
	TlsFiles tls_;
	/// A connection has failed for a reason that renewed files may mend.
	bool tls_is_doubtful_ = false;
	CURLM *multi_ = nullptr;
	int epoll_fd_ = -1;
	std::optional<Instant> timer_at_;
	TransferId last_id_ = 0;
	std::map<TransferId, std::unique_ptr<Transfer>> transfers_;
	std::deque<HttpDone> done_;
};

}  // namespace stolon::store::etcd
