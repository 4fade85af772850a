// The newest revision seen of each etcd cluster. A member that answers a linearizable request with
// an older one than had been seen when the request was sent serves from the past (E-3), unless the
// whole cluster has gone back.
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

	void forget(const std::string &cluster_id) {
		std::erase_if(seen_,
		              [&cluster_id](const Seen &seen) { return seen.cluster_id == cluster_id; });
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

/// Tells one member that is behind from a cluster that has gone back: one that was restored from a
/// backup, or built anew with the same members, has the same id and may need hours to get where it
/// was. It has gone back when, for `limit` and without an answer from the present in between, most
/// of the endpoints have answered, and all that did from the past. (Not all endpoints: a cluster
/// that has just been restored may well have a member less.)
class Setback {
public:
	Setback(std::size_t endpoints, Duration limit) : behind_(endpoints, false), limit_(limit) {}

	/// This endpoint has answered from the past. Whether the cluster has gone back.
	bool behind(std::size_t endpoint, Instant when) {
		const auto count = [this] { return std::count(behind_.begin(), behind_.end(), true); };
		if (count() == 0)
			since_ = when;
		behind_[endpoint] = true;
		return static_cast<std::size_t>(count()) > behind_.size() / 2 && when - since_ >= limit_;
	}
	/// Somebody has answered from the present.
	void none() { behind_.assign(behind_.size(), false); }

private:
	std::vector<bool> behind_;
	Duration limit_;
	Instant since_;
};

}  // namespace stolon::store::etcd
