#include "store/fake/fake_connection.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace stolon::store {

namespace {

constexpr int max_rounds = 64;

}  // namespace

FakeStore::FakeStore(std::shared_ptr<FakeCluster::Impl> cluster, Duration delay)
    : cluster_(std::move(cluster)),
      delay_(delay),
      event_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
	cluster_->connections.insert(this);
}

FakeStore::~FakeStore() {
	cluster_->connections.erase(this);
	if (event_fd_ >= 0)
		close(event_fd_);
}

void FakeStore::wake() {
	const std::uint64_t one = 1;
	// It fails only when the counter is full, and then the fd is readable already.
	[[maybe_unused]] const ssize_t written = write(event_fd_, &one, sizeof(one));
}

template <typename T>
RequestId FakeStore::submit(bool write, Duration timeout, std::function<Result<T>()> work,
                            Callback<T> done) {
	const RequestId id = ++last_id_;
	auto outcome = std::make_shared<std::optional<Result<T>>>();
	auto shared_done = std::make_shared<Callback<T>>(std::move(done));
	Call call;
	call.write = write;
	call.carry_out_at = cluster_->now + delay_ / 2;
	call.answer_at = cluster_->now + delay_;
	call.timeout_at = cluster_->now + timeout;
	call.carry_out = [work = std::move(work), outcome] { *outcome = work(); };
	call.answer = [outcome, shared_done] { (*shared_done)(std::move(**outcome)); };
	call.fail = [shared_done](Error error) { (*shared_done)(std::move(error)); };
	calls_.emplace(id, std::move(call));
	wake();
	return id;
}

RequestId FakeStore::range(RangeRequest request, Duration timeout, Callback<RangeResponse> done) {
	auto work = [cluster = cluster_, request = std::move(request)]() -> Result<RangeResponse> {
		if (request.key.empty())
			return core::invalid("fake store: key is not provided");
		RangeResponse response;
		response.revision = cluster->revision;
		response.kvs = cluster->find(request.key, request.range_end, request.limit);
		return response;
	};
	return submit<RangeResponse>(false, timeout, std::move(work), std::move(done));
}

RequestId FakeStore::txn(TxnRequest request, Duration timeout, Callback<TxnResponse> done) {
	const auto writes = [](const Op &op) { return op.kind != Op::Kind::Get; };
	const bool write = std::any_of(request.then_ops.begin(), request.then_ops.end(), writes) ||
	                   std::any_of(request.else_ops.begin(), request.else_ops.end(), writes);
	auto work = [cluster = cluster_, request = std::move(request)] {
		return cluster->txn(request);
	};
	return submit<TxnResponse>(write, timeout, std::move(work), std::move(done));
}

RequestId FakeStore::lease_grant(Duration ttl, Duration timeout,
                                 Callback<LeaseGrantResponse> done) {
	auto work = [cluster = cluster_, ttl] {
		return Result<LeaseGrantResponse>(cluster->grant(ttl));
	};
	return submit<LeaseGrantResponse>(true, timeout, std::move(work), std::move(done));
}

RequestId FakeStore::lease_keepalive(std::int64_t lease, Duration timeout,
                                     Callback<Duration> done) {
	auto work = [cluster = cluster_, lease] { return cluster->keepalive(lease); };
	return submit<Duration>(false, timeout, std::move(work), std::move(done));
}

RequestId FakeStore::lease_revoke(std::int64_t lease, Duration timeout, Callback<bool> done) {
	auto work = [cluster = cluster_, lease] { return cluster->revoke(lease); };
	return submit<bool>(true, timeout, std::move(work), std::move(done));
}

RequestId FakeStore::watch(WatchRequest request, WatchHandler handler) {
	const RequestId id = ++last_id_;
	Watch watch;
	watch.request = std::move(request);
	watch.handler = std::make_shared<WatchHandler>(std::move(handler));
	watch.create_at = cluster_->now + delay_;
	watches_.emplace(id, std::move(watch));
	wake();
	return id;
}

void FakeStore::cancel(RequestId id) {
	std::erase_if(reports_, [id](const Report &report) { return report.id == id; });
	const auto call = calls_.find(id);
	if (call != calls_.end()) {
		// Like a request that is on its way: a cancelled write may still happen.
		if (call->second.write && !call->second.carried_out && cluster_->available)
			call->second.carry_out();
		calls_.erase(call);
	}
	watches_.erase(id);
}

