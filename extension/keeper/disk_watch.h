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
	/// One sentence when too little has been free for longer than a WAL write may take, or at all
	/// and this server has crashed before; else an empty text. Looks at the disk.
	std::string problem(core::Instant now, const core::HealthLimits &limits);

private:
	std::optional<core::Instant> low_since_;
};

}  // namespace stolon::pg
