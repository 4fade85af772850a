// Why a plan decided what it did: a stable rule id ("S-05") and one sentence for the log.
#pragma once

#include <string>

namespace stolon::core {

struct Reason {
	std::string rule;
	std::string text;
	bool operator==(const Reason &) const = default;
};

}  // namespace stolon::core
