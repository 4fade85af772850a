#include "store/store.h"

#include <ctime>

namespace stolon::store {

Instant now() {
	timespec ts{};
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return Instant{std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec)};
}

core::WallTime wall_now() {
	timespec ts{};
	clock_gettime(CLOCK_REALTIME, &ts);
	return core::WallTime{static_cast<std::int64_t>(ts.tv_sec) * 1000 + ts.tv_nsec / 1000000};
}

std::string prefix_end(std::string_view prefix) {
	std::string end(prefix);
	while (!end.empty()) {
		const auto last = static_cast<unsigned char>(end.back());
		if (last < 0xff) {
			end.back() = static_cast<char>(last + 1);
			return end;
		}
		end.pop_back();
	}
	// etcd's way to say "all keys from here on": one zero byte.
	return std::string(1, '\0');
}

Op Op::put(std::string key, std::string value, std::int64_t lease) {
	Op op;
	op.kind = Kind::Put;
	op.key = std::move(key);
	op.value = std::move(value);
	op.lease = lease;
	return op;
}

Op Op::get(std::string key, std::string range_end) {
	Op op;
	op.kind = Kind::Get;
	op.key = std::move(key);
	op.range_end = std::move(range_end);
	return op;
}

Op Op::erase(std::string key, std::string range_end) {
	Op op;
	op.kind = Kind::Delete;
	op.key = std::move(key);
	op.range_end = std::move(range_end);
	return op;
}

}  // namespace stolon::store
