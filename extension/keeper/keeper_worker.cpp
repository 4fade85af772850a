// The keeper worker: observes the view and its own server, plans (core/plan/keeper_plan), and
// brings the running server to the view: mandate, promotion, upstream, freeze and vote, slots.
// Publishes what it is.
#include <algorithm>
#include <exception>
#include <optional>
#include <set>
#include <string>

#include "core/model/keys.h"
#include "core/plan/keeper_plan.h"
#include "extension/bridge/guard.h"
#include "extension/bridge/settings.h"
#include "extension/bridge/worker.h"
#include "extension/fence/clients.h"
#include "extension/fence/lease.h"
#include "extension/keeper/actions.h"
#include "extension/keeper/checkpoints.h"
#include "extension/keeper/configuration.h"
#include "extension/keeper/disk_watch.h"
#include "extension/keeper/local_state.h"
#include "extension/keeper/members.h"
#include "extension/keeper/slots.h"
#include "extension/keeper/stream.h"
#include "extension/lease/log_lines.h"
#include "extension/switchover/desk.h"
#include "store/mirror.h"
#include "store/presence.h"

namespace stolon::pg {

namespace {

using core::Duration;
using core::Instant;

// While something is under way in this server that nothing wakes us up for (a walreceiver ending,
// recovery ending).
constexpr Duration busy_poll = core::milliseconds(2);
// Nothing wakes us when the walreceiver connects or breaks; shared memory is looked at this often.
constexpr Duration longest_unobserved = core::seconds(1);
constexpr Duration connecting_poll = core::milliseconds(100);
// During a switchover.
constexpr Duration often = core::milliseconds(50);
constexpr Duration least_presence = core::seconds(2);  // etcd grants nothing shorter
constexpr Duration retry_pause = core::seconds(1);

class KeeperWorker {
public:
	KeeperWorker()
	    : store_(open_store_of_settings()),
	      keys_(setting_store_prefix, setting_cluster_name),
	      uid_{setting_keeper_uid},
	      mirror_(*store_, mirror_options()),
	      members_(mirror_, keys_),
	      presence_(*store_, core::ClusterSpec().fail_interval, core::seconds(1)),
	      desk_(*store_, mirror_, keys_) {
		local_.state = read_data_state();
		SharedState *state = shared_state();
		SpinLockAcquire(&state->mutex);
		strlcpy(state->own_db, local_.state.db.value.c_str(), sizeof state->own_db);
		SpinLockRelease(&state->mutex);
	}

	void run() {
		Instant until = store::now();
		while (wait_and_process(*store_, until)) {
			const Instant now = store::now();
			pg_atomic_write_u64(&shared_state()->keeper_moved_ns, boottime_ns());
			write_left_log_lines();
			mirror_.poll(now);
			if (mirror_.ready())
				step(now);
			desk_.poll(now, {&data_, data_read_from_, local_.state.cluster_uid});
			presence_.poll(now);
			until =
			    std::min({mirror_.wake_at(), presence_.wake_at(), desk_.wake_at(), step_again_at_});
		}
	}

private:
	store::MirrorOptions mirror_options() const {
		store::MirrorOptions options;
		options.prefix = keys_.root();
		return options;
	}

