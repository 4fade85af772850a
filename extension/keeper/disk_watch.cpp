#include "extension/keeper/disk_watch.h"

#include <sys/statvfs.h>

#include "extension/fence/shared.h"

namespace stolon::pg {

namespace {

constexpr std::uint64_t mebibyte = 1024 * 1024;
// The keeper worker looks about every second. After a longer pause the time begins anew.
constexpr core::Duration longest_pause = core::seconds(3);

// Relative to the data directory, which is every server process' working directory. What cannot be
// found out counts as free.
std::uint64_t free_bytes() {
	struct statvfs where = {};
	if (statvfs("pg_wal", &where) != 0)
		return UINT64_MAX;
	return static_cast<std::uint64_t>(where.f_bavail) * where.f_frsize;
}

}  // namespace

void DiskWatch::look(core::Instant now, const core::HealthLimits &limits) {
	wanted_ = limits.min_wal_free;
	const bool was_paused = now - looked_at_ > longest_pause;
	looked_at_ = now;
	if (wanted_ == 0 || free_bytes() >= wanted_)
		low_since_.reset();
	else if (!low_since_ || was_paused)
		low_since_ = now;
}

std::string DiskWatch::shortage() const {
	if (!low_since_)
		return {};
	return "less than minWalFreeSpace (" + std::to_string(wanted_ / mebibyte) +
	       " MiB) is free where pg_wal lies";
}

std::string DiskWatch::lasting_shortage(core::Instant now, const core::HealthLimits &limits) const {
	const bool lasts = low_since_ && now - *low_since_ >= limits.wal_stall;
	return lasts || crash_restarts() > 0 ? shortage() : std::string();
}

}  // namespace stolon::pg
