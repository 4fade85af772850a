// An in-memory store with the contract of store.h, for tests and the simulator. Time is the
// caller's.
#pragma once

#include <memory>

#include "store/store.h"

namespace stolon::store {

/// The shared state that several FakeStore connections talk to.
class FakeCluster {
public:
	FakeCluster();
	~FakeCluster();

	/// A new connection. `delay` is how long each answer takes on the cluster's clock.
	std::unique_ptr<Store> connect();

	void set_now(Instant now);  ///< moves the clock (never back); leases expire by it
	void set_available(
	    bool yes);  ///< false: requests are not answered (Unknown/Unavailable at their timeout)
	void lose_next_answer();  ///< the next write is done but its answer is lost (Unknown)
	void compact(std::int64_t revision);
	std::int64_t revision() const;

	struct Impl;

private:
	std::shared_ptr<Impl> impl_;
};

}  // namespace stolon::store
