#include "extension/keeper/disk_watch.h"

#include <sys/statvfs.h>

#include "extension/fence/shared.h"

namespace stolon::pg {

namespace {

constexpr std::uint64_t mebibyte = 1024 * 1024;

// Relative to the data directory, which is every server process' working directory. What cannot be
// found out counts as free.
std::uint64_t free_bytes() {
	struct statvfs where = {};
	if (statvfs("pg_wal", &where) != 0)
		return UINT64_MAX;
	return static_cast<std::uint64_t>(where.f_bavail) * where.f_frsize;
}

}  // namespace

std::string DiskWatch::problem(core::Instant now, const core::HealthLimits &limits) {
	const std::uint64_t free = limits.min_wal_free == 0 ? UINT64_MAX : free_bytes();
	if (free >= limits.min_wal_free) {
		low_since_.reset();
		return {};
	}
	if (!low_since_)
		low_since_ = now;
	if (now - *low_since_ < limits.wal_stall && crash_restarts() == 0)
		return {};
	return "only " + std::to_string(free / mebibyte) +
	       " MiB are free where pg_wal lies (minWalFreeSpace is " +
	       std::to_string(limits.min_wal_free / mebibyte) + " MiB)";
}

}  // namespace stolon::pg
