#include "stolonctl/cluster_view.h"

#include "core/base/json.h"

namespace stolon::ctl {

namespace {

/// Reads one value into a map by the uid in its key, or notes why not.
template <typename Uid, typename Value>
void take(ClusterView &view, std::map<Uid, Value> &into, const store::KeyValue &kv,
          std::size_t prefix_length, core::Result<Value> (*parse)(std::string_view)) {
	core::Result<Uid> uid = Uid::parse(std::string_view(kv.key).substr(prefix_length));
	if (!uid) {
		view.problems.push_back(kv.key + ": " + uid.error().message);
		return;
	}
	core::Result<Value> value = parse(kv.value);
	if (!value) {
		view.problems.push_back(kv.key + ": " + value.error().message);
		return;
	}
	into.emplace(std::move(*uid), std::move(*value));
}

void take_event(ClusterView &view, const store::KeyValue &kv) {
	core::Result<core::HistoryEvent> event = core::parse_history_event(kv.value);
	if (!event) {
		view.problems.push_back(kv.key + ": " + event.error().message);
		return;
	}
	// Keys sort by number, so the last one wins.
	view.last_event = std::move(*event);
}

/// The leader's uid is the value of the key: plain, or in the leader's info.
core::SentinelUid read_leader(const std::string &value) {
	if (core::Result<core::SentinelUid> uid = core::SentinelUid::parse(value)) {
		return *uid;
	}
	if (core::Result<core::SentinelInfo> info = core::parse_sentinel_info(value)) {
		return info->uid;
	}
	return {};
}

void take_any(ClusterView &view, const core::Keys &keys, const store::KeyValue &kv) {
	if (kv.key.starts_with(keys.keeper_infos())) {
		take(view, view.infos, kv, keys.keeper_infos().size(), core::parse_keeper_info);
	} else if (kv.key.starts_with(keys.nodes())) {
		take(view, view.nodes, kv, keys.nodes().size(), core::parse_node_info);
	} else if (kv.key.starts_with(keys.beats())) {
		take(view, view.beats, kv, keys.beats().size(), core::parse_beat);
	} else if (kv.key.starts_with(keys.sentinel_infos())) {
		take(view, view.sentinels, kv, keys.sentinel_infos().size(), core::parse_sentinel_info);
	} else if (kv.key.starts_with(keys.proxy_infos())) {
		take(view, view.proxies, kv, keys.proxy_infos().size(), core::parse_proxy_info);
	} else if (kv.key.starts_with(keys.histories())) {
		take_event(view, kv);
	} else if (kv.key == keys.sentinel_leader()) {
		view.leader = read_leader(kv.value);
		if (view.leader.empty()) {
			view.problems.push_back(kv.key + ": does not name a sentinel");
		}
	}
}

}  // namespace

core::Result<ClusterView> make_view(const core::Keys &keys,
                                    const std::vector<store::KeyValue> &kvs) {
	ClusterView view;
	for (const store::KeyValue &kv : kvs) {
		if (kv.lease == 0) {
			view.lasting_keys.push_back(kv.key);
		}
		if (kv.value.size() > core::ModelLimits::max_value_bytes) {
			if (kv.key == keys.clusterdata()) {
				return core::invalid(kv.key + " is damaged: it has " +
				                     std::to_string(kv.value.size()) + " bytes");
			}
			view.problems.push_back(kv.key + ": too large");
			continue;
		}
		if (kv.key == keys.clusterdata()) {
			core::Result<core::ClusterData> data = core::parse_clusterdata(kv.value);
			if (!data) {
				return core::invalid(kv.key + " is damaged: " + data.error().message);
			}
			view.data = std::move(*data);
			view.data_revision = kv.mod_revision;
			continue;
		}
		take_any(view, keys, kv);
	}
	return view;
}

}  // namespace stolon::ctl
