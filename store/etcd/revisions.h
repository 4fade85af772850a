// The newest revision seen of each etcd cluster. A member that answers a linearizable request with
// an older one than had been seen when the request was sent serves from the past (E-3).
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "store/etcd/codec.h"

namespace stolon::store::etcd {

class Revisions {
public:
	void note(const Header &header) {
		if (header.revision <= 0)
			return;
		for (Seen &seen : seen_) {
			if (seen.cluster_id == header.cluster_id) {
				seen.revision = std::max(seen.revision, header.revision);
				return;
			}
		}
		if (seen_.size() == max_clusters)
			seen_.erase(seen_.begin());
		seen_.push_back({header.cluster_id, header.revision});
	}

	/// 0 when nothing is known.
	std::int64_t newest(const std::string &cluster_id) const {
		for (const Seen &seen : seen_) {
			if (seen.cluster_id == cluster_id)
				return seen.revision;
		}
		return 0;
	}

private:
	/// An etcd that was built anew has a new id; more than a few means that something is amiss.
	static constexpr std::size_t max_clusters = 4;
	struct Seen {
		std::string cluster_id;
		std::int64_t revision;
	};
	std::vector<Seen> seen_;
};

}  // namespace stolon::store::etcd
