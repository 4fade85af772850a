// The word that a master is over: its beat replaced by `released`, so that an election can start at
// once. Only to be said when all of its processes are gone.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/model/clusterdata.h"
#include "core/model/info.h"
#include "core/model/keys.h"
#include "store/mirror.h"
#include "store/store.h"

namespace stolon::launcher {

/// Who holds the lease, as far as the store says.
struct LeaseView {
	std::int64_t revision = 0;  ///< of the store, when this was so
	core::MasterKey master;
	std::int64_t master_revision = 0;  ///< mod_revision; 0: absent
	core::Beat beat;
	std::int64_t beat_revision = 0;  ///< mod_revision; 0: absent
};

/// How the released server ended.
struct ServerEnd {
	std::string reason;
	std::optional<core::WalPosition> clean_end;  ///< of its WAL, when it was shut down cleanly
	bool found_down = false;  ///< it was down already when this launcher was started
};

class Releaser {
public:
	Releaser(store::Store &store, core::Keys keys, core::KeeperUid keeper);

	/// Takes over what the mirror knows, if it is newer than what the last transaction told.
	void observe(const store::Mirror &mirror);

	/// The master is `db`, its last beat is of the present naming, and was not released.
	bool is_needed(const core::DbUid &db) const;
	/// How far the WAL of `db` had been flushed when it beat last as a primary; invalid: never.
	core::WalPosition told(const core::DbUid &db) const;
	/// mod_revision of the `released` beat of `db` under the present naming; 0: there is none.
	std::int64_t released_revision(const core::DbUid &db) const;

	/// Sends the transaction: if neither `master` nor the beat has changed since they were read,
	/// then put the beat, with released set and how the server ended. Does nothing while one is
	/// under way, or right after one has failed. `done` is called when there is news.
	void release(const core::DbUid &db, const ServerEnd &end, core::Duration timeout,
	             core::Instant now, std::function<void()> done);
	/// When release() is worth calling again after a failure.
	std::optional<core::Instant> retry_at() const { return retry_at_; }
	/// How the last one ended, "" while none has.
	const std::string &last_outcome() const { return last_outcome_; }

private:
	void answered(const store::TxnResponse &response, const core::Beat &released);
	void failed(const core::Error &error);

	store::Store &store_;
	core::Keys keys_;
	core::KeeperUid keeper_;
	LeaseView view_;
	bool in_flight_ = false;
	core::Instant answered_at_;
	std::optional<core::Instant> retry_at_;
	std::string last_outcome_;
};

}  // namespace stolon::launcher
