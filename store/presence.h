// One etcd lease and the keys that a process publishes under it. A lost lease is granted again and
// the keys put again (E-1): presence is information, never a promise. So are keys that somebody has
// deleted. In the steady state only keepalives and reads are sent, which write nothing in etcd.
#pragma once

#include <memory>
#include <string>

#include "store/store.h"

namespace stolon::store {

class Presence {
public:
	/// `ttl`: how long the keys outlive the process; `request_timeout` of each call.
	Presence(Store &store, Duration ttl, Duration request_timeout);
	~Presence();

	/// Publishes `value` under the lease when it differs from what was last put. Values set while a
	/// put is under way or the store is away are put later; only the newest counts.
	void set(const std::string &key, std::string value);
	/// Sends what is due: grant, keepalive at a third of the TTL, puts, and at two thirds of the
	/// TTL a read of the keys that were put: one that is gone is put again, also one that has been
	/// overwritten without a lease; one under another process's lease is left. What fails is tried
	/// again after growing pauses, of a sixth of the TTL at most. Call after Store::process() and
	/// at wake_at().
	void poll(Instant now);
	Instant wake_at() const;

	std::int64_t lease() const;  ///< 0: none at the moment
	bool published() const;      ///< everything that was set is in the store, under a live lease
	/// Revokes the lease (keys vanish at once). Fire and forget: call Store::process() until idle()
	/// or give up.
	void close();
	bool idle() const;
	void set_times(Duration ttl,
	               Duration request_timeout);  ///< a new TTL takes effect with a new lease

private:
	struct Impl;
	std::unique_ptr<Impl> impl_;
};

}  // namespace stolon::store
