#include "sentinel/commit.h"

#include <charconv>

namespace stolon::sentinel {

namespace {

using store::Compare;
using store::Op;

Compare unchanged(const std::string &key, std::int64_t mod_revision) {
	return {Compare::Field::ModRevision, key, mod_revision};
}

Compare created_at(const std::string &key, std::int64_t create_revision) {
	return {Compare::Field::CreateRevision, key, create_revision};
}

/// The highest number among the events; other keys there are ignored.
std::uint64_t last_event_number(const core::Keys &keys, const store::Mirror &mirror) {
	std::uint64_t last = 0;
	const std::string prefix = keys.histories();
	const auto [begin, end] = mirror.with_prefix(prefix);
	for (auto it = begin; it != end; ++it) {
		const char *digits = it->first.c_str() + prefix.size();
		const char *stop = it->first.c_str() + it->first.size();
		std::uint64_t number = 0;
		const auto read = std::from_chars(digits, stop, number);
		if (read.ec == std::errc() && read.ptr == stop && it->first == keys.history(number)) {
			last = std::max(last, number);
		}
	}
	return last;
}

void add_event(const core::Keys &keys, const store::Mirror &mirror, core::HistoryEvent event,
               const std::string &time, store::TxnRequest &request) {
	event.number = last_event_number(keys, mirror) + 1;
	event.time = time;
	request.then_ops.push_back(
	    Op::put(keys.history(event.number), core::history_event_to_text(event)));
	if (event.number > max_history_events) {
		request.then_ops.push_back(
		    Op::erase(keys.history(0), keys.history(event.number - max_history_events + 1)));
	}
}

}  // namespace

store::TxnRequest decision_transaction(const core::Keys &keys, const store::Mirror &mirror,
                                       const Basis &basis, const core::SentinelDecision &decision,
                                       const std::string &time) {
	store::TxnRequest request;
	request.compares = {unchanged(keys.clusterdata(), basis.clusterdata_revision),
	                    unchanged(keys.master(), basis.master_revision),
	                    created_at(keys.sentinel_leader(), basis.leader_term)};
	if (decision.guard_beat_of) {
		request.compares.push_back(
		    unchanged(keys.beat(*decision.guard_beat_of), decision.guard_beat_revision));
	}
	request.then_ops.push_back(
	    Op::put(keys.clusterdata(), core::clusterdata_to_text(decision.data)));
	if (decision.write_master) {
		request.then_ops.push_back(Op::put(
		    keys.master(), core::master_key_to_text({decision.data.epoch, decision.data.master})));
	}
	if (decision.event) {
		add_event(keys, mirror, *decision.event, time, request);
	}
	return request;
}

store::TxnRequest initial_transaction(const core::Keys &keys, std::int64_t leader_term,
                                      const core::ClusterData &data) {
	store::TxnRequest request;
	request.compares = {created_at(keys.clusterdata(), 0), created_at(keys.master(), 0),
	                    created_at(keys.sentinel_leader(), leader_term)};
	request.then_ops.push_back(Op::put(keys.clusterdata(), core::clusterdata_to_text(data)));
	return request;
}

}  // namespace stolon::sentinel
