// Logging of what is tried again and again: the same sentence not more often than every ten
// seconds.
#pragma once

#include <spdlog/spdlog.h>

#include <string>

#include "core/base/time.h"
#include "store/store.h"

namespace stolon::proxy {

class Complaint {
public:
	void error(const std::string &text) {
		const core::Instant now = store::now();
		if (text != last_ || now >= again_at_) {
			spdlog::error("{}", text);
			last_ = text;
			again_at_ = now + core::seconds(10);
		}
	}
	/// All is well again: the next one is logged in any case.
	void forget() { last_.clear(); }

private:
	std::string last_;
	core::Instant again_at_;
};

}  // namespace stolon::proxy
