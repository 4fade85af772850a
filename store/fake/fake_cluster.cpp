#include "store/fake/fake_cluster.h"

#include <algorithm>

#include "store/fake/fake_connection.h"

namespace stolon::store {

namespace {

/// etcd grants no shorter one with its default election timeout.
constexpr Duration min_ttl = core::seconds(2);

}  // namespace

bool in_range(const std::string &key, const std::string &begin, const std::string &range_end) {
	if (range_end.empty())
		return key == begin;
	if (range_end == std::string(1, '\0'))
		return key >= begin;
	return key >= begin && key < range_end;
}

void FakeCluster::Impl::wake_connections() {
	for (FakeStore *connection : connections)
		connection->wake();
}

std::optional<Instant> FakeCluster::Impl::next_expiry() const {
	std::optional<Instant> first;
	for (const auto &[id, lease] : leases) {
		if (!first || lease.expires_at < *first)
			first = lease.expires_at;
	}
	return first;
}

void FakeCluster::Impl::advance(Instant to) {
	now = std::max(now, to);
	while (true) {
		const auto first =
		    std::min_element(leases.begin(), leases.end(), [](const auto &left, const auto &right) {
			    return left.second.expires_at < right.second.expires_at;
		    });
		if (first == leases.end() || first->second.expires_at > now)
			break;
		drop_lease(first->first);
	}
	wake_connections();
}

std::vector<KeyValue> FakeCluster::Impl::find(const std::string &key, const std::string &range_end,
                                              std::int64_t limit) const {
	std::vector<KeyValue> found;
	for (auto place = keys.lower_bound(key); place != keys.end(); ++place) {
		if (!in_range(place->first, key, range_end))
			break;
		if (limit > 0 && found.size() == static_cast<std::size_t>(limit))
			break;
		found.push_back(place->second);
	}
	return found;
}

bool FakeCluster::Impl::holds(const Compare &compare) const {
	const auto found = keys.find(compare.key);
	if (found == keys.end())
		return compare.expected == 0;
	switch (compare.field) {
		case Compare::Field::ModRevision:
			return found->second.mod_revision == compare.expected;
		case Compare::Field::CreateRevision:
			return found->second.create_revision == compare.expected;
		case Compare::Field::Version:
			return found->second.version == compare.expected;
	}
	return false;
}

Status FakeCluster::Impl::check(const std::vector<Op> &ops) const {
	std::set<std::string> put_keys;
	for (const Op &op : ops) {
		if (op.key.empty())
			return core::invalid("fake store: key is not provided");
		if (op.kind != Op::Kind::Put)
			continue;
		if (!put_keys.insert(op.key).second)
			return core::invalid("fake store: duplicate key given in txn request");
	}
	return {};
}

Result<TxnResponse> FakeCluster::Impl::txn(const TxnRequest &request) {
	for (const auto *ops : {&request.then_ops, &request.else_ops}) {
		if (const Status status = check(*ops); !status.ok())
			return status.error();
	}
	TxnResponse response;
	response.succeeded = std::all_of(request.compares.begin(), request.compares.end(),
	                                 [this](const Compare &compare) { return holds(compare); });
	const auto &ops = response.succeeded ? request.then_ops : request.else_ops;
	for (const Op &op : ops) {
		if (op.kind == Op::Kind::Put && op.lease != 0 && !leases.contains(op.lease))
			return Error{ErrorKind::NotFound, "fake store: requested lease not found"};
	}
	// All writes of a transaction have one revision, and there is none if nothing is written.
	const std::int64_t next = revision + 1;
	bool wrote = false;
	for (const Op &op : ops) {
		response.results.emplace_back();
		if (op.kind == Op::Kind::Get) {
			response.results.back() = find(op.key, op.range_end, 0);
		} else if (op.kind == Op::Kind::Put) {
			put(op, next);
			wrote = true;
		} else if (erase(op.key, op.range_end, next)) {
			wrote = true;
		}
	}
	if (wrote) {
		revision = next;
		wake_connections();
	}
	response.revision = revision;
	return response;
}

void FakeCluster::Impl::put(const Op &op, std::int64_t at) {
	KeyValue &kv = keys[op.key];
	if (kv.version == 0) {
		kv.key = op.key;
		kv.create_revision = at;
	}
	kv.value = op.value;
	kv.mod_revision = at;
	kv.version++;
	kv.lease = op.lease;
	history.push_back(WatchEvent{false, kv});
}

bool FakeCluster::Impl::erase(const std::string &key, const std::string &range_end,
                              std::int64_t at) {
	const auto doomed = find(key, range_end, 0);
	for (const KeyValue &kv : doomed) {
		keys.erase(kv.key);
		WatchEvent event;
		event.deleted = true;
		event.kv.key = kv.key;
		event.kv.mod_revision = at;
		history.push_back(std::move(event));
	}
	return !doomed.empty();
}

LeaseGrantResponse FakeCluster::Impl::grant(Duration ttl) {
	const Duration whole = std::chrono::ceil<core::seconds>(ttl);
	Lease lease;
	lease.ttl = std::max(whole, min_ttl);
	lease.expires_at = now + lease.ttl;
	leases[++last_lease] = lease;
	return LeaseGrantResponse{last_lease, lease.ttl};
}

Result<Duration> FakeCluster::Impl::keepalive(std::int64_t lease) {
	const auto found = leases.find(lease);
	if (found == leases.end())
		return Error{ErrorKind::NotFound, "fake store: the lease is gone"};
	found->second.expires_at = now + found->second.ttl;
	return found->second.ttl;
}

Result<bool> FakeCluster::Impl::revoke(std::int64_t lease) {
	if (!leases.contains(lease))
		return Error{ErrorKind::NotFound, "fake store: requested lease not found"};
	drop_lease(lease);
	return true;
}

void FakeCluster::Impl::drop_lease(std::int64_t lease) {
	leases.erase(lease);
	std::vector<std::string> doomed;
	for (const auto &[key, kv] : keys) {
		if (kv.lease == lease)
			doomed.push_back(key);
	}
	if (doomed.empty())
		return;
	revision++;
	for (const std::string &key : doomed)
		erase(key, {}, revision);
	wake_connections();
}

}  // namespace stolon::store
