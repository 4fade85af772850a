// Whether a standby gets on, from what its keeper tells: noted by every sentinel, on its own clock.
#pragma once

#include <algorithm>
#include <string>

#include "core/base/time.h"
#include "core/model/info.h"

namespace stolon::core {

class StandbyProgress {
public:
	/// Takes in what the keeper tells, which was first seen at `seen_at`, and which is looked at
	/// `now`, while `master` is named (empty: nobody is). The same again changes nothing.
	void note(const KeeperInfo &info, const DbUid &master, Instant seen_at, Instant now) {
		begin_with(info.db, seen_at);
		note_moves(info, seen_at);
		// What streams from somebody else may well move; it does not get to where it should be.
		const bool astray = info.streaming && !master.empty() && info.upstream != master;
		const bool further = !astray && is_further(info);
		const bool well = (info.streaming && !astray) || info.replay_held;
		// Until the moment in which it was seen not to be well any more, it was. Another master may
		// have been named long after it has told this.
		if (further || well != well_) {
			got_on_at_ = std::max(got_on_at_, astray ? now : seen_at);
		}
		well_ = well;
		if (further) {
			position_ = info.position;
			replayed_ = info.replayed;
		}
	}

	/// Its keeper is not there (any more), or tells of another db than `db`, which its launcher
	/// has; that was first seen at `seen_at`. The same again changes nothing.
	void note_absence(const DbUid &db, Instant seen_at) {
		begin_with(db, seen_at);
		if (well_) {
			got_on_at_ = seen_at;
		}
		well_ = false;
		instance_.clear();
		moved_at_ = {};
	}

	/// It streams, or nobody wants it to get on.
	bool is_well() const { return well_; }
	/// When it was last seen to be well, or to have got further.
	Instant got_on_at() const { return std::max(got_on_at_, moved_at_); }

private:
	/// What was before says nothing about another db, for which the host may have been at work
	/// long.
	void begin_with(const DbUid &db, Instant seen_at) {
		if (db != db_ || got_on_at_ == Instant{}) {
			*this = StandbyProgress();
			db_ = db;
			got_on_at_ = seen_at;
		}
	}

	/// Than it ever was. A server that starts does not know yet where it is.
	bool is_further(const KeeperInfo &info) const {
		const bool known = info.position.timeline.valid() && info.position.lsn.valid();
		return known && (info.position.timeline != position_.timeline ||
		                 info.position.lsn > position_.lsn || info.replayed > replayed_);
	}

	/// A server that was restarted replays again what it had; as long as it is there, that counts.
	/// One that crashes each time does not get on.
	void note_moves(const KeeperInfo &info, Instant seen_at) {
		if (info.instance != instance_) {
			instance_ = info.instance;
			instance_replayed_ = info.replayed;
			moved_at_ = {};
		} else if (!info.streaming && info.replayed > instance_replayed_) {
			instance_replayed_ = info.replayed;
			moved_at_ = seen_at;
		}
	}

	DbUid db_;
	bool well_ = false;
	WalPosition position_;
	Lsn replayed_;
	Instant got_on_at_;
	std::string instance_;
	Lsn instance_replayed_;
	Instant moved_at_;  ///< when this instance was last seen to have replayed something
};

}  // namespace stolon::core
