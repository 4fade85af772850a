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

	/// A new connection. `delay` is how long each answer takes on the cluster's clock; a request is
	/// carried out after half of it.
	std::unique_ptr<Store> connect(Duration delay = Duration{0});

	void set_now(Instant now);  ///< moves the clock (never back); leases expire by it
	/// false: requests are not answered (Unknown or Unavailable at their timeout), watches are
	/// silent. What is still waiting when it becomes true again is carried out then.
	void set_available(bool yes);
	void lose_next_answer();  ///< the next write is done but its answer is lost (Unknown)
	void break_watches();     ///< all watches fail with Unavailable
	/// Drops the history before `revision`: a watch from before it fails with Compacted.
	void compact(std::int64_t revision);
	std::int64_t revision() const;

	struct Impl;

private:
	std::shared_ptr<Impl> impl_;
};

}  // namespace stolon::store
