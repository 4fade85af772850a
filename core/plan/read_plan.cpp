#include "core/plan/read_plan.h"

#include <algorithm>

namespace stolon::core {

namespace {

void note_master(ReadState &state, const ReadInputs &in) {
	if (state.master != in.data->master) {
		// Another's positions: after a failover they may be lower.
		state.master = in.data->master;
		state.positions.clear();
	}
	if (in.master_position.valid() &&
	    (state.positions.empty() || state.positions.back().second < in.master_position)) {
		state.positions.emplace_back(in.now, in.master_position);
	}
	// The last one before the oldest instant that is asked about has to stay.
	const Instant oldest = in.now - in.data->spec.sleep_interval - publish_slack;
	while (state.positions.size() > max_positions_seen ||
	       (state.positions.size() > 1 && state.positions[1].first <= oldest)) {
		state.positions.pop_front();
	}
}

/// The master's position at that instant; nullopt if it was not seen yet.
std::optional<Lsn> master_at(const ReadState &state, Instant at) {
	std::optional<Lsn> lsn;
	for (const auto &[seen_at, position] : state.positions) {
		if (seen_at > at) {
			break;
		}
		lsn = position;
	}
	return lsn;
}

enum class Presence { Gone, Silent, There };

Presence presence_of(const ReadInputs &in, const ReadState &state, const Keeper &keeper) {
	const Db *db = in.data->find_db(keeper.db);
	if (db == nullptr || db->follow.empty() || keeper.host.empty() || keeper.port == 0) {
		return Presence::Gone;
	}
	// A launcher that has stopped its server goes first; the keeper's last word stays a while. So
	// without a launcher only who was there at the last look goes on to be.
	const auto node = in.nodes.find(keeper.uid);
	const bool has_launcher = node != in.nodes.end();
	if (has_launcher ? node->second != NodePhase::Running : !state.standbys.contains(keeper.uid)) {
		return Presence::Gone;
	}
	const auto info = in.infos.find(keeper.uid);
	if (info == in.infos.end()) {
		return has_launcher ? Presence::Silent : Presence::Gone;
	}
	return info->second.db == keeper.db && info->second.role == PgRole::Standby ? Presence::There
	                                                                            : Presence::Gone;
}

/// What was seen of a standby whose keeper says nothing is believed for a while.
bool is_believed(const ReadInputs &in, ReadState &state, const Keeper &keeper) {
	const auto it = state.standbys.find(keeper.uid);
	if (it == state.standbys.end() || it->second.db != keeper.db) {
		return false;
	}
	std::optional<Instant> &since = it->second.silent_since;
	since = since.value_or(in.now);
	return in.now - *since < off_intervals * in.data->spec.fail_interval;
}

/// Brings what was seen of a standby that is there up to date.
StandbySeen &note_standby(const ReadInputs &in, ReadState &state, const KeeperInfo &info,
                          bool first_look) {
	auto [it, is_new] = state.standbys.try_emplace(info.uid);
	StandbySeen &seen = it->second;
	if (is_new || seen.db != info.db) {
		seen = StandbySeen();
		seen.db = info.db;
		seen.replayed = info.replayed;
		seen.at = in.now;
		seen.dated = !first_look;
	} else if (seen.replayed != info.replayed) {
		seen.replayed = info.replayed;
		seen.at = in.now;
		seen.dated = true;
	}
	seen.silent_since.reset();
	if (info.is_well(in.data->master)) {
		seen.off_since.reset();
	} else if (!seen.off_since) {
		seen.off_since = in.now;
	}
	return seen;
}

/// Why readers should not go there; empty: they may.
std::string unfit_because(const ReadInputs &in, const ReadState &state, StandbySeen &seen) {
	if (seen.off_since &&
	    !(seen.fit && in.now - *seen.off_since < off_intervals * in.data->spec.fail_interval)) {
		return "does not stream from the master, or does not replay what it receives";
	}
	const std::uint64_t bound = in.data->spec.max_read_lag;
	if (bound == 0) {
		seen.lagging = false;
		return {};
	}
	const std::uint64_t lag = lag_of(state, seen, in.now, in.data->spec.sleep_interval);
	seen.lagging = lag > (seen.lagging ? bound / 2 : bound);
	// Without the figure, which would make another sentence of each look.
	return seen.lagging ? "lags by more than maxReadLag allows" : "";
}

}  // namespace

std::uint64_t lag_of(const ReadState &state, const StandbySeen &seen, Instant now,
                     Duration sleep_interval) {
	// It was there when it said so; had it moved since, it would have said so until now.
	const Instant silent_until = now - sleep_interval - publish_slack;
	const Instant at = seen.dated ? std::max(seen.at, silent_until) : silent_until;
	const std::optional<Lsn> master = master_at(state, at);
	return master && *master > seen.replayed ? master->value - seen.replayed.value : 0;
}

ReadDecision plan_readers(ReadInputs in) {
	ReadDecision decision;
	ReadState &state = decision.state;
	state = std::move(in.state);
	const bool first_look = state.master.empty();
	note_master(state, in);
	std::map<KeeperUid, StandbySeen> there;
	for (const auto &[uid, keeper] : in.data->keepers) {
		const Presence presence = presence_of(in, state, keeper);
		if (presence == Presence::Gone ||
		    (presence == Presence::Silent && !is_believed(in, state, keeper))) {
			continue;
		}
		StandbySeen &seen = presence == Presence::Silent
		                        ? state.standbys.at(uid)
		                        : note_standby(in, state, in.infos.at(uid), first_look);
		const Backend server{keeper.host, keeper.port};
		decision.standbys.push_back(server);
		std::string why_not = unfit_because(in, state, seen);
		seen.fit = why_not.empty();
		if (seen.fit && in.refusing.contains(server)) {
			why_not = "takes no connections";
		}
		if (why_not.empty()) {
			decision.backends.push_back(server);
		} else {
			decision.left_out.push_back(uid.value + " " + why_not);
		}
		there.insert({uid, seen});
	}
	state.standbys = std::move(there);
	decision.alive = decision.standbys;
	const Keeper *master = in.data->master_keeper();
	if (master != nullptr && !master->host.empty() && master->port != 0) {
		decision.alive.push_back(Backend{master->host, master->port});
		decision.from_master = decision.backends.empty() && in.fall_back;
		if (decision.from_master) {
			decision.backends.push_back(decision.alive.back());
		}
	}
	std::sort(decision.backends.begin(), decision.backends.end());
	std::sort(decision.alive.begin(), decision.alive.end());
	return decision;
}

std::vector<std::optional<Backend>> assign_readers(std::vector<std::optional<Backend>> had,
                                                   const std::vector<Backend> &backends) {
	std::map<Backend, std::size_t> load;
	for (const Backend &backend : backends) {
		load[backend] = 0;
	}
	for (std::optional<Backend> &one : had) {
		if (one && load.contains(*one)) {
			++load[*one];
		} else {
			one.reset();
		}
	}
	if (load.empty()) {
		return had;
	}
	const auto least = [&load] {
		return std::min_element(load.begin(), load.end(),
		                        [](const auto &a, const auto &b) { return a.second < b.second; });
	};
	// Those without a place first: who has one is only moved if that does not suffice.
	for (std::optional<Backend> &one : had) {
		if (!one) {
			const auto to = least();
			one = to->first;
			++to->second;
		}
	}
	for (std::optional<Backend> &one : had) {
		const auto to = least();
		if (load[*one] > to->second + 1) {
			--load[*one];
			one = to->first;
			++to->second;
		}
	}
	return had;
}

}  // namespace stolon::core
