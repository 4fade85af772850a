#include "core/plan/sentinel_facts.h"

#include <algorithm>
#include <limits>

namespace stolon::core::sentinel {

Instant plus(Instant from, Duration by) {
	const auto room = Duration::max() - std::max(from.since_boot, Duration(0));
	return by > room ? Instant{Duration::max()} : from + by;
}

Instant latest(std::initializer_list<Instant> instants) {
	return std::max(instants);
}

bool is_known(WalPosition position) {
	return position.timeline.valid() && position.lsn.valid();
}

std::uint64_t bytes_behind(Lsn ahead, Lsn behind) {
	return ahead.value > behind.value ? ahead.value - behind.value : 0;
}

const KeeperInfo *info_of(const SentinelInputs &inputs, const Db &db) {
	const auto found = inputs.infos.find(db.keeper);
	if (found == inputs.infos.end() || found->second.db != db.uid) {
		return nullptr;
	}
	return &found->second;
}

const NodeInfo *node_of(const SentinelInputs &inputs, const KeeperUid &uid) {
	const auto found = inputs.nodes.find(uid);
	if (found == inputs.nodes.end()) {
		return nullptr;
	}
	const std::string &theirs = found->second.system_id;
	const std::string &ours = inputs.data.system_id;
	if (!theirs.empty() && !ours.empty() && theirs != ours) {
		return nullptr;
	}
	return &found->second;
}

bool does_not_stay_up(const NodeInfo &node) {
	return (node.phase == NodePhase::Starting || node.phase == NodePhase::Stopped) &&
	       !node.last_exit.empty();
}

bool is_made(const SentinelInputs &inputs, const Db &db) {
	if (db.init != DbInit::Resync) {
		return db.init == DbInit::None;
	}
	const NodeInfo *node = node_of(inputs, db.keeper);
	const KeeperInfo *info = info_of(inputs, db);
	return node && node->db == db.uid &&
	       (info ? info->role == PgRole::Standby && info->position.lsn.valid()
	             : does_not_stay_up(*node));
}

bool is_blank(const NodeInfo &node) {
	return node.phase == NodePhase::Waiting && node.db.empty() && node.system_id.empty() &&
	       !node.host.empty() && node.port > 0;
}

const BeatObservation *beat_of(const SentinelInputs &inputs, const KeeperUid &uid) {
	const auto found = inputs.beats.find(uid);
	return found == inputs.beats.end() ? nullptr : &found->second;
}

bool is_never_elected(const SentinelInputs &inputs, const KeeperUid &uid) {
	return inputs.data.spec.failover_priority_of(uid) == 0;
}

bool made_its_own(const KeeperInfo &info, const Db &db) {
	return info.was_primary && !db.handed_over;
}

bool is_back_with_its_host(const SentinelInputs &inputs, const Db &master) {
	const BeatObservation *seen = beat_of(inputs, master.keeper);
	const NodeInfo *node = node_of(inputs, master.keeper);
	if (!seen || !node || seen->beat.db != master.uid || node->db != master.uid) {
		return false;
	}
	const Beat &beat = seen->beat;
	return beat.released && beat.found_down && beat.writable && beat.unfit.empty() &&
	       node->phase != NodePhase::Refusing;
}

bool has_outlived(const SentinelInputs &inputs, const Db &standby, const Db &master) {
	const BeatObservation *seen = beat_of(inputs, master.keeper);
	const auto running = inputs.running_since.find(standby.keeper);
	return seen && running != inputs.running_since.end() && running->second < seen->beaten_at;
}

Duration validity_of(const Beat &beat) {
	// A validity below what any spec allows is not believed: waiting longer is always safe.
	return beat.released || beat.yielded
	           ? Duration(0)
	           : std::max<Duration>(beat.valid, SpecLimits::min_fail_interval);
}

Duration lease_runs_for(const SentinelInputs &inputs, const Db &master) {
	const BeatObservation *seen = beat_of(inputs, master.keeper);
	if (!seen || seen->beat.db != master.uid) {
		return Duration(0);
	}
	// Also one of an earlier term: the lease of then may go on.
	const Duration valid = validity_of(seen->beat);
	return inputs.now < plus(seen->seen_at, valid) ? valid : Duration(0);
}

Instant election_opened_at(const SentinelInputs &inputs) {
	return inputs.master_revision != 0 ? inputs.master_seen_at : inputs.data_seen_at;
}

Instant lease_over_at(const SentinelInputs &inputs) {
	const Election &election = *inputs.data.election;
	if (election.lease_runs_for <= Duration(0)) {
		return inputs.now;
	}
	// The opening has moved the guard of its beats, so that nothing but a release or a yield can
	// have been put over the last one.
	const BeatObservation *seen = beat_of(inputs, inputs.data.find_db(election.old_master)->keeper);
	const bool is_its_last =
	    seen && seen->beat.db == election.old_master && seen->beat.epoch < election.epoch;
	if (is_its_last && (seen->beat.released || seen->beat.yielded)) {
		return inputs.now;
	}
	return plus(is_its_last ? seen->seen_at : election_opened_at(inputs), election.lease_runs_for);
}

namespace {

MasterHealth unfit(const Db &master, const Beat &beat, MasterHealth health) {
	health.state = MasterHealth::State::Unfit;
	health.rule = "S-16";
	health.sentence = "Master " + master.uid.value + " on keeper " + master.keeper.value +
	                  " says in epoch " + std::to_string(beat.epoch.value) +
	                  " that it is unfit: " + beat.unfit + ".";
	return health;
}

/// A server that was started again while the store was away, so that nobody could release the
/// lease of the one before it, waits for the end of that lease as we do. It may have seen the last
/// beat a little later than we.
Duration grace_for_next_start(const SentinelInputs &inputs, const Db &master, const Beat &last) {
	const KeeperInfo *info = info_of(inputs, master);
	const bool is_started_again =
	    info && !info->instance.empty() && info->instance != last.instance;
	return is_started_again ? inputs.data.spec.fail_interval : Duration(0);
}

/// The master has beaten since it was named: it lives as long as its last beat says.
MasterHealth judge_beating(const SentinelInputs &inputs, const Db &master,
                           const BeatObservation &seen) {
	const Duration valid = std::max<Duration>(seen.beat.valid, SpecLimits::min_fail_interval);
	const Instant from = latest({seen.seen_at, inputs.contact_since});
	MasterHealth health;
	health.rule = "S-05";
	health.expires_at = plus(from, valid + grace_for_next_start(inputs, master, seen.beat));
	if (inputs.now < health.expires_at) {
		return seen.beat.unfit.empty() ? health : unfit(master, seen.beat, health);
	}
	health.state = MasterHealth::State::Expired;
	health.sentence = "The last beat of master " + master.uid.value + " on keeper " +
	                  master.keeper.value + " (epoch " + std::to_string(seen.beat.epoch.value) +
	                  ", revision " + std::to_string(seen.mod_revision) + ") has been seen for " +
	                  age_text(inputs.now - from) + " and was valid for " + age_text(valid) + ".";
	return health;
}

/// The master has not beaten since its naming was seen. Nothing can have been acknowledged in this
/// epoch, so the grace only serves to let a promotion begin.
MasterHealth judge_silent(const SentinelInputs &inputs, const Db &master,
                          const BeatObservation *seen) {
	Instant from = latest({inputs.master_seen_at, inputs.contact_since});
	Duration grace = inputs.data.spec.fail_interval * 2;
	// Whatever was put over the master's own beat came after it: its validity is counted from there
	// at the earliest.
	if (seen) {
		from = latest({from, seen->seen_at});
	}
	// A beat of this very epoch that was guarded by another revision of `master` (somebody rewrote
	// the key) may still be relied on by its sender.
	if (seen && seen->beat.db == master.uid && seen->beat.epoch == inputs.data.epoch) {
		grace += std::min<Duration>(seen->beat.valid, SpecLimits::max_fail_interval);
	}
	MasterHealth health;
	health.rule = "S-08";
	health.expires_at = plus(from, grace);
	if (inputs.now < health.expires_at) {
		return health;
	}
	health.state = MasterHealth::State::Expired;
	health.sentence = "Master " + master.uid.value + " on keeper " + master.keeper.value +
	                  " was named in epoch " + std::to_string(inputs.data.epoch.value) +
	                  " and has not sent a beat for " + age_text(inputs.now - from) + "; it had " +
	                  age_text(grace) + ".";
	return health;
}

}  // namespace

MasterHealth judge_master(const SentinelInputs &inputs, const Db &master) {
	const BeatObservation *seen = beat_of(inputs, master.keeper);
	const bool of_this_term =
	    seen && seen->beat.db == master.uid && seen->beat.epoch == inputs.data.epoch;
	if (of_this_term && seen->beat.released) {
		MasterHealth health;
		health.state = MasterHealth::State::Released;
		health.rule = "S-06";
		health.sentence = "The launcher of master " + master.uid.value + " on keeper " +
		                  master.keeper.value + " released it in epoch " +
		                  std::to_string(seen->beat.epoch.value) + ": " +
		                  (seen->beat.reason.empty() ? "no reason given" : seen->beat.reason) + ".";
		return health;
	}
	if (of_this_term && seen->beat.master_revision == inputs.master_revision) {
		return judge_beating(inputs, master, *seen);
	}
	return judge_silent(inputs, master, seen);
}

namespace {

/// What one server's lineage says about the ancestors of `timeline`, or nullopt.
std::optional<std::vector<HistoryEntry>> ancestors_in(const TimelineHistory &line,
                                                      Timeline timeline) {
	if (line.timeline == timeline) {
		return line.history;
	}
	const auto found =
	    std::find_if(line.history.begin(), line.history.end(),
	                 [&](const HistoryEntry &entry) { return entry.timeline == timeline; });
	if (found == line.history.end()) {
		return std::nullopt;
	}
	return std::vector<HistoryEntry>(line.history.begin(), found);
}

}  // namespace

Ancestry ancestry_of(const SentinelInputs &inputs, Timeline timeline, const DbUid &master) {
	if (inputs.data.master_history) {
		if (auto ancestors = ancestors_in(*inputs.data.master_history, timeline)) {
			return Ancestry{true, false, std::move(*ancestors)};
		}
	}
	Ancestry ancestry;
	for (const auto &[uid, db] : inputs.data.dbs) {
		const KeeperInfo *info = info_of(inputs, db);
		if (!info) {
			continue;
		}
		auto ancestors = ancestors_in({info->position.timeline, info->history}, timeline);
		if (!ancestors) {
			continue;
		}
		if (uid == master) {
			return Ancestry{true, false, std::move(*ancestors)};
		}
		if (ancestry.known && !histories_agree(ancestry.history, *ancestors)) {
			ancestry.contradictory = true;
		}
		if (!ancestry.known || ancestors->size() > ancestry.history.size()) {
			ancestry.history = std::move(*ancestors);
		}
		ancestry.known = true;
	}
	return ancestry;
}

bool histories_agree(const std::vector<HistoryEntry> &a, const std::vector<HistoryEntry> &b) {
	return std::all_of(a.begin(), a.end(), [&](const HistoryEntry &mine) {
		return std::all_of(b.begin(), b.end(), [&](const HistoryEntry &other) {
			return mine.timeline != other.timeline || mine.end == other.end;
		});
	});
}

Standing place(const Lineage &candidate, WalPosition known, const Ancestry &ancestry,
               std::uint64_t fork_tolerance) {
	if (ancestry.contradictory) {
		return Standing::Unplaced;
	}
	if (ancestry.known && !histories_agree(candidate.history, ancestry.history)) {
		return Standing::Unrelated;
	}
	if (candidate.position.timeline == known.timeline) {
		return candidate.position.lsn >= known.lsn ? Standing::Contains : Standing::Behind;
	}
	const auto left =
	    std::find_if(candidate.history.begin(), candidate.history.end(),
	                 [&](const HistoryEntry &entry) { return entry.timeline == known.timeline; });
	if (left != candidate.history.end()) {
		const bool has_it =
		    contains(candidate, known) || bytes_behind(known.lsn, left->end) <= fork_tolerance;
		return has_it ? Standing::Contains : Standing::Unrelated;
	}
	// The candidate is on an ancestor of the known timeline, or somewhere else altogether.
	if (!ancestry.known) {
		return Standing::Unplaced;
	}
	return contains(Lineage{known, ancestry.history}, candidate.position) ? Standing::Behind
	                                                                      : Standing::Unrelated;
}

WalPosition applied_of(WalPosition position, Lsn replayed) {
	return {position.timeline, replayed.valid() ? replayed : position.lsn};
}

bool can_go_on_with(const Lineage &upstream, const Lineage &standby, Lsn replayed) {
	return can_follow(upstream, applied_of(standby.position, replayed)) &&
	       histories_agree(standby.history, upstream.history);
}

std::optional<Lineage> lineage_of_master(const SentinelInputs &inputs) {
	const Db *master = inputs.data.find_db(inputs.data.master);
	const KeeperInfo *info = master ? info_of(inputs, *master) : nullptr;
	if (!info || info->role != PgRole::Primary || !info->writable ||
	    info->writable_epoch != inputs.data.epoch || !info->position.timeline.valid()) {
		return std::nullopt;
	}
	// Every timeline but the first has ancestors. One that does not name them would make strangers
	// of all standbys that have not reached it yet.
	if (info->position.timeline.value > 1 && info->history.empty()) {
		return std::nullopt;
	}
	return Lineage{info->position, info->history};
}

std::string age_text(Duration age) {
	return format_duration(std::chrono::duration_cast<milliseconds>(age));
}

std::string join(const std::vector<std::string> &parts, const std::string &separator) {
	std::string text;
	for (const auto &part : parts) {
		text += (text.empty() ? "" : separator) + part;
	}
	return text;
}

}  // namespace stolon::core::sentinel
