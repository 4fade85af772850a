#include "store/etcd/etcd_client.h"

#include <algorithm>

namespace stolon::store::etcd {

namespace {

/// Rounds of process(): what callbacks start is sent in the same call, but not without end.
constexpr int max_rounds = 64;

}  // namespace

EtcdClient::EtcdClient(EtcdOptions options, std::unique_ptr<HttpClient> http)
    : options_(std::move(options)),
      endpoints_(options_.endpoints),
      setback_(endpoints_.size(), options_.setback_limit),
      http_(std::move(http)) {}

TransferId EtcdClient::start_transfer(std::size_t endpoint, const char *path, std::string body,
                                      bool repeatable, Duration connect_timeout, bool watch) {
	HttpRequest request;
	request.url = endpoints_.url(endpoint) + path;
	request.body = std::move(body);
	request.repeatable = repeatable;
	request.connect_timeout = connect_timeout;
	if (!token_.empty())
		request.headers.push_back("Authorization: " + token_);
	// The gateway passes it on to etcd, which then ends a watch on a member that has lost its
	// leader (rpctypes.MetadataRequireLeaderKey) instead of leaving it silent (E-3).
	if (watch)
		request.headers.push_back("Grpc-Metadata-hasleader: true");
	return http_->start(std::move(request));
}

Error EtcdClient::endpoint_error(std::size_t endpoint, const std::string &text) const {
	return Error{ErrorKind::Unavailable, endpoints_.url(endpoint) + ": " + text};
}

void EtcdClient::endpoint_failed(std::size_t endpoint, const Error &error) {
	endpoints_.failed(endpoint, now());
	// A watch there may be silent for ever, and whoever reads elsewhere would not notice.
	std::vector<RequestId> there;
	for (const auto &[id, watch] : watches_) {
		if (watch.endpoint == endpoint && !watch.waits_for_token)
			there.push_back(id);
	}
	for (const RequestId id : there)
		fail_watch(watches_.at(id), Error{ErrorKind::Unavailable, error.message});
}

void EtcdClient::cancel(RequestId id) {
	std::erase_if(reports_, [id](const Report &report) { return report.id == id; });
	if (const auto call = calls_.find(id); call != calls_.end()) {
		owners_.erase(call->second.transfer);
		http_->drop(call->second.transfer);
		calls_.erase(call);
	}
	if (const auto watch = watches_.find(id); watch != watches_.end()) {
		owners_.erase(watch->second.transfer);
		http_->drop(watch->second.transfer);
		watches_.erase(watch);
	}
}

std::optional<Instant> EtcdClient::deadline() const {
	if (!reports_.empty())
		return Instant{};
	std::optional<Instant> first = http_->deadline();
	const auto consider = [&first](Instant when) {
		if (!first || when < *first)
			first = when;
	};
	for (const auto &[id, call] : calls_)
		consider(call.attempt_deadline);
	for (const auto &[id, watch] : watches_) {
		if (!watch.created)
			consider(watch.create_deadline);
	}
	if (token_fetch_)
		consider(token_fetch_->deadline);
	return first;
}

void EtcdClient::process() {
	if (processing_)
		return;
	processing_ = true;
	for (int round = 0; round < max_rounds; round++) {
		http_->process();
		read_watches();
		while (auto done = http_->next_done())
			transfer_done(*done);
		// Answers first: after a pause of the process both may be due.
		expire(now());
		deliver();
		const auto next = deadline();
		if (!next || *next > now())
			break;
	}
	processing_ = false;
}

void EtcdClient::transfer_done(const HttpDone &done) {
	if (token_fetch_ && token_fetch_->transfer == done.id) {
		token_done(done);
		return;
	}
	const auto owner = owners_.find(done.id);
	if (owner == owners_.end())
		return;
	const RequestId id = owner->second;
	owners_.erase(owner);
	if (const auto call = calls_.find(id); call != calls_.end())
		call_done(call->second, done);
	else if (const auto watch = watches_.find(id); watch != watches_.end())
		watch_done(watch->second, done);
}

void EtcdClient::expire(Instant when) {
	if (token_fetch_ && when >= token_fetch_->deadline)
		token_failed(endpoint_error(token_fetch_->endpoint, "no answer in time"));

	std::vector<RequestId> late;
	for (const auto &[id, call] : calls_) {
		if (when >= call.attempt_deadline)
			late.push_back(id);
	}
	for (const RequestId id : late) {
		if (const auto call = calls_.find(id); call != calls_.end())
			expire_call(call->second, when);
	}

	late.clear();
	for (const auto &[id, watch] : watches_) {
		if (!watch.created && when >= watch.create_deadline)
			late.push_back(id);
	}
	for (const RequestId id : late) {
		const auto watch = watches_.find(id);
		if (watch == watches_.end())
			continue;
		const Error error =
		    endpoint_error(watch->second.endpoint, "did not accept a watch in time");
		endpoint_failed(watch->second.endpoint, error);
		if (const auto left = watches_.find(id); left != watches_.end())
			fail_watch(left->second, error);
	}
}

void EtcdClient::deliver() {
	// Only those that are due now: what a callback causes comes in the next round, so that
	// callbacks are never nested.
	for (std::size_t due = reports_.size(); due > 0 && !reports_.empty(); due--) {
		Report report = std::move(reports_.front());
		reports_.pop_front();
		report.call();
	}
}

}  // namespace stolon::store::etcd
