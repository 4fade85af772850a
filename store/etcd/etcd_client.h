// The Store that speaks to etcd. Unary calls are in calls.cpp, authentication in auth.cpp, watches
// in watches.cpp, the rest in etcd_client.cpp.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "store/etcd/codec.h"
#include "store/etcd/endpoints.h"
#include "store/etcd/etcd_store.h"
#include "store/etcd/http_client.h"
#include "store/etcd/revisions.h"

namespace stolon::store::etcd {

class EtcdClient final : public Store {
public:
	EtcdClient(EtcdOptions options, std::unique_ptr<HttpClient> http);

	RequestId range(RangeRequest request, Duration timeout, Callback<RangeResponse> done) override;
	RequestId txn(TxnRequest request, Duration timeout, Callback<TxnResponse> done) override;
	RequestId lease_grant(Duration ttl, Duration timeout,
	                      Callback<LeaseGrantResponse> done) override;
	RequestId lease_keepalive(std::int64_t lease, Duration timeout,
	                          Callback<Duration> done) override;
	RequestId lease_revoke(std::int64_t lease, Duration timeout, Callback<bool> done) override;
	RequestId watch(WatchRequest request, WatchHandler handler) override;
	void cancel(RequestId id) override;

	int fd() const override { return http_->fd(); }
	std::optional<Instant> deadline() const override;
	void process() override;
	std::string current_endpoint() const override { return endpoints_.url(endpoints_.current()); }

private:
	using Answer = std::function<void(Result<core::Json>)>;

	/// A request with one answer, from the caller's call to its callback.
	struct Call {
		RequestId id = 0;
		const char *path = "";
		std::string body;
		bool write = false;           ///< Without an answer its outcome is unknown.
		bool check_revision = false;  ///< Its answer must not come from the past.
		Instant deadline;
		Answer done;

		// The present attempt.
		std::size_t endpoint = 0;
		Instant attempt_deadline;
		TransferId transfer = 0;
		bool waits_for_token = false;
		Revisions seen_before;  ///< What had been seen when it was sent.

		// The attempts before.
		std::vector<bool> tried;
		bool token_renewed = false;
		Error last_error;
	};

	struct Watch {
		RequestId id = 0;
		std::string body;
		std::shared_ptr<WatchHandler> handler;
		std::size_t endpoint = 0;
		TransferId transfer = 0;
		bool waits_for_token = false;
		bool token_renewed = false;
		bool created = false;
		Instant create_deadline;
		std::string input;         ///< What came and is not a whole line yet.
		std::size_t searched = 0;  ///< So much of `input` has no line end.
	};

	struct TokenFetch {
		TransferId transfer = 0;
		std::size_t endpoint = 0;
		Instant deadline;
	};

	/// A callback that is due. It is only ever called from process().
	struct Report {
		RequestId id = 0;
		std::function<void()> call;
	};

	RequestId submit(Call call, Duration timeout);
	void next_attempt(Call &call);
	void begin_attempt(Call &call);
	void send(Call &call);
	void attempt_failed(Call &call, bool sent, Error error);
	void call_done(Call &call, const HttpDone &done);
	/// Whether the call has ended, or goes elsewhere, since this answer is older than another was.
	bool from_the_past(Call &call, const Header &header);
	void renew_token_for(Call &call, const Error &error);
	void finish(Call &call, Result<core::Json> result);
	void expire_call(Call &call, Instant when);

	bool needs_token() const;
	void fetch_token(std::size_t endpoint, Instant deadline);
	void token_done(const HttpDone &done);
	void token_usable();
	void token_failed(const Error &error);
	void token_denied(const Error &error);

	void begin_watch(Watch &watch);
	void send_watch(Watch &watch);
	/// False when the watch is at its end.
	bool read_lines(Watch &watch);
	bool watch_line(Watch &watch, const std::string &line);
	bool watch_message(Watch &watch, WatchMessage message);
	bool watch_refused(Watch &watch, const Refusal &refusal);
	void watch_done(Watch &watch, const HttpDone &done);
	void fail_watch(Watch &watch, Error error);
	void read_watches();

	void endpoint_failed(std::size_t endpoint, const Error &error);
	Error endpoint_error(std::size_t endpoint, const std::string &text) const;
	TransferId start_transfer(std::size_t endpoint, const char *path, std::string body,
	                          bool repeatable, Duration connect_timeout, bool watch = false);
	void transfer_done(const HttpDone &done);
	void expire(Instant when);
	void deliver();

	EtcdOptions options_;
	Endpoints endpoints_;
	Revisions revisions_;
	Setback setback_;
	std::unique_ptr<HttpClient> http_;
	RequestId last_id_ = 0;
	std::map<RequestId, Call> calls_;
	std::map<RequestId, Watch> watches_;
	std::map<TransferId, RequestId> owners_;  ///< Of transfers, but for the token's.
	std::deque<Report> reports_;
	std::optional<TokenFetch> token_fetch_;
	std::string token_;
	bool auth_disabled_ = false;  ///< etcd says that it wants no token.
	bool processing_ = false;
};

}  // namespace stolon::store::etcd
