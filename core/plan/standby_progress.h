// Whether a standby gets on, from what its keeper tells: noted by every sentinel, on its own clock.
#pragma once

#include "core/base/time.h"
#include "core/model/info.h"

namespace stolon::core {

class StandbyProgress {
public:
	/// Takes in what the keeper tells now, which was first seen at `seen_at`. The same again
	/// changes nothing.
	void note(const KeeperInfo &info, Instant seen_at) {
		const bool further =
		    info.db != last_.db || info.position.timeline != last_.position.timeline ||
		    info.position.lsn > last_.position.lsn || info.replayed > last_.replayed;
		// Until the moment in which it was seen not to stream any more, it did.
		if (further || info.streaming != last_.streaming) {
			got_on_at_ = seen_at;
		}
		last_.db = info.db;
		last_.streaming = info.streaming;
		if (further) {
			last_.position = info.position;
			last_.replayed = info.replayed;
		}
	}

	bool streams() const { return last_.streaming; }
	/// When it was last seen to stream, or to have got further.
	Instant got_on_at() const { return got_on_at_; }

private:
	KeeperInfo last_;
	Instant got_on_at_;
};

}  // namespace stolon::core
