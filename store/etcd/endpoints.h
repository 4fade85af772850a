// Which member of etcd to talk to: one as long as it works, then the one that failed longest ago.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/store.h"

namespace stolon::store::etcd {

class Endpoints {
public:
	/// `urls` must not be empty.
	explicit Endpoints(std::vector<std::string> urls) : urls_(std::move(urls)) {
		failed_at_.resize(urls_.size());
	}

	std::size_t size() const { return urls_.size(); }
	const std::string &url(std::size_t index) const { return urls_[index]; }

	/// Where the next request goes first.
	std::size_t current() const { return current_; }
	/// Where to go next, when those in `tried` (one flag per endpoint) are out of question.
	std::optional<std::size_t> choose(const std::vector<bool> &tried) const;

	/// If it was the current one, another becomes current: one that is unreachable is paid for once
	/// and not with every request.
	void failed(std::size_t index, Instant when);
	void worked(std::size_t index) { failed_at_[index] = Instant{}; }

private:
	std::vector<std::string> urls_;
	std::vector<Instant> failed_at_;  ///< Zero: works, or was never tried.
	std::size_t current_ = 0;
};

}  // namespace stolon::store::etcd