void FakeStore::advance_call(RequestId id, Call &call) {
	const Instant when = cluster_->now;
	if (cluster_->available && !call.carried_out && !call.given_up && when >= call.carry_out_at &&
	    call.carry_out_at <= call.timeout_at) {
		call.carried_out = true;
		call.answer_lost = call.write && std::exchange(cluster_->lose_next_answer, false);
		call.carry_out();
	}
	const bool answered = cluster_->available && call.carried_out && !call.answer_lost;
	if (answered && when >= call.answer_at && call.answer_at <= call.timeout_at) {
		reports_.push_back({id, std::move(call.answer)});
	} else if (when >= call.timeout_at) {
		const Error error{call.write ? ErrorKind::Unknown : ErrorKind::Unavailable,
		                  "fake store: no answer in time"};
		reports_.push_back({id, [fail = std::move(call.fail), error] { fail(error); }});
	} else {
		return;
	}
	calls_.erase(id);
}

void FakeStore::fail_watch(RequestId id, const Watch &watch, Error error) {
	reports_.push_back({id, [handler = watch.handler, error = std::move(error)] {
		                    if (handler->failed)
			                    handler->failed(error);
	                    }});
	watches_.erase(id);
}

bool FakeStore::create_watch(RequestId id, Watch &watch) {
	watch.created = true;
	const std::int64_t start = watch.request.start_revision;
	watch.next_revision = start > 0 ? start : cluster_->revision + 1;
	reports_.push_back({id, [handler = watch.handler, revision = cluster_->revision] {
		                    if (handler->created)
			                    handler->created(revision);
	                    }});
	if (start > 0 && start <= cluster_->compacted) {
		fail_watch(id, watch, Error{ErrorKind::Compacted, "fake store: revision is compacted"});
		return false;
	}
	return true;
}

bool FakeStore::watch_has_news(const Watch &watch) const {
	return !watch.created || (!cluster_->history.empty() &&
	                          cluster_->history.back().kv.mod_revision >= watch.next_revision);
}

bool FakeStore::advance_watch(RequestId id, Watch &watch) {
	if (!cluster_->available || cluster_->now < watch.create_at || !watch_has_news(watch))
		return true;
	if (!watch.created && !create_watch(id, watch))
		return false;
	std::vector<WatchEvent> events;
	for (const WatchEvent &event : cluster_->history) {
		if (event.kv.mod_revision >= watch.next_revision &&
		    in_range(event.kv.key, watch.request.key, watch.request.range_end))
			events.push_back(event);
	}
	watch.next_revision = std::max(watch.next_revision, cluster_->revision + 1);
	if (events.empty())
		return true;
	const std::int64_t revision = events.back().kv.mod_revision;
	reports_.push_back({id, [handler = watch.handler, revision, events = std::move(events)] {
		                    if (handler->events)
			                    handler->events(revision, events);
	                    }});
	return true;
}

void FakeStore::outage_ends() {
	for (auto &[id, call] : calls_) {
		if (!call.carried_out && call.timeout_at <= cluster_->now)
			call.given_up = true;
	}
	wake();
}

void FakeStore::break_watches() {
	while (!watches_.empty()) {
		const auto &[id, watch] = *watches_.begin();
		fail_watch(id, Watch(watch),
		           Error{ErrorKind::Unavailable, "fake store: the watch stream ended"});
	}
	wake();
}

void FakeStore::advance() {
	std::vector<RequestId> ids;
	for (const auto &[id, call] : calls_)
		ids.push_back(id);
	for (const RequestId id : ids)
		advance_call(id, calls_.at(id));
	ids.clear();
	for (const auto &[id, watch] : watches_)
		ids.push_back(id);
	for (const RequestId id : ids)
		advance_watch(id, watches_.at(id));
}

void FakeStore::process() {
	if (processing_)
		return;
	processing_ = true;
	std::uint64_t count = 0;
	[[maybe_unused]] const ssize_t length = read(event_fd_, &count, sizeof(count));
	for (int round = 0; round < max_rounds; round++) {
		advance();
		if (reports_.empty())
			break;
		for (std::size_t due = reports_.size(); due > 0 && !reports_.empty(); due--) {
			Report report = std::move(reports_.front());
			reports_.pop_front();
			report.call();
		}
	}
	processing_ = false;
}

std::optional<Instant> FakeStore::deadline() const {
	if (!reports_.empty())
		return Instant{};
	std::optional<Instant> first;
	const auto consider = [&first](Instant when) {
		if (!first || when < *first)
			first = when;
	};
	for (const auto &[id, call] : calls_) {
		consider(call.timeout_at);
		if (!cluster_->available)
			continue;
		if (!call.carried_out)
			consider(call.carry_out_at);
		else if (!call.answer_lost)
			consider(call.answer_at);
	}
	for (const auto &[id, watch] : watches_) {
		if (cluster_->available && watch_has_news(watch))
			consider(watch.create_at);
	}
	return first;
}

}  // namespace stolon::store
