#include "extension/fence/describe.h"

#include <cstdio>

namespace stolon::pg {

bool is_lost(FenceReason reason) {
	return reason == FenceReason::Replaced || reason == FenceReason::NotNamed;
}

bool names_another(const SharedCopy &shared) {
	return is_lost(shared.reason) && shared.other_named;
}

void describe_fence(const SharedCopy &shared, char *out, std::size_t size) {
	const char *separator = shared.store_problem[0] != '\0' ? ": " : "";
	const unsigned long long epoch = shared.successor_epoch;
	if (is_lost(shared.reason) && shared.successor[0] != '\0') {
		std::snprintf(out, size, "It was replaced by keeper \"%s\" in epoch %llu.",
		              shared.successor, epoch);
	} else if (is_lost(shared.reason)) {
		std::snprintf(out, size, "It is not the master of epoch %llu, the last one known here.",
		              epoch);
	} else if (shared.last_beat_ns != 0) {
		const double silent_s = static_cast<double>(boottime_ns() - shared.last_beat_ns) / 1e9;
		std::snprintf(out, size, "The store has confirmed nothing for %.1f s%s%s.", silent_s,
		              separator, shared.store_problem);
	} else {
		std::snprintf(out, size,
		              "The store has not confirmed it as master since it was started%s%s.",
		              separator, shared.store_problem);
	}
}

}  // namespace stolon::pg
