// The lease worker: keeps the fencing lease by beats, and does nothing else. No disk, no SQL, no
// DNS on its path (DESIGN 4).
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "core/model/clusterdata.h"
#include "core/model/info.h"
#include "core/model/keys.h"
#include "extension/bridge/settings.h"
#include "extension/bridge/worker.h"
#include "extension/fence/clients.h"
#include "extension/fence/lease.h"
#include "extension/lease/health.h"
#include "extension/lease/log_lines.h"

namespace stolon::pg {

namespace {

using core::Duration;
using core::Instant;

constexpr Duration idle_wait = core::seconds(60);
constexpr Duration retry_pause = core::milliseconds(20);
// Between taking the deadline away and saying so: for a process that has just looked at it.
constexpr Duration yield_pause = core::milliseconds(50);

core::WalPosition current_position(bool *writable) {
	core::WalPosition position;
	TimeLineID timeline = 0;
	*writable = !RecoveryInProgress();
	position.lsn.value = *writable ? flush_position(&timeline) : GetXLogReplayRecPtr(&timeline);
	position.timeline.value = timeline;
	return position;
}

// What stands in the store under this keeper's beat key, as far as is known here. Every beat is
// guarded by it: a beat that is still under way somewhere cannot come in behind a newer one, and a
// copy of this server cannot share the lease.
struct OwnKey {
	bool known = false;
	std::int64_t revision = 0;  // 0: the key is absent
	std::optional<core::Beat> beat;
	Instant seen_at;
};

class LeaseWorker {
public:
	LeaseWorker()
	    : store_(open_store_of_settings()),
	      keys_(setting_store_prefix, setting_cluster_name),
	      uid_{setting_keeper_uid} {}

	void run() {
		do {
			follow_mandate();
		} while (wait_and_process(*store_, next_step_));
	}

private:
	// Looks at what the keeper worker wants, and sends what is due.
	void follow_mandate() {
		const Instant now = store::now();
		const Mandate mandate = copy_shared_state().mandate;
		if (mandate.sequence != mandate_.sequence) {
			cancel_request();
			plan_to_yield(mandate, now);
			mandate_ = mandate;
			next_step_ = now;
		}
		if (has_become_writable())
			next_step_ = now;
		if (in_flight_ || now < next_step_)
			return;
		if (!key_.known)
			read_own_key();
		else if (yield_)
			send_yield();
		else if (!mandate_.active)
			next_step_ = now + idle_wait;
		else if (const auto until = other_server_until(); until && now < *until)
			yield_to_other(*until);
		else
			send_beat();
	}

	// A master that is unfit is voted out while its lease runs. It has taken its deadline away by
	// now; that it says so spares the others the wait for the lease's end. (It may have become fit
	// meanwhile.)
	void plan_to_yield(const Mandate &next, Instant now) {
		yield_.reset();
		if (mandate_.active && !next.active && has_beaten_) {
			yield_ = next_beat();
			yield_->yielded = true;
			yield_at_ = now + yield_pause;
			yield_until_ = now + yield_->valid;
		}
		has_beaten_ = false;
		unfit_.clear();
		set_unfit("");
	}

	// Only guarded by its own key: whatever has become of `master`, this beat is the last of its
	// term.
	void send_yield() {
		const Instant now = store::now();
		const bool is_others = key_.beat && key_.beat->instance != postmaster_instance();
		if (is_others || now >= yield_until_) {
			yield_.reset();
			return;
		}
		if (now < yield_at_) {
			next_step_ = yield_at_;
			return;
		}
		using Field = store::Compare::Field;
		store::TxnRequest request;
		request.compares = {{Field::ModRevision, keys_.beat(uid_), key_.revision}};
		request.then_ops = {store::Op::put(keys_.beat(uid_), core::beat_to_text(*yield_))};
		request.else_ops = {store::Op::get(keys_.beat(uid_))};
		const Duration timeout = yield_->valid / core::beats_per_validity;
		next_step_ = now + timeout;
		in_flight_ =
		    store_->txn(std::move(request), timeout, [this](core::Result<store::TxnResponse> done) {
			    in_flight_.reset();
			    next_step_ = store::now() + (done ? Duration(0) : retry_pause);
			    if (done)
				    take_answer_to_yield(*done);
		    });
	}

