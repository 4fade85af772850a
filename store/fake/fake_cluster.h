// The inside of FakeCluster: keys with revisions, their history, leases. No time passes here but by
// advance().
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/fake/fake_store.h"

namespace stolon::store {

class FakeStore;

struct FakeCluster::Impl {
	struct Lease {
		Duration ttl{0};
		Instant expires_at;
	};

	Instant now = Instant{core::seconds(1)};
	bool available = true;
	bool lose_next_answer = false;
	std::int64_t revision = 1;
	std::int64_t compacted = 0;
	std::map<std::string, KeyValue> keys;
	std::vector<WatchEvent> history;
	std::map<std::int64_t, Lease> leases;
	std::int64_t last_lease = 0x7000'0000'0000'0000;
	std::set<FakeStore *> connections;

	/// Expires leases in the order of their times, and tells the connections.
	void advance(Instant to);
	void wake_connections();

	std::vector<KeyValue> find(const std::string &key, const std::string &range_end,
	                           std::int64_t limit) const;
	Result<TxnResponse> txn(const TxnRequest &request);
	LeaseGrantResponse grant(Duration ttl);
	Result<Duration> keepalive(std::int64_t lease);
	Result<bool> revoke(std::int64_t lease);
	/// When the next lease expires.
	std::optional<Instant> next_expiry() const;

private:
	bool holds(const Compare &compare) const;
	Status check(const std::vector<Op> &ops) const;
	void put(const Op &op, std::int64_t at);
	bool erase(const std::string &key, const std::string &range_end, std::int64_t at);
	void drop_lease(std::int64_t lease);
};

/// Whether `key` is in the range, in etcd's way of saying ranges.
bool in_range(const std::string &key, const std::string &begin, const std::string &range_end);

}  // namespace stolon::store
