#include "store/etcd/endpoints.h"

namespace stolon::store::etcd {

std::optional<std::size_t> Endpoints::choose(const std::vector<bool> &tried) const {
	std::optional<std::size_t> best;
	for (std::size_t step = 0; step < urls_.size(); step++) {
		const std::size_t index = (current_ + step) % urls_.size();
		if (tried[index])
			continue;
		if (index == current_)
			return index;
		if (!best || failed_at_[index] < failed_at_[*best])
			best = index;
	}
	return best;
}

void Endpoints::failed(std::size_t index, Instant when) {
	failed_at_[index] = when;
	if (index != current_)
		return;
	std::vector<bool> others(urls_.size(), false);
	others[index] = true;
	current_ = choose(others).value_or(current_);
}

}  // namespace stolon::store::etcd
