// One connection to a FakeCluster.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "store/fake/fake_cluster.h"

namespace stolon::store {

class FakeStore final : public Store {
public:
	FakeStore(std::shared_ptr<FakeCluster::Impl> cluster, Duration delay);
	~FakeStore() override;

	RequestId range(RangeRequest request, Duration timeout, Callback<RangeResponse> done) override;
	RequestId txn(TxnRequest request, Duration timeout, Callback<TxnResponse> done) override;
	RequestId lease_grant(Duration ttl, Duration timeout,
	                      Callback<LeaseGrantResponse> done) override;
	RequestId lease_keepalive(std::int64_t lease, Duration timeout,
	                          Callback<Duration> done) override;
	RequestId lease_revoke(std::int64_t lease, Duration timeout, Callback<bool> done) override;
	RequestId watch(WatchRequest request, WatchHandler handler) override;
	void cancel(RequestId id) override;

	int fd() const override { return event_fd_; }
	std::optional<Instant> deadline() const override;
	void process() override;
	Instant clock() const override { return cluster_->now; }
	std::string current_endpoint() const override { return "fake"; }

	/// Makes fd() readable.
	void wake();
	void break_watches();
	/// Requests whose time was over before the end of an outage are not carried out any more.
	void outage_ends();

private:
	/// A request that is under way. `carry_out` does it and keeps the answer; `answer` reports it.
	struct Call {
		Instant carry_out_at, answer_at, timeout_at;
		bool write = false;
		bool carried_out = false;
		bool given_up = false;
		bool answer_lost = false;
		std::function<void()> carry_out;
		std::function<void()> answer;
		std::function<void(Error)> fail;
	};
	struct Watch {
		WatchRequest request;
		std::shared_ptr<WatchHandler> handler;
		Instant create_at;
		bool created = false;
		std::int64_t next_revision = 0;
	};
	struct Report {
		RequestId id = 0;
		std::function<void()> call;
	};

	template <typename T>
	RequestId submit(bool write, Duration timeout, std::function<Result<T>()> work,
	                 Callback<T> done);
	void advance_call(RequestId id, Call &call);
	/// False when the watch is at its end.
	bool advance_watch(RequestId id, Watch &watch);
	bool create_watch(RequestId id, Watch &watch);
	void fail_watch(RequestId id, const Watch &watch, Error error);
	void advance();
	bool watch_has_news(const Watch &watch) const;

	std::shared_ptr<FakeCluster::Impl> cluster_;
	Duration delay_;
	int event_fd_ = -1;
	RequestId last_id_ = 0;
	std::map<RequestId, Call> calls_;
	std::map<RequestId, Watch> watches_;
	std::deque<Report> reports_;
	bool processing_ = false;
};

}  // namespace stolon::store
