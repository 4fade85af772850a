#include "store/fake/fake_store.h"

#include <algorithm>

#include "store/fake/fake_cluster.h"
#include "store/fake/fake_connection.h"

namespace stolon::store {

FakeCluster::FakeCluster() : impl_(std::make_shared<Impl>()) {}

FakeCluster::~FakeCluster() = default;

std::unique_ptr<Store> FakeCluster::connect(Duration delay) {
	return std::make_unique<FakeStore>(impl_, delay);
}

void FakeCluster::set_now(Instant now) {
	impl_->advance(now);
}

void FakeCluster::set_available(bool yes) {
	if (yes && !impl_->available) {
		for (FakeStore *connection : impl_->connections)
			connection->outage_ends();
	}
	impl_->available = yes;
}

void FakeCluster::lose_next_answer() {
	impl_->lose_next_answer = true;
}

void FakeCluster::break_watches() {
	for (FakeStore *connection : impl_->connections)
		connection->break_watches();
}

void FakeCluster::compact(std::int64_t revision) {
	impl_->compacted = std::min(std::max(impl_->compacted, revision - 1), impl_->revision);
	std::erase_if(impl_->history, [this](const WatchEvent &event) {
		return event.kv.mod_revision <= impl_->compacted;
	});
}

std::int64_t FakeCluster::revision() const {
	return impl_->revision;
}

}  // namespace stolon::store
