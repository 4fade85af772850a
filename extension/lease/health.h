// Whether this master can do its work, as far as shared memory tells: the lease worker may touch
// neither disk nor catalogs. What it finds stands in the beats (Beat::unfit), so that a sentinel
// can give the role to somebody who can (DESIGN 4, Health).
#pragma once

#include <string>

#include "core/base/time.h"
#include "extension/fence/shared.h"

namespace stolon::pg {

class Health {
public:
	/// Looked at before each beat of a mandate. Returns what is wrong as one sentence, or an empty
	/// text. Only time in which this worker ran counts: a machine that was paused is not sick.
	std::string problem(core::Instant now, const Mandate &mandate);

private:
	void look(core::Duration step);
	bool recovery_gets_on();
	bool keeper_has_moved();
	bool wal_write_stands();

	uint64 mandate_sequence_ = 0;
	core::Instant looked_at_;
	// For how long it has been like this at every look.
	core::Duration keeper_still_{0};
	core::Duration recovering_{0};
	core::Duration wal_stalled_{0};
	uint64 keeper_moved_ns_ = 0;
	XLogRecPtr flushed_ = InvalidXLogRecPtr;
	XLogRecPtr replayed_ = InvalidXLogRecPtr;
};

}  // namespace stolon::pg