	void step(Instant now) {
		step_again_at_ = now + std::min(sleep_interval(), longest_unobserved);
		read_view();
		if (data_)
			disk_.look(now, core::health_limits(data_->spec));
		if (data_ && !data_->election)
			checkpoints_.look_at_redo(now, sleep_interval());
		// An observation that a promotion or a freeze has gone on leads to the next action at once,
		// not at the next event.
		for (int round = 0; round < 3; round++) {
			const bool was_in_recovery = local_.in_recovery;
			observe_server(configuration_.token(), &local_);
			if (was_in_recovery && !local_.in_recovery)
				recovery_is_over();
			local_.slots = local_slots();
			local_.history = own_history();
			local_.redo = checkpoints_.redo();
			if (data_)
				stream_.look(now, data_->spec, members_.position_of(local_.target.db), &local_);
			local_.lease_won = has_won_lease(master_revision_);
			promotion_asked_ = promotion_asked_ && local_.in_recovery;
			local_.promoting = promotion_asked_ || ends_recovery_by_itself(local_);
			decision_ = plan();
			log_reason();
			if (!act(now))
				break;
		}
		publish(now);
		// A copy that is not consistent does not vote, and needs many records until it is.
		const bool must_vote =
		    decision_.electing && local_.in_recovery && !decision_.vote && !local_.inconsistent;
		if (local_.promoting || must_vote)
			step_again_at_ = now + busy_poll;
		else if (local_.inconsistent ||
		         (local_.in_recovery && !local_.target.db.empty() && !stream_.is_streaming()))
			step_again_at_ = std::min(step_again_at_, now + connecting_poll);
	}

	Duration sleep_interval() const {
		return data_ ? data_->spec.sleep_interval : core::ClusterSpec().sleep_interval;
	}

	void read_view() {
		const auto *entry = mirror_.find(keys_.clusterdata());
		if (entry != nullptr && !store::is_same(data_entry_, *entry)) {
			data_entry_ = *entry;
			take_clusterdata(*entry);
		}
		const auto *master = mirror_.find(keys_.master());
		master_.reset();
		master_revision_ = 0;
		if (master == nullptr)
			return;
		if (auto parsed = core::parse_master_key(master->value)) {
			master_ = *parsed;
			master_revision_ = master->mod_revision;
		}
	}

	// A value that is gone or damaged changes nothing (C-8): what was known goes on to be true.
	void take_clusterdata(const store::MirrorEntry &entry) {
		auto parsed = core::parse_clusterdata(entry.value);
		if (!parsed) {
			ereport(LOG, (errmsg("stolon: the value of \"%s\" is damaged and ignored: %s",
			                     keys_.clusterdata().c_str(), parsed.error().message.c_str()),
			              errhint("Nothing changes until a valid value is there.")));
			return;
		}
		data_ = std::move(*parsed);
		data_read_from_ = entry.mod_revision;
		const Duration fail_interval = data_->spec.fail_interval;
		const Duration timeout = fail_interval / core::beats_per_validity;
		mirror_.set_intervals(timeout, data_->spec.sleep_interval, data_->spec.sleep_interval);
		presence_.set_times(std::max(fail_interval, least_presence), timeout);
	}

	core::KeeperDecision plan() {
		core::KeeperInputs inputs;
		inputs.uid = uid_;
		inputs.cluster_name = setting_cluster_name;
		inputs.data = data_;
		inputs.master = master_;
		inputs.master_revision = master_revision_;
		inputs.local = local_;
		members_.tell(&inputs);
		return core::plan_keeper(inputs);
	}

	// True when something was done that makes a new observation worth while. A failure is told and
	// tried again later; what came after it in the order of the decision is not done.
	bool act(Instant now) {
		try {
			message_ = decision_.message;
			return apply(now);
		} catch (const std::exception &error) {
			if (message_ != error.what())
				ereport(LOG, (errmsg("stolon: %s", error.what())));
			message_ = error.what();
			decision_.generation = applied_generation_;
			decision_.vote.reset();
			step_again_at_ = std::min(step_again_at_, now + retry_pause);
			return false;
		}
	}

