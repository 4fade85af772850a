// Requests with one answer: which endpoint, how long, and what an outcome means.
#include <algorithm>

#include "store/etcd/etcd_client.h"

namespace stolon::store::etcd {

using core::Json;

RequestId EtcdClient::submit(Call call, Duration timeout) {
	const RequestId id = ++last_id_;
	call.id = id;
	call.deadline = now() + timeout;
	call.tried.assign(endpoints_.size(), false);
	const auto [place, inserted] = calls_.emplace(id, std::move(call));
	next_attempt(place->second);
	return id;
}

void EtcdClient::next_attempt(Call &call) {
	const auto endpoint = endpoints_.choose(call.tried);
	const bool in_time = now() < call.deadline;
	if (!endpoint || !in_time) {
		if (call.last_error.message.empty())
			call.last_error.message = "no time was left to ask etcd";
		finish(call, Error{ErrorKind::Unavailable, call.last_error.message});
		return;
	}
	call.endpoint = *endpoint;
	begin_attempt(call);
}

void EtcdClient::begin_attempt(Call &call) {
	call.tried[call.endpoint] = true;
	const Instant start = now();
	Duration budget = call.deadline - start;
	// Half of what is left, so that an endpoint that is silent leaves time for another.
	if (endpoints_.choose(call.tried))
		budget /= 2;
	call.attempt_deadline = start + budget;
	if (needs_token()) {
		call.waits_for_token = true;
		fetch_token(call.endpoint, call.attempt_deadline);
		return;
	}
	send(call);
}

void EtcdClient::send(Call &call) {
	call.waits_for_token = false;
	call.seen_before = revisions_;
	call.transfer = start_transfer(call.endpoint, call.path, call.body, !call.write,
	                               call.attempt_deadline - now());
	if (call.transfer == 0) {
		finish(call, Error{ErrorKind::Unavailable, "libcurl is out of memory"});
		return;
	}
	owners_[call.transfer] = call.id;
}

void EtcdClient::attempt_failed(Call &call, bool sent, Error error) {
	if (call.transfer != 0) {
		owners_.erase(call.transfer);
		http_->drop(std::exchange(call.transfer, 0));
	}
	call.waits_for_token = false;
	call.last_error = error;
	endpoint_failed(call.endpoint, error);
	if (call.write && sent) {
		finish(call, Error{ErrorKind::Unknown,
		                   error.message + " (the write may have been done all the same)"});
		return;
	}
	next_attempt(call);
}

void EtcdClient::call_done(Call &call, const HttpDone &done) {
	call.transfer = 0;
	if (done.status == 0) {
		attempt_failed(call, done.sent, endpoint_error(call.endpoint, done.problem));
		return;
	}
	auto answer = Json::parse(done.body, {.max_bytes = options_.max_body_bytes});
	if (!answer.ok()) {
		const std::string text =
		    "HTTP status " + std::to_string(done.status) + " and a body that is not JSON";
		attempt_failed(call, true, endpoint_error(call.endpoint, text));
		return;
	}
	if (auto refusal = decode_refusal(done.status, *answer)) {
		Error error = endpoint_error(call.endpoint, refusal->error.message);
		error.kind = refusal->error.kind;
		if (refusal->kind == Refusal::Kind::Endpoint)
			attempt_failed(call, true, std::move(error));
		else if (refusal->kind == Refusal::Kind::Token)
			renew_token_for(call, error);
		else
			finish(call, std::move(error));
		return;
	}
	const Header header = decode_header(*answer);
	if (from_the_past(call, header))
		return;
	revisions_.note(header);
	endpoints_.worked(call.endpoint);
	finish(call, std::move(*answer));
}

bool EtcdClient::from_the_past(Call &call, const Header &header) {
	// Not what was forgotten while it was under way.
	const std::int64_t seen =
	    std::min(call.seen_before.newest(header.cluster_id), revisions_.newest(header.cluster_id));
	if (header.revision >= seen) {
		setback_.none();
		return false;
	}
	if (!call.check_revision)
		return false;
	if (setback_.behind(call.endpoint, now())) {
		revisions_.forget(header.cluster_id);
		setback_.none();
		return false;
	}
	const std::string text = "answered from the past, revision " + std::to_string(header.revision) +
	                         " after " + std::to_string(seen) +
	                         " (if etcd has been restored, this is accepted in a while)";
	attempt_failed(call, true, endpoint_error(call.endpoint, text));
	return true;
}

void EtcdClient::renew_token_for(Call &call, const Error &error) {
	// etcd refused before it did anything, so that a write may be sent again.
	if (options_.user.empty() || call.token_renewed) {
		finish(call, error);
		return;
	}
	call.token_renewed = true;
	auth_disabled_ = false;
	token_.clear();
	begin_attempt(call);
}

void EtcdClient::finish(Call &call, Result<Json> result) {
	const RequestId id = call.id;
	if (call.transfer != 0) {
		owners_.erase(call.transfer);
		http_->drop(call.transfer);
	}
	reports_.push_back({id, [done = std::move(call.done), result = std::move(result)]() mutable {
		                    done(std::move(result));
	                    }});
	calls_.erase(id);
}

void EtcdClient::expire_call(Call &call, Instant when) {
	if (when < call.attempt_deadline)
		return;
	const bool sent = call.transfer != 0 && http_->sent(call.transfer);
	if (call.write && sent && when < call.deadline) {
		// It cannot go elsewhere any more, so that it may as well have all the time there is.
		call.attempt_deadline = call.deadline;
		return;
	}
	attempt_failed(call, sent, endpoint_error(call.endpoint, "no answer in time"));
}

namespace {

/// A callback that takes etcd's answer apart for the caller's. An answer that makes no sense is, to
/// a read, none; a write may have been done.
template <typename T, typename Decode>
std::function<void(Result<Json>)> decoded(Callback<T> done, Decode decode, ErrorKind senseless) {
	return [done = std::move(done), decode, senseless](Result<Json> answer) {
		if (!answer.ok()) {
			done(answer.error());
			return;
		}
		Result<T> result = decode(*answer);
		if (!result.ok() && result.error().kind == ErrorKind::Invalid)
			result = Error{senseless, result.error().message};
		done(std::move(result));
	};
}

}  // namespace

RequestId EtcdClient::range(RangeRequest request, Duration timeout, Callback<RangeResponse> done) {
	Call call;
	call.path = "/v3/kv/range";
	call.body = encode_range(request);
	call.check_revision = true;
	call.done = decoded<RangeResponse>(std::move(done), decode_range, ErrorKind::Unavailable);
	return submit(std::move(call), timeout);
}

RequestId EtcdClient::txn(TxnRequest request, Duration timeout, Callback<TxnResponse> done) {
	const auto writes = [](const Op &op) { return op.kind != Op::Kind::Get; };
	Call call;
	call.path = "/v3/kv/txn";
	call.body = encode_txn(request);
	call.write = std::any_of(request.then_ops.begin(), request.then_ops.end(), writes) ||
	             std::any_of(request.else_ops.begin(), request.else_ops.end(), writes);
	call.check_revision = true;
	call.done = decoded<TxnResponse>(std::move(done), decode_txn,
	                                 call.write ? ErrorKind::Unknown : ErrorKind::Unavailable);
	return submit(std::move(call), timeout);
}

RequestId EtcdClient::lease_grant(Duration ttl, Duration timeout,
                                  Callback<LeaseGrantResponse> done) {
	const auto whole = std::chrono::ceil<core::seconds>(ttl).count();
	Call call;
	call.path = "/v3/lease/grant";
	call.body = encode_lease_grant(std::max<std::int64_t>(1, whole));
	call.write = true;
	call.done =
	    decoded<LeaseGrantResponse>(std::move(done), decode_lease_grant, ErrorKind::Unknown);
	return submit(std::move(call), timeout);
}

RequestId EtcdClient::lease_keepalive(std::int64_t lease, Duration timeout,
                                      Callback<Duration> done) {
	Call call;
	call.path = "/v3/lease/keepalive";
	call.body = encode_lease_id(lease);
	// Renewing twice does no harm, so that it may go to the next endpoint. Its header tells the
	// revision of the member that passed it on, which may rightly be behind.
	call.done = decoded<Duration>(std::move(done), decode_lease_keepalive, ErrorKind::Unavailable);
	return submit(std::move(call), timeout);
}

RequestId EtcdClient::lease_revoke(std::int64_t lease, Duration timeout, Callback<bool> done) {
	Call call;
	call.path = "/v3/lease/revoke";
	call.body = encode_lease_id(lease);
	call.write = true;
	call.done = decoded<bool>(
	    std::move(done), [](const Json &) { return Result<bool>(true); }, ErrorKind::Unknown);
	return submit(std::move(call), timeout);
}

}  // namespace stolon::store::etcd
