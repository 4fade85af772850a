// Whether the file system with pg_wal is about to fill up: the next segment that cannot be made is
// a PANIC.
#pragma once

#include <optional>
#include <string>

#include "core/base/time.h"
#include "core/model/health.h"

namespace stolon::pg {

class DiskWatch {
public:
	/// Looks at the disk; may hang as long as it does.
	void look(core::Instant now, const core::HealthLimits &limits);

	/// Too little is free: one sentence, or an empty text.
	std::string shortage() const;
	/// As shortage(), once it has lasted for longer than a WAL write may take, or at all when this
	/// server has crashed before: a master's WAL goes on fitting into the segments that it has.
	std::string lasting_shortage(core::Instant now, const core::HealthLimits &limits) const;

private:
	std::uint64_t wanted_ = 0;
	core::Instant looked_at_;
	std::optional<core::Instant> low_since_;
};

}  // namespace stolon::pg
