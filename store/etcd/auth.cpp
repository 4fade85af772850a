// User and password: one token for all requests, fetched when the first one needs it and again
// when etcd no longer takes it.
#include "store/etcd/etcd_client.h"

namespace stolon::store::etcd {

using core::Json;

bool EtcdClient::needs_token() const {
	return !options_.user.empty() && token_.empty() && !auth_disabled_;
}

void EtcdClient::fetch_token(std::size_t endpoint, Instant deadline) {
	if (token_fetch_)
		return;
	TokenFetch fetch;
	fetch.endpoint = endpoint;
	fetch.deadline = deadline;
	fetch.transfer = start_transfer(endpoint, "/v3/auth/authenticate",
	                                encode_authenticate(options_.user, options_.password), true,
	                                deadline - now());
	// Out of memory: those who wait for the token run into their deadline.
	if (fetch.transfer != 0)
		token_fetch_ = fetch;
}

void EtcdClient::token_done(const HttpDone &done) {
	const std::size_t endpoint = token_fetch_->endpoint;
	if (done.status == 0) {
		token_failed(endpoint_error(endpoint, done.problem));
		return;
	}
	const auto answer = Json::parse(done.body, {.max_bytes = options_.max_body_bytes});
	if (!answer.ok()) {
		token_failed(endpoint_error(endpoint, "a body that is not JSON"));
		return;
	}
	if (const auto refusal = decode_refusal(done.status, *answer)) {
		Error error = endpoint_error(endpoint, refusal->error.message);
		if (refusal->error.message.find("authentication is not enabled") != std::string::npos) {
			auth_disabled_ = true;
			token_usable();
		} else if (refusal->kind == Refusal::Kind::Endpoint) {
			token_failed(error);
		} else {
			error.kind = ErrorKind::Denied;
			token_denied(error);
		}
		return;
	}
	auto token = decode_authenticate(*answer);
	if (!token.ok()) {
		token_failed(endpoint_error(endpoint, token.error().message));
		return;
	}
	token_ = std::move(token).value();
	token_usable();
}

void EtcdClient::token_usable() {
	token_fetch_.reset();
	// finish() takes calls out of the map, so that it cannot be walked meanwhile.
	std::vector<RequestId> waiting;
	for (const auto &[id, call] : calls_) {
		if (call.waits_for_token)
			waiting.push_back(id);
	}
	for (const RequestId id : waiting)
		send(calls_.at(id));
	waiting.clear();
	for (const auto &[id, watch] : watches_) {
		if (watch.waits_for_token)
			waiting.push_back(id);
	}
	for (const RequestId id : waiting)
		send_watch(watches_.at(id));
}

void EtcdClient::token_failed(const Error &error) {
	const std::size_t endpoint = token_fetch_->endpoint;
	const TransferId transfer = token_fetch_->transfer;
	token_fetch_.reset();
	http_->drop(transfer);
	endpoint_failed(endpoint, error);
	std::vector<RequestId> waiting;
	for (const auto &[id, call] : calls_) {
		if (call.waits_for_token)
			waiting.push_back(id);
	}
	for (const RequestId id : waiting) {
		Call &call = calls_.at(id);
		if (call.endpoint == endpoint)
			attempt_failed(call, false, error);
		else
			fetch_token(call.endpoint, call.attempt_deadline);
	}
	waiting.clear();
	for (const auto &[id, watch] : watches_) {
		if (watch.waits_for_token)
			waiting.push_back(id);
	}
	for (const RequestId id : waiting)
		fail_watch(watches_.at(id), error);
}

void EtcdClient::token_denied(const Error &error) {
	token_fetch_.reset();
	std::vector<RequestId> waiting;
	for (const auto &[id, call] : calls_) {
		if (call.waits_for_token)
			waiting.push_back(id);
	}
	for (const RequestId id : waiting)
		finish(calls_.at(id), error);
	waiting.clear();
	for (const auto &[id, watch] : watches_) {
		if (watch.waits_for_token)
			waiting.push_back(id);
	}
	for (const RequestId id : waiting)
		fail_watch(watches_.at(id), error);
}

}  // namespace stolon::store::etcd
