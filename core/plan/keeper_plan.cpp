#include "core/plan/keeper_plan.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "core/lineage/lineage.h"

namespace stolon::core {

namespace {

std::string number(std::uint64_t value) {
	return std::to_string(value);
}

bool is_voter(const Election &election, const DbUid &db) {
	return std::find(election.voters.begin(), election.voters.end(), db) != election.voters.end();
}

FollowTarget target_of(const ClusterData &data, const DbUid &upstream) {
	const Keeper *keeper = data.reachable_keeper_of(upstream);
	return keeper ? FollowTarget{upstream, keeper->host, keeper->port} : FollowTarget();
}

bool is_switching_over(const ClusterData &data) {
	return data.switchover && data.switchover->is_running();
}

const LocalSlot *find_slot(const KeeperInputs &inputs, const std::string &name) {
	const auto &slots = inputs.local.slots;
	const auto found = std::find_if(slots.begin(), slots.end(),
	                                [&](const LocalSlot &slot) { return slot.name == name; });
	return found == slots.end() ? nullptr : &*found;
}

// From where on a member may need WAL, as far as it is on this server's line; otherwise invalid.
// Not beyond where this server would recover from: a rewind goes back to the last checkpoint whose
// record both have, and the record of the member's last one may not have come here.
Lsn needed_from(const KeeperLocal &local, const MemberReport &report) {
	const Lsn lsn = std::min({report.redo, report.position.lsn, local.redo});
	const WalPosition place{report.position.timeline, lsn};
	return contains(Lineage{local.position, local.history}, place) ? lsn : Lsn();
}

// On a primary the walsenders do that. A standby's slots are for the time after a failover: nobody
// streams with them, and what they kept while this server was a primary may have to be let go.
void plan_advance(const KeeperInputs &inputs, const DbUid &uid, const LocalSlot &slot,
                  KeeperDecision &decision) {
	if (!inputs.local.in_recovery || slot.active || slot.lost)
		return;
	const auto report = inputs.reports.find(uid);
	const Lsn to =
	    report == inputs.reports.end() ? Lsn() : needed_from(inputs.local, report->second);
	if (to > slot.restart || slot.holds_xmin)
		decision.advance_slots.push_back({slot.name, std::max(to, slot.restart)});
}

// One that was lost is made anew once its owner is there to use it; until then another would only
// keep WAL in vain. One that has never kept anything was half made when the server died.
bool has_to_be_made_anew(const LocalSlot &slot, bool owner_is_present) {
	return !slot.active && (slot.lost ? owner_is_present : !slot.restart.valid());
}

void plan_slot_of(const KeeperInputs &inputs, const Db &db, KeeperDecision &decision) {
	const std::string name = replication_name(db.uid);
	if (const LocalSlot *slot = find_slot(inputs, name)) {
		if (has_to_be_made_anew(*slot, inputs.present.contains(db.keeper)))
			decision.drop_slots.push_back(name);
		else
			plan_advance(inputs, db.uid, *slot, decision);
		return;
	}
	NewSlot fresh{name, ""};
	if (!db.replaces.empty()) {
		const LocalSlot *before = find_slot(inputs, replication_name(db.replaces));
		if (before && !before->lost)
			fresh.like = before->name;
	}
	decision.create_slots.push_back(std::move(fresh));
}

// A slot for each other member, on every server, so that whoever becomes the master has the WAL
// that the others go on with. One that is in use is left for a later round.
void plan_slots(const KeeperInputs &inputs, const DbUid &own, KeeperDecision &decision) {
	std::set<std::string> wanted;
	for (const auto &[uid, db] : inputs.data->dbs) {
		if (uid == own)
			continue;
		wanted.insert(replication_name(uid));
		plan_slot_of(inputs, db, decision);
	}
	for (const auto &slot : inputs.local.slots) {
		if (!wanted.contains(slot.name) && !slot.active)
			decision.drop_slots.push_back(slot.name);
	}
}

void save_epoch_if_newer(const KeeperInputs &inputs, KeeperDecision &decision) {
	if (inputs.local.state.epoch < inputs.data->epoch)
		decision.save_epoch = inputs.data->epoch;
}

void set_target(FollowTarget target, bool electing, KeeperDecision &decision) {
	decision.target = std::move(target);
	decision.electing = electing;
}

// stolon.conf says "follow nobody", the startup process has taken it over, and the walreceiver is
// gone.
bool is_frozen(const KeeperLocal &local) {
	return local.config_known && local.electing && local.target == FollowTarget{} && local.quiet;
}

KeeperDecision nothing(const char *rule, std::string text) {
	KeeperDecision decision;
	decision.reason = Reason{rule, std::move(text)};
	return decision;
}

/// The view's switchover, if it is in its step Checkpoint; or nullptr.
const Switchover *switchover_in_checkpoint(const ClusterData &data) {
	const auto &switchover = data.switchover;
	const bool is_in_it = switchover && switchover->phase == SwitchoverPhase::Checkpoint &&
	                      switchover->epoch == data.epoch;
	return is_in_it ? &*switchover : nullptr;
}

KeeperDecision be_master(const KeeperInputs &inputs, const DbUid &own) {
	const ClusterData &data = *inputs.data;
	KeeperDecision decision;
	decision.publish_often = is_switching_over(data);
	decision.reason = Reason{"K-04", "named master of epoch " + number(data.epoch.value)};
	save_epoch_if_newer(inputs, decision);
	decision.act_as_master = true;
	decision.epoch = data.epoch;
	decision.master_revision = inputs.master_revision;
	decision.valid = data.spec.fail_interval;
	decision.health = health_limits(data.spec);
	decision.generation = data.generation;
	// While the promotion is under way the startup process should look often. Afterwards the
	// setting has no effect, so that rewriting the file would only delay the first answer.
	set_target(FollowTarget{}, inputs.local.in_recovery || inputs.local.electing, decision);
	// A view that came late may name us in an epoch that is over. The first beat proves that it is
	// not; promoting before it would fork the timeline for nothing.
	decision.promote =
	    inputs.local.in_recovery && !inputs.local.promoting && inputs.local.lease_won;
	decision.forget_was_primary = inputs.local.state.was_primary && !inputs.local.in_recovery;
	plan_slots(inputs, own, decision);
	const Switchover *switchover = switchover_in_checkpoint(data);
	if (switchover && switchover->from == own && !inputs.local.in_recovery) {
		decision.checkpoint_for = switchover->id;
		for (const auto &[uid, db] : data.dbs)
			if (uid == switchover->target || db.init != DbInit::None)
				decision.spared_slots.push_back(replication_name(uid));
	}
	return decision;
}

KeeperDecision take_part_in_election(const KeeperInputs &inputs, const DbUid &own) {
	const ClusterData &data = *inputs.data;
	const Election &election = *data.election;
	KeeperDecision decision;
	decision.lost = true;
	decision.generation = data.generation;
	if (!inputs.local.in_recovery || !is_voter(election, own)) {
		decision.reason = Reason{"K-07", "the election of epoch " + number(election.epoch.value) +
		                                     " is open, this server is no voter"};
		return decision;
	}
	decision.reason =
	    Reason{"K-06", "frozen for the election of epoch " + number(election.epoch.value)};
	save_epoch_if_newer(inputs, decision);
	decision.freeze = true;
	set_target(FollowTarget{}, true, decision);
	// The promise never to follow an older epoch has to be on disk before anybody may count on it.
	// Without the WAL that makes its data consistent it could never be promoted.
	if (is_frozen(inputs.local) && !inputs.local.inconsistent && !decision.save_epoch)
		decision.vote = Vote{election.epoch, inputs.local.position, inputs.local.replayed};
	return decision;
}

KeeperDecision be_standby(const KeeperInputs &inputs, const Db &own) {
	const ClusterData &data = *inputs.data;
	KeeperDecision decision;
	decision.publish_often = is_switching_over(data);
	decision.lost = true;
	if (const Keeper *master = data.master_keeper())
		decision.successor = master->uid;
	if (!inputs.local.in_recovery) {
		decision.reason =
		    Reason{"K-09", "a primary, but db " + data.master.value + " is named master of epoch " +
		                       number(data.epoch.value)};
		decision.message = "this primary was replaced; it is being stopped";
		return decision;
	}
	save_epoch_if_newer(inputs, decision);
	if (inputs.local.state.was_primary && !own.handed_over) {
		decision.reason = Reason{"K-12", "a standby whose data have been a primary's"};
		decision.message =
		    "this server was promoted without having been named; it follows nobody until its data "
		    "have been compared with the master's";
		decision.generation = data.generation;
		set_target(FollowTarget{}, false, decision);
		return decision;
	}
	decision.forget_was_primary = inputs.local.state.was_primary;
	FollowTarget target = target_of(data, own.follow);
	decision.reason = Reason{"K-08", target.db.empty() ? "a standby without an upstream"
	                                                   : "follows db " + target.db.value};
	decision.generation = data.generation;
	const Duration half = repair_bound(data.spec) / 2;
	if (!target.db.empty() && half > Duration(0) && inputs.local.stood_still >= half &&
	    inputs.local.since_repoint >= half) {
		decision.repoint = true;
		decision.reason = Reason{
		    "K-11", "has not got on behind db " + target.db.value + " and connects to it anew"};
	}
	set_target(std::move(target), false, decision);
	plan_slots(inputs, own.uid, decision);
	// What it writes now it need not write when it has been promoted.
	const Switchover *switchover = switchover_in_checkpoint(data);
	if (switchover && switchover->target == own.uid)
		decision.checkpoint_for = switchover->id;
	return decision;
}

}  // namespace

std::vector<LocalSlot> stragglers(const std::vector<LocalSlot> &slots, Lsn upto,
                                  const std::vector<std::string> &spared) {
	std::vector<LocalSlot> late;
	std::copy_if(slots.begin(), slots.end(), std::back_inserter(late), [&](const LocalSlot &slot) {
		return slot.active && slot.restart < upto &&
		       std::find(spared.begin(), spared.end(), slot.name) == spared.end();
	});
	return late;
}

KeeperDecision plan_keeper(const KeeperInputs &inputs) {
	if (!inputs.data)
		return nothing("K-01", "nothing is known about the cluster yet");
	const ClusterData &data = *inputs.data;
	const DataState &state = inputs.local.state;
	if (data.cluster_uid != state.cluster_uid) {
		auto decision = nothing("K-01", "the store describes another cluster");
		decision.message =
		    "the store's cluster " + data.cluster_uid + " is not the one of these data (" +
		    state.cluster_uid +
		    "); check stolon.store_endpoints, stolon.store_prefix and stolon.cluster_name";
		return decision;
	}
	const Db *own = data.db_of(inputs.uid);
	if (own == nullptr || own->uid != state.db) {
		auto decision =
		    nothing("K-02", "db " + state.db.value + " is not this keeper's present incarnation");
		decision.lost = true;
		if (const Keeper *master = data.master_keeper())
			decision.successor = master->uid;
		return decision;
	}
	if (data.epoch < state.epoch)
		return nothing("K-03", "epoch " + number(data.epoch.value) +
		                           " of the view is older than epoch " + number(state.epoch.value) +
		                           " that this keeper has honoured");
	if (data.election)
		return take_part_in_election(inputs, own->uid);
	if (data.master != own->uid)
		return be_standby(inputs, *own);
	const bool agrees =
	    inputs.master && inputs.master->db == own->uid && inputs.master->epoch == data.epoch;
	if (!agrees) {
		auto decision = nothing("K-05", "the master key does not name this db yet");
		// A mandate that rests on an older revision of the key cannot be renewed; there is no point
		// in using it up.
		decision.lost = inputs.master && inputs.master->db != own->uid;
		return decision;
	}
	return be_master(inputs, own->uid);
}

}  // namespace stolon::core
