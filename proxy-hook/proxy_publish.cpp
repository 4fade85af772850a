// What a proxy tells about itself in the store.
#include <algorithm>

#include "core/model/fields.h"
#include "proxy-hook/proxy.h"

namespace stolon::proxy {

namespace {

using core::Instant;

constexpr auto condition_interval = core::seconds(1);
constexpr auto never = core::seconds(3600);

}  // namespace

/// What others act on; when the pgbouncers have been brought to it.
void Proxy::tell_state(core::ProxyInfo &info, const core::ProxyDecision &decision) {
	info.generation = data_ ? data_->generation : 0;
	info.epoch = state_.epoch;
	info.paused = state_.paused;
	const std::vector<Target *> targets = to_master();
	const bool drained = std::all_of(targets.begin(), targets.end(),
	                                 [](const Target *target) { return target->is_drained(); });
	info.paused_for = drained ? decision.paused_for : "";
	info.master = data_ && !state_.paused ? data_->master : core::DbUid{};
}

/// What people look at.
void Proxy::tell_condition(core::ProxyInfo &info) const {
	info.uid = options_.uid;
	info.host = options_.listen.host;
	info.port = options_.listen.port;
	info.ro_port = options_.ro_port;
	info.processes = static_cast<int>(main_.size() + attached_.size() + read_only_.size());
	info.running = 0;
	for (const auto *group : {&main_, &read_only_}) {
		for (const auto &bouncer : *group) {
			info.running += bouncer->is_running() ? 1 : 0;
		}
	}
	for (const auto &attached : attached_) {
		info.running += attached->is_up() ? 1 : 0;
	}
	info.clients.reset();
	info.waiting.reset();
	for (const auto &watch : watches_) {
		if (watch->count()) {
			info.clients = info.clients.value_or(0) + watch->count()->connected;
			info.waiting = info.waiting.value_or(0) + watch->count()->waiting;
		}
	}
	info.readers.clear();
	if (!read_only_.empty()) {
		for (const core::Backend &backend : read_port_.backends()) {
			info.readers.push_back(backend.host + ":" + std::to_string(backend.port));
		}
		info.readers.resize(std::min(info.readers.size(), core::ValueLimits::max_readers));
	}
	info.readers_at_master = !read_only_.empty() && read_port_.from_master();
}

/// What others act on is published at once, what people look at once a second at most: pgbouncers
/// that die again and again must not fill the store.
Instant Proxy::publish(const core::ProxyDecision &decision, Instant now) {
	core::ProxyInfo info = published_;
	const std::vector<Target *> targets = to_master();
	const bool reached = std::all_of(targets.begin(), targets.end(),
	                                 [](const Target *target) { return target->reached(); });
	if (reached) {
		tell_state(info, decision);
	}
	const bool urgent = info != published_;
	tell_condition(info);
	if (published_.uid.empty() && !reached) {
		return now + never;
	}
	if (!urgent && now < published_at_ + condition_interval) {
		return info == published_ ? now + never : published_at_ + condition_interval;
	}
	if (info != published_) {
		published_ = std::move(info);
		published_at_ = now;
		presence_.set(keys_.proxy_info(options_.uid), core::proxy_info_to_text(published_));
	}
	return now + never;
}

}  // namespace stolon::proxy