	bool apply(Instant now) {
		bool changed = false;
		if (decision_.lost)
			give_up_role();
		if (decision_.save_epoch || decision_.forget_was_primary) {
			core::DataState state = local_.state;
			state.epoch = decision_.save_epoch.value_or(state.epoch);
			state.was_primary = state.was_primary && !decision_.forget_was_primary;
			write_data_state(state);
			local_.state = state;
			changed = true;
		}
		if (decision_.act_as_master)
			tell_health(now);
		if (decision_.act_as_master)
			give_mandate(decision_.epoch.value, decision_.master_revision,
			             core::to_ms(decision_.valid), local_.state.db.value.c_str());
		if (decision_.repoint)
			repoint(now);
		changed |= apply_configuration();
		finish_freeze();
		forget_stray_promotion();
		if (decision_.promote) {
			ereport(LOG,
			        (errmsg("stolon: promoting in epoch " UINT64_FORMAT, decision_.epoch.value)));
			request_promotion();
			promotion_asked_ = true;
			changed = true;
		}
		checkpoints_.see_to(now, local_, decision_);
		step_again_at_ = std::min(step_again_at_, checkpoints_.look_again_at());
		if (!slots_are_loaded()) {
			step_again_at_ = std::min(step_again_at_, now + often);
			return changed;
		}
		changed |= see_to_slots();
		if (decision_.generation != 0)
			applied_generation_ = decision_.generation;
		return changed;
	}

	// The generation is only told when they are there: launchers that clone wait for it.
	// One that cannot be created must not keep others from being dropped: there may be no free one.
	bool see_to_slots() const {
		std::exception_ptr failure;
		std::set<std::string> still_needed;
		for (const auto &slot : decision_.create_slots) {
			try {
				create_slot(slot);
			} catch (const PgError &) {
				failure = std::current_exception();
				still_needed.insert(slot.like);
			}
		}
		for (const auto &name : decision_.drop_slots)
			if (!still_needed.contains(name))
				drop_slot(name);
		for (const auto &advance : decision_.advance_slots)
			advance_slot(advance);
		if (failure)
			std::rethrow_exception(failure);
		return !decision_.drop_slots.empty();
	}

	const std::vector<core::HistoryEntry> &own_history() {
		if (history_of_ != local_.position.timeline) {
			history_ = timeline_history(local_.position.timeline);
			history_of_ = local_.position.timeline;
		}
		return history_;
	}

	void tell_health(Instant now) {
		const core::HealthLimits &limits = decision_.health;
		HealthState health = {};
		health.keeper_stall_ms = core::to_ms(limits.keeper_stall);
		health.recovery_ms = core::to_ms(limits.recovery);
		health.wal_stall_ms = core::to_ms(limits.wal_stall);
		const std::string problem = disk_.lasting_shortage(now, limits);
		strlcpy(health.disk_problem, problem.c_str(), sizeof health.disk_problem);
		set_health(health);
	}

	void give_up_role() {
		const bool news = withdraw_mandate(FenceReason::NotNamed, data_->epoch.value,
		                                   decision_.successor.value.c_str());
		if (news && !local_.in_recovery && !decision_.successor.value.empty())
			end_sessions();
	}

	// The launcher stops this server, but it may be slow, or dead.
	void end_sessions() const {
		const int ended = terminate_clients();
		ereport(LOG, (errmsg("stolon: keeper \"%s\" is the master of epoch " UINT64_FORMAT
		                     "; %d sessions are ended",
		                     decision_.successor.value.c_str(), data_->epoch.value, ended)));
	}

	bool apply_configuration() {
		if (!decision_.target)
			return false;
		const bool changed = configuration_.apply(data_->spec, decision_, &local_);
		if (!configuration_.problem().empty())
			message_ = configuration_.problem();
		return changed;
	}

	// The stream may hang in a way that nobody has thought of, or the file say something else than
	// what we believe.
	void repoint(Instant now) {
		stream_.repointed(now);
		local_.config_known = false;
		stop_walreceiver();
	}

	// The file survives a crash restart, and the postmaster would act on it at the next signal.
	void forget_stray_promotion() const {
		if (local_.in_recovery && !decision_.act_as_master && !promotion_asked_)
			unlink(PROMOTE_SIGNAL_FILE);
	}