	void take_answer_to_yield(const store::TxnResponse &response) {
		if (response.succeeded) {
			key_ = OwnKey{true, response.revision, std::nullopt, store::now()};
			yield_.reset();
			return;
		}
		// A beat of ours whose answer was lost; or somebody else's, and then this one says nothing.
		take_own_key(response.results.empty() ? std::vector<store::KeyValue>()
		                                      : response.results[0]);
		if (!key_.beat || key_.beat->instance != postmaster_instance() ||
		    key_.beat->epoch != yield_->epoch)
			yield_.reset();
	}

	void look_at_health(Instant now) {
		unfit_ = health_.problem(now, mandate_);
		if (!set_unfit(unfit_.c_str()))
			return;
		if (unfit_.empty())
			leave_log_line("this master is fit again", "");
		else
			leave_log_line(("this master is unfit: " + unfit_).c_str(),
			               "It keeps its lease until a standby takes over.");
	}

	void cancel_request() {
		if (in_flight_)
			store_->cancel(*in_flight_);
		in_flight_.reset();
	}

	// Only a beat tells on which timeline this master writes. An election that comes before the
	// next one would have to expect anything of it.
	bool has_become_writable() const {
		return mandate_.active && has_beaten_ && !told_writable_ && !yield_ &&
		       !RecoveryInProgress();
	}

	Duration interval() const {
		return core::milliseconds(mandate_.valid_ms) / core::beats_per_validity;
	}

	// Also without a mandate, so that the first beat of a new master need not look first.
	void read_own_key() {
		const Duration timeout = mandate_.active
		                             ? interval()
		                             : core::ClusterSpec().fail_interval / core::beats_per_validity;
		next_step_ = store::now() + timeout;
		in_flight_ = store_->range({keys_.beat(uid_), {}, 0}, timeout,
		                           [this](core::Result<store::RangeResponse> answer) {
			                           in_flight_.reset();
			                           next_step_ = store::now();
			                           if (answer)
				                           take_own_key(answer->kvs);
			                           else
				                           beat_was_lost(answer.error().message);
		                           });
	}

	void take_own_key(const std::vector<store::KeyValue> &kvs) {
		key_ = OwnKey{true, 0, std::nullopt, store::now()};
		if (kvs.empty())
			return;
		key_.revision = kvs[0].mod_revision;
		// What cannot be read is nobody's beat and is overwritten.
		if (auto beat = core::parse_beat(kvs[0].value))
			key_.beat = std::move(*beat);
	}

	// Another postmaster has beaten on the strength of the very naming that we act on. Until its
	// beat has stood unchanged for its validity it may be alive: an earlier start of this server
	// that died without a release, or a copy of it elsewhere.
	std::optional<Instant> other_server_until() const {
		if (!key_.beat || key_.beat->released || key_.beat->instance == postmaster_instance() ||
		    key_.beat->master_revision != mandate_.master_revision)
			return std::nullopt;
		return key_.seen_at + key_.beat->valid;
	}

	void yield_to_other(Instant until) {
		const char *problem =
		    "another server has beaten under this keeper's uid; this one waits until that beat has "
		    "run out";
		lease_was_taken(mandate_.sequence, problem);
		note(false, problem);
		next_step_ = until;
	}

	core::Beat next_beat() const {
		core::Beat beat;
		beat.epoch.value = mandate_.epoch;
		beat.db = core::DbUid{mandate_.db};
		beat.master_revision = mandate_.master_revision;
		beat.instance = postmaster_instance();
		beat.valid = core::milliseconds(mandate_.valid_ms);
		beat.position = current_position(&beat.writable);
		beat.unfit = unfit_;
		return beat;
	}

	store::TxnRequest beat_request(core::Beat beat) const {
		using Field = store::Compare::Field;
		store::TxnRequest request;
		request.compares = {{Field::ModRevision, keys_.master(), mandate_.master_revision},
		                    {Field::ModRevision, keys_.beat(uid_), key_.revision}};
		request.then_ops = {store::Op::put(keys_.beat(uid_), core::beat_to_text(beat))};
		request.else_ops = {store::Op::get(keys_.master()), store::Op::get(keys_.beat(uid_))};
		return request;
	}

