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
		// Until the moment in which it was seen not to be well any more, it was.
		if (further || is_well(info) != is_well(last_)) {
			got_on_at_ = seen_at;
		}
		last_.db = info.db;
		last_.streaming = info.streaming;
		last_.replay_held = info.replay_held;
		if (further) {
			last_.position = info.position;
			last_.replayed = info.replayed;
		}
	}

	/// Its keeper is not there (any more), and that was first seen at `seen_at`. The same again
	/// changes nothing.
	void note_absence(Instant seen_at) {
		if (is_well(last_) || got_on_at_ == Instant{}) {
			got_on_at_ = seen_at;
		}
		last_.streaming = last_.replay_held = false;
	}

	/// It streams, or nobody wants it to get on.
	bool is_well() const { return is_well(last_); }
	/// When it was last seen to be well, or to have got further.
	Instant got_on_at() const { return got_on_at_; }

private:
	static bool is_well(const KeeperInfo &info) { return info.streaming || info.replay_held; }

	KeeperInfo last_;
	Instant got_on_at_;
};

}  // namespace stolon::core
