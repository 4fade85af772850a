#include "core/plan/sentinel_switchover_parties.h"

#include <algorithm>
#include <tuple>

namespace stolon::core::sentinel {

namespace {

/// How many bytes of the master's WAL the target has not replayed, as far as is known; nullopt: it
/// is on another timeline.
std::optional<std::uint64_t> lag_of(const SentinelInputs &inputs, const Db &master,
                                    const Db &target) {
	const KeeperInfo *mine = info_of(inputs, target);
	const KeeperInfo *theirs = info_of(inputs, master);
	const BeatObservation *seen = beat_of(inputs, master.keeper);
	if (!mine || !theirs || !seen || mine->position.timeline != theirs->position.timeline) {
		return std::nullopt;
	}
	Lsn ahead = theirs->position.lsn;
	if (seen->beat.position.timeline == theirs->position.timeline) {
		ahead = std::max(ahead, seen->beat.position.lsn);
	}
	return bytes_behind(ahead, mine->replayed.valid() ? mine->replayed : mine->position.lsn);
}

}  // namespace

std::string name_of(const SentinelInputs &inputs, const DbUid &uid) {
	const Db *db = inputs.data.find_db(uid);
	return uid.value + (db ? " on keeper " + db->keeper.value : "");
}
std::string objection_to_master(const SentinelInputs &inputs, const Db &master) {
	const std::string name = "the master " + name_of(inputs, master.uid);
	if (judge_master(inputs, master).state != MasterHealth::State::Alive) {
		return name + " does not beat, or says that it is unfit";
	}
	// A master that has just been promoted says so here before it does in its next beat.
	const KeeperInfo *info = info_of(inputs, master);
	if (!info || !info->writable || info->writable_epoch != inputs.data.epoch) {
		return name + " is not writable";
	}
	const NodeInfo *node = node_of(inputs, master.keeper);
	if (!node || node->db != master.uid) {
		return "the launcher of " + name + " is not present, so nobody could stop it";
	}
	return {};
}

std::string objection_to_target(const SentinelInputs &inputs, const DbUid &uid) {
	const Db *db = inputs.data.find_db(uid);
	const Keeper *keeper = db ? inputs.data.find_keeper(db->keeper) : nullptr;
	if (!keeper || keeper->db != uid) {
		return "db " + uid.value + " is not there any more";
	}
	const std::string name = "keeper " + keeper->uid.value;
	if (uid == inputs.data.master) {
		return name + " is the master already";
	}
	if (is_never_elected(inputs, keeper->uid)) {
		return name + " has failoverPriority 0, so it never becomes the master; " +
		       "`stolonctl update` changes that";
	}
	const KeeperInfo *info = info_of(inputs, *db);
	if (!info) {
		return name + " is not present";
	}
	if (db->init != DbInit::None || info->role != PgRole::Standby) {
		return name + " is not a standby yet";
	}
	if (!info->unfit.empty()) {
		return name + " is unfit: " + info->unfit;
	}
	if (info->replay_paused) {
		return name + " is paused: it replays no WAL (pg_wal_replay_resume() ends that)";
	}
	if (!info->streaming || info->upstream != inputs.data.master) {
		return name + " does not stream from the master" +
		       (info->trouble.empty() ? "" : ": " + info->trouble);
	}
	if (!info->trouble.empty()) {
		return name + " is not well: " + info->trouble;
	}
	return {};
}

std::string objection_to_lag(const SentinelInputs &inputs, const Db &master, const Db &target) {
	const KeeperInfo &info = *info_of(inputs, target);
	const std::string name = "keeper " + target.keeper.value;
	// While a switchover runs positions are published often; one of before may be old.
	if (info.generation < inputs.data.switchover->generation) {
		return name + " has not told its position";
	}
	const auto lag = lag_of(inputs, master, target);
	if (!lag) {
		return name + " is on another timeline than the master";
	}
	if (*lag > inputs.data.spec.max_standby_lag) {
		return name + " lags by " + std::to_string(*lag) + " bytes, more than maxStandbyLag of " +
		       std::to_string(inputs.data.spec.max_standby_lag);
	}
	return {};
}

DbUid choose_switchover_target(const SentinelInputs &inputs, const Db &master, std::string &why) {
	std::vector<std::string> objections;
	std::optional<std::tuple<std::uint64_t, int, KeeperUid, DbUid>> best;
	for (const auto &[uid, db] : inputs.data.dbs) {
		const Keeper *keeper = inputs.data.find_keeper(db.keeper);
		if (uid == master.uid || !keeper || keeper->db != uid) {
			continue;
		}
		if (const std::string objection = objection_to_target(inputs, uid); !objection.empty()) {
			objections.push_back(objection);
			continue;
		}
		const auto lag = lag_of(inputs, master, db);
		const std::tuple candidate(lag.value_or(UINT64_MAX),
		                           -inputs.data.spec.failover_priority_of(db.keeper), db.keeper,
		                           uid);
		best = best ? std::min(*best, candidate) : candidate;
	}
	why = objections.empty() ? "there is no standby" : join(objections, "; ");
	return best ? std::get<3>(*best) : DbUid();
}
}  // namespace stolon::core::sentinel