	void finish_freeze() {
		if (decision_.freeze && local_.config_known && !local_.quiet &&
		    startup_has_read(configuration_.token()))
			stop_walreceiver();
	}

	void log_reason() {
		const std::string line = decision_.reason.rule + " " + decision_.reason.text;
		if (line == logged_reason_)
			return;
		logged_reason_ = line;
		ereport(LOG, (errmsg("stolon: %s", line.c_str())));
	}

	core::KeeperInfo info() {
		core::KeeperInfo info;
		info.uid = uid_;
		info.db = local_.state.db;
		info.instance = postmaster_instance();
		info.generation = applied_generation_;
		info.epoch = local_.state.epoch;
		info.role = local_.in_recovery ? core::PgRole::Standby : core::PgRole::Primary;
		const SharedCopy shared = copy_shared_state();
		// Says that the lease was won, not that it is valid at this instant: a short silence of the
		// store changes nothing here.
		info.writable = !local_.in_recovery && has_won_lease(shared.mandate.master_revision);
		if (info.writable)
			info.writable_epoch.value = shared.mandate.epoch;
		info.position = local_.position;
		info.replayed = local_.replayed;
		stream_.tell(local_, &info);
		info.redo = checkpoints_.redo();
		info.history = own_history();
		info.checkpointed = checkpoints_.timeline();
		info.vote = decision_.vote;
		info.message = message_;
		if (local_.in_recovery)
			info.unfit = disk_.shortage();
		info.was_primary = local_.state.was_primary;
		info.inconsistent = local_.inconsistent;
		info.replay_paused = is_replay_paused();
		info.checkpointed_for = checkpoints_.ended_for();
		return info;
	}

	// Positions alone are published at most every sleepInterval; everything else at once.
	void publish(Instant now) {
		core::KeeperInfo full = info();
		const std::string text = core::keeper_info_to_text(full);
		full.position.lsn = {};
		full.replayed = {};
		full.redo = {};
		const std::string stable = core::keeper_info_to_text(full);
		const Duration pause = decision_.publish_often ? often : sleep_interval();
		if (decision_.publish_often)
			step_again_at_ = std::min(step_again_at_, now + often);
		if (stable == published_stable_ && (now < published_at_ + pause || text == published_))
			return;
		published_stable_ = stable;
		published_ = text;
		published_at_ = now;
		presence_.set(keys_.keeper_info(uid_), text);
		SharedState *state = shared_state();
		SpinLockAcquire(&state->mutex);
		state->view_generation = applied_generation_;
		SpinLockRelease(&state->mutex);
	}

	std::unique_ptr<store::Store> store_;
	core::Keys keys_;
	core::KeeperUid uid_;
	store::Mirror mirror_;
	Members members_;
	store::Presence presence_;
	SwitchoverDesk desk_;

	std::optional<core::ClusterData> data_;
	store::MirrorEntry data_entry_;
	std::int64_t data_read_from_ = 0;  // its revision, unless that one is damaged
	std::optional<core::MasterKey> master_;
	std::int64_t master_revision_ = 0;

	core::KeeperLocal local_;
	core::KeeperDecision decision_;
	DiskWatch disk_;
	Stream stream_;
	Checkpoints checkpoints_;
	Configuration configuration_;
	bool promotion_asked_ = false;
	std::uint64_t applied_generation_ = 0;
	core::Timeline history_of_;
	std::vector<core::HistoryEntry> history_;

	std::string message_, logged_reason_, published_stable_, published_;
	Instant published_at_;
	Instant step_again_at_;
};

void keeper_worker_body() {
	KeeperWorker().run();
}

}  // namespace

}  // namespace stolon::pg

extern "C" PGDLLEXPORT void stolon_keeper_main(Datum) {
	using namespace stolon::pg;
	begin_worker();
	register_latch(&SharedState::keeper_latch);
	run_worker("stolon keeper worker", keeper_worker_body);
}
