// The lease worker: keeps the fencing lease by beats, and does nothing else. No disk, no SQL, no
// DNS on its path (DESIGN 4).
#include <algorithm>
#include <optional>
#include <string>

#include "core/model/clusterdata.h"
#include "core/model/info.h"
#include "core/model/keys.h"
#include "extension/bridge/settings.h"
#include "extension/bridge/worker.h"
#include "extension/fence/lease.h"

namespace stolon::pg {

namespace {

using core::Duration;
using core::Instant;

constexpr Duration idle_wait = core::seconds(60);
constexpr Duration retry_pause = core::milliseconds(20);

core::WalPosition current_position(bool *writable) {
	core::WalPosition position;
	TimeLineID timeline = 0;
	*writable = !RecoveryInProgress();
	position.lsn.value = *writable ? flush_position(&timeline) : GetXLogReplayRecPtr(&timeline);
	position.timeline.value = timeline;
	return position;
}

class LeaseWorker {
public:
	LeaseWorker()
	    : store_(open_store_of_settings()),
	      keys_(setting_store_prefix, setting_cluster_name),
	      uid_{setting_keeper_uid} {}

	void run() {
		do {
			log_notes();
			follow_mandate();
		} while (wait_and_process(*store_, next_send_));
	}

private:
	// Looks at what the keeper worker wants, and sends a beat when one is due.
	void follow_mandate() {
		const Mandate mandate = copy_shared_state().mandate;
		if (mandate.sequence != mandate_.sequence) {
			if (in_flight_)
				store_->cancel(*in_flight_);
			in_flight_.reset();
			mandate_ = mandate;
			next_send_ = store::now();
		}
		if (!mandate_.active)
			next_send_ = store::now() + idle_wait;
		else if (!in_flight_ && store::now() >= next_send_)
			send_beat();
	}

	Duration interval() const {
		return core::milliseconds(mandate_.valid_ms) / core::beats_per_validity;
	}

	void send_beat() {
		core::Beat beat;
		beat.epoch.value = mandate_.epoch;
		beat.db = core::DbUid{mandate_.db};
		beat.master_revision = mandate_.master_revision;
		beat.valid = core::milliseconds(mandate_.valid_ms);
		beat.position = current_position(&beat.writable);

		store::TxnRequest request;
		request.compares.push_back(
		    {store::Compare::Field::ModRevision, keys_.master(), mandate_.master_revision});
		request.then_ops.push_back(store::Op::put(keys_.beat(uid_), core::beat_to_text(beat)));
		request.else_ops.push_back(store::Op::get(keys_.master()));

		// Noted before the request can leave this process: whatever happens to it, it was not seen
		// earlier by anyone.
		const Instant sent = store::now();
		const std::uint64_t sequence = mandate_.sequence;
		next_send_ = sent + interval();
		in_flight_ = store_->txn(std::move(request), interval(),
		                         [this, sent, sequence](core::Result<store::TxnResponse> response) {
			                         in_flight_.reset();
			                         take_answer(sent, sequence, response);
		                         });
	}

	void take_answer(Instant sent, std::uint64_t sequence,
	                 const core::Result<store::TxnResponse> &response) {
		if (!response) {
			// Said or done, an unanswered beat counts for nothing here. The next one goes to
			// another endpoint at once.
			beat_failed(response.error().message.c_str());
			note(false, response.error().message.c_str());
			next_send_ = store::now() + retry_pause;
			return;
		}
		if (response->succeeded) {
			beat_was_put(sequence, static_cast<std::uint64_t>(sent.since_boot.count()),
			             mandate_.valid_ms);
			note(true, "");
			return;
		}
		core::MasterKey now_master;
		if (!response->results.empty() && !response->results[0].empty()) {
			if (auto parsed = core::parse_master_key(response->results[0][0].value))
				now_master = *parsed;
		}
		mandate_was_refused(sequence, now_master.epoch.value);
	}

	// Called from the store's callbacks, which may not ereport: the loop writes the line.
	void note(bool answered, const char *problem) {
		answers_ = answered;
		problem_ = problem;
	}

	// One line when the store goes silent and one when it is back, not one per beat.
	void log_notes() {
		if (answers_ == logged_answers_)
			return;
		logged_answers_ = answers_;
		if (answers_)
			ereport(LOG, (errmsg("stolon: the store answers the beats again")));
		else
			ereport(LOG, (errmsg("stolon: a beat was not answered: %s", problem_.c_str()),
			              errdetail("The lease lasts for another %.1f s.",
			                        static_cast<double>(lease_remaining_ns()) / 1e9)));
	}

	std::unique_ptr<store::Store> store_;
	core::Keys keys_;
	core::KeeperUid uid_;
	Mandate mandate_ = {};
	std::optional<store::RequestId> in_flight_;
	Instant next_send_;
	bool answers_ = true;
	bool logged_answers_ = true;
	std::string problem_;
};

void lease_worker_body() {
	LeaseWorker().run();
}

}  // namespace

}  // namespace stolon::pg

extern "C" PGDLLEXPORT void stolon_lease_main(Datum) {
	using namespace stolon::pg;
	begin_worker();
	register_latch(&SharedState::lease_latch);
	run_worker("stolon lease worker", lease_worker_body);
}