	void send_beat() {
		// Noted before the request can leave this process: whatever happens to it, it was not seen
		// earlier by anyone.
		const Instant sent = store::now();
		const std::uint64_t sequence = mandate_.sequence;
		look_at_health(sent);
		has_beaten_ = true;
		beat_is_sent(sequence, nanoseconds(sent), mandate_.valid_ms);
		next_step_ = sent + interval();
		core::Beat beat = next_beat();
		told_writable_ = beat.writable;
		in_flight_ = store_->txn(beat_request(std::move(beat)), interval(),
		                         [this, sent, sequence](core::Result<store::TxnResponse> response) {
			                         in_flight_.reset();
			                         take_answer(sent, sequence, response);
		                         });
	}

	static std::uint64_t nanoseconds(Instant instant) {
		return static_cast<std::uint64_t>(instant.since_boot.count());
	}

	void take_answer(Instant sent, std::uint64_t sequence,
	                 const core::Result<store::TxnResponse> &response) {
		if (!response) {
			beat_was_lost(response.error().message);
		} else if (response->succeeded) {
			key_ = OwnKey{true, response->revision, std::nullopt, store::now()};
			beat_was_put(sequence, nanoseconds(sent), mandate_.valid_ms);
			note(true, "");
		} else if (response->results.size() == 2) {
			take_refusal(sequence, response->results[0], response->results[1]);
		}
	}

	// Done or not, an unanswered beat counts for nothing here. The next one goes to another
	// endpoint at once.
	void beat_was_lost(const std::string &problem) {
		beat_failed(problem.c_str());
		note(false, problem.c_str());
		next_step_ = store::now() + retry_pause;
	}

	void take_refusal(std::uint64_t sequence, const std::vector<store::KeyValue> &master,
	                  const std::vector<store::KeyValue> &own) {
		const std::int64_t revision = master.empty() ? 0 : master[0].mod_revision;
		if (revision != mandate_.master_revision) {
			core::MasterKey named;
			if (!master.empty()) {
				if (auto parsed = core::parse_master_key(master[0].value))
					named = *parsed;
			}
			take_own_key(own);
			const bool other = !named.db.empty() && named.db.value != mandate_.db;
			mandate_was_refused(sequence, named.epoch.value, other);
			if (other && !RecoveryInProgress())
				terminate_clients();
			return;
		}
		// Our own beat whose answer was lost, a key that somebody deleted, or another server's.
		take_own_key(own);
		next_step_ = store::now();
	}

	// One line when the beats fail and one when they are put again, not one per beat.
	void note(bool answered, const char *problem) {
		if (answered == answers_)
			return;
		answers_ = answered;
		if (answered) {
			leave_log_line("beats are put again", "");
			return;
		}
		char detail[64];
		snprintf(detail, sizeof detail, "The lease lasts for another %.1f s.",
		         static_cast<double>(lease_remaining_ns()) / 1e9);
		leave_log_line((std::string("a beat was not put: ") + problem).c_str(), detail);
	}

	std::unique_ptr<store::Store> store_;
	core::Keys keys_;
	core::KeeperUid uid_;
	Mandate mandate_ = {};
	OwnKey key_;
	Health health_;
	std::string unfit_;           // what the last beat said
	bool has_beaten_ = false;     // on the strength of mandate_
	bool told_writable_ = false;  // in the beat that was sent last
	std::optional<core::Beat> yield_;
	Instant yield_at_, yield_until_;
	std::optional<store::RequestId> in_flight_;
	Instant next_step_;
	bool answers_ = true;
};

void lease_worker_body() {
	LeaseWorker().run();
}

}  // namespace

}  // namespace stolon::pg

extern "C" PGDLLEXPORT void stolon_lease_main(Datum) {
	using namespace stolon::pg;
	begin_worker();
	// Reading the configuration again would wait for a disk that hangs, and nothing in it that can
	// change while the server runs matters here.
	pqsignal(SIGHUP, SIG_IGN);
	register_latch(&SharedState::lease_latch);
	run_worker("stolon lease worker", lease_worker_body);
}
