// Watches: one streaming POST each, whose answer is a line of JSON per message.
#include <algorithm>

#include "store/etcd/etcd_client.h"

namespace stolon::store::etcd {

using core::Json;

namespace {

/// How long etcd may take to accept a watch.
constexpr Duration create_timeout = core::seconds(5);

}  // namespace

RequestId EtcdClient::watch(WatchRequest request, WatchHandler handler) {
	const RequestId id = ++last_id_;
	Watch watch;
	watch.id = id;
	watch.body = encode_watch(request);
	watch.handler = std::make_shared<WatchHandler>(std::move(handler));
	const auto [place, inserted] = watches_.emplace(id, std::move(watch));
	begin_watch(place->second);
	return id;
}

void EtcdClient::begin_watch(Watch &watch) {
	watch.endpoint = endpoints_.current();
	watch.create_deadline = now() + create_timeout;
	if (needs_token()) {
		watch.waits_for_token = true;
		fetch_token(watch.endpoint, watch.create_deadline);
		return;
	}
	send_watch(watch);
}

void EtcdClient::send_watch(Watch &watch) {
	watch.waits_for_token = false;
	watch.input.clear();
	watch.searched = 0;
	watch.transfer =
	    start_transfer(watch.endpoint, "/v3/watch", watch.body, true, create_timeout, true);
	if (watch.transfer == 0) {
		fail_watch(watch, Error{ErrorKind::Unavailable, "libcurl is out of memory"});
		return;
	}
	owners_[watch.transfer] = watch.id;
}

void EtcdClient::read_watches() {
	std::vector<RequestId> ids;
	for (const auto &[id, watch] : watches_)
		ids.push_back(id);
	for (const RequestId id : ids) {
		const auto found = watches_.find(id);
		if (found == watches_.end() || found->second.transfer == 0)
			continue;
		Watch &watch = found->second;
		const std::string data = http_->take_body(watch.transfer);
		if (data.empty())
			continue;
		watch.input += data;
		read_lines(watch);
	}
}

bool EtcdClient::read_lines(Watch &watch) {
	std::size_t start = 0;
	while (true) {
		const std::size_t end = watch.input.find('\n', std::max(start, watch.searched));
		if (end == std::string::npos)
			break;
		const std::string line = watch.input.substr(start, end - start);
		start = end + 1;
		if (!line.empty() && !watch_line(watch, line))
			return false;
	}
	watch.input.erase(0, start);
	watch.searched = watch.input.size();
	if (watch.input.size() > options_.max_body_bytes) {
		fail_watch(watch, endpoint_error(watch.endpoint, "a watch message that is too large"));
		return false;
	}
	return true;
}

bool EtcdClient::watch_line(Watch &watch, const std::string &line) {
	const auto json = Json::parse(line, {.max_bytes = options_.max_body_bytes});
	if (!json.ok()) {
		fail_watch(watch, endpoint_error(watch.endpoint, "a watch message that is not JSON"));
		return false;
	}
	if (const auto refusal = decode_refusal(200, *json))
		return watch_refused(watch, *refusal);
	auto message = decode_watch(json->get("result"));
	if (!message.ok()) {
		fail_watch(watch, endpoint_error(watch.endpoint, message.error().message));
		return false;
	}
	return watch_message(watch, std::move(*message));
}

bool EtcdClient::watch_message(Watch &watch, WatchMessage message) {
	if (message.canceled) {
		if (message.compact_revision > 0) {
			fail_watch(watch,
			           Error{ErrorKind::Compacted,
			                 "etcd has compacted the revision to watch from; it keeps those from " +
			                     std::to_string(message.compact_revision) + " on"});
			return false;
		}
		return watch_refused(watch, classify_refusal(0, message.cancel_reason));
	}
	if (message.created) {
		watch.created = true;
		endpoints_.worked(watch.endpoint);
		reports_.push_back(
		    {watch.id, [handler = watch.handler, revision = message.header.revision] {
			     if (handler->created)
				     handler->created(revision);
		     }});
	}
	if (message.events.empty())
		return true;
	// Not the header's revision: more events up to that one may be on their way.
	std::int64_t revision = 0;
	for (const WatchEvent &event : message.events)
		revision = std::max(revision, event.kv.mod_revision);
	revisions_.note({message.header.cluster_id, revision});
	reports_.push_back({watch.id, [handler = watch.handler, revision,
	                               events = std::move(message.events)]() mutable {
		                    if (handler->events)
			                    handler->events(revision, std::move(events));
	                    }});
	return true;
}

bool EtcdClient::watch_refused(Watch &watch, const Refusal &refusal) {
	Error error = endpoint_error(watch.endpoint, refusal.error.message);
	error.kind = refusal.error.kind;
	// etcd 3.4 answers a watch with an expired token by "permission denied".
	const bool token_may_be_old =
	    !options_.user.empty() && !watch.token_renewed && error.kind == ErrorKind::Denied;
	if (token_may_be_old) {
		owners_.erase(watch.transfer);
		http_->drop(std::exchange(watch.transfer, 0));
		watch.token_renewed = true;
		auth_disabled_ = false;
		token_.clear();
		begin_watch(watch);
		return false;
	}
	if (refusal.kind == Refusal::Kind::Endpoint)
		endpoint_failed(watch.endpoint, error);
	else
		fail_watch(watch, std::move(error));
	return false;
}

void EtcdClient::watch_done(Watch &watch, const HttpDone &done) {
	watch.input += done.body;
	// An error that came instead of a stream, or that ended it, is JSON without a line end.
	if (done.status != 0)
		watch.input += '\n';
	const RequestId id = watch.id;
	if (!read_lines(watch) || !watches_.contains(id))
		return;
	watch.transfer = 0;
	const std::string text = done.problem.empty() ? "the watch stream ended" : done.problem;
	endpoint_failed(watch.endpoint, endpoint_error(watch.endpoint, text));
}

void EtcdClient::fail_watch(Watch &watch, Error error) {
	const RequestId id = watch.id;
	if (watch.transfer != 0) {
		owners_.erase(watch.transfer);
		http_->drop(watch.transfer);
	}
	reports_.push_back({id, [handler = watch.handler, error = std::move(error)] {
		                    if (handler->failed)
			                    handler->failed(error);
	                    }});
	watches_.erase(id);
}

}  // namespace stolon::store::etcd
