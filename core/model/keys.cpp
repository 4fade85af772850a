#include "core/model/keys.h"

namespace stolon::core {

Keys::Keys(std::string_view prefix, std::string_view cluster_name) {
	if (!prefix.empty() && prefix.back() == '/')
		prefix.remove_suffix(1);
	root_ = std::string(prefix) + "/" + std::string(cluster_name) + "/";
}

std::string Keys::history(std::uint64_t number) const {
	const std::string digits = std::to_string(number);
	constexpr std::size_t width = 20;  // of the highest 64-bit number
	return histories() + std::string(width - digits.size(), '0') + digits;
}

}  // namespace stolon::core
