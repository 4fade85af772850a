// LESSONS D-1: whatever a keeper or a launcher finds, and whatever the view wants, there is a way
// to it, or an explicit refusal. Every pair is played: the decisions are carried out on a small
// model until nothing changes any more. Where that ends must be what the view wants, or something
// that says what is waited for.
#include <gtest/gtest.h>

#include <set>

#include "core/plan/keeper_plan.h"
#include "core/plan/launcher_plan.h"

namespace stolon::core {
namespace {

const KeeperUid own_keeper{"k1"};
const KeeperUid other_keeper{"k2"};
const DbUid own_db{"aaaaaaaa"};
const DbUid other_db{"bbbbbbbb"};
const DbUid fresh_db{"cccccccc"};

constexpr int max_steps = 30;

void add_db(ClusterData &data, const KeeperUid &keeper, const DbUid &uid, DbInit init,
            const DbUid &follow) {
	Db db;
	db.uid = uid;
	db.keeper = keeper;
	db.init = init;
	db.follow = follow;
	data.dbs[uid] = db;
	data.keepers[keeper] = Keeper{keeper, uid, "10.0.0.1", 5432, {}};
}

/// What the view may want of keeper k1.
struct Wanted {
	std::string name;
	ClusterData data;
};

ClusterData view(const DbUid &own, DbInit init, bool is_master) {
	ClusterData data = initial_clusterdata(ClusterSpec(), "0123456789abcdef");
	data.system_id = "7000000000000000001";
	data.phase = ClusterPhase::Normal;
	data.epoch = Epoch{5};
	data.generation = 12;
	add_db(data, own_keeper, own, init, is_master ? DbUid() : other_db);
	add_db(data, other_keeper, other_db, DbInit::None, is_master ? own : DbUid());
	data.master = is_master ? own : other_db;
	return data;
}

ClusterData with_election(ClusterData data, const DbUid &old_master, std::vector<DbUid> voters) {
	Election election;
	election.epoch = data.epoch;
	election.old_master = old_master;
	election.voters = std::move(voters);
	data.election = election;
	data.master = {};
	return data;
}

std::vector<Wanted> all_wanted() {
	std::vector<Wanted> all = {
	    {"master", view(own_db, DbInit::None, true)},
	    {"standby", view(own_db, DbInit::None, false)},
	    {"standby whose clone has just begun to run", view(own_db, DbInit::Resync, false)},
	    {"new incarnation as a clone", view(fresh_db, DbInit::Resync, false)},
	    {"other data that should be there", view(fresh_db, DbInit::None, false)},
	    {"other data that should be there, as the master", view(fresh_db, DbInit::None, true)},
	    {"voter", with_election(view(own_db, DbInit::None, false), other_db, {own_db})},
	    {"not asked", with_election(view(own_db, DbInit::None, false), other_db, {})},
	    {"old master", with_election(view(own_db, DbInit::None, true), own_db, {other_db})},
	    {"clone while nobody is the master",
	     with_election(view(fresh_db, DbInit::Resync, false), other_db, {})},
	};
	ClusterData first = view(own_db, DbInit::New, true);
	first.phase = ClusterPhase::Initializing;
	first.system_id.clear();
	all.push_back({"first master", first});
	ClusterData too_late = view(fresh_db, DbInit::New, true);
	all.push_back({"first master of a cluster that has been initialised", too_late});
	ClusterData no_db = view(own_db, DbInit::None, false);
	no_db.dbs.erase(own_db);
	no_db.keepers[own_keeper].db = {};
	all.push_back({"no db", no_db});
	ClusterData unknown = no_db;
	unknown.keepers.erase(own_keeper);
	all.push_back({"not a member", unknown});
	ClusterData homeless = view(own_db, DbInit::None, false);
	homeless.keepers.erase(other_keeper);
	homeless.dbs[own_db].follow = {};
	homeless.dbs.erase(other_db);
	homeless.master = {};
	all.push_back({"standby without a master or an election", homeless});
	ClusterData foreign = view(own_db, DbInit::None, false);
	foreign.cluster_uid = "fedcba9876543210";
	all.push_back({"another cluster", foreign});
	return all;
}

// ---- Launcher

struct LauncherCase {
	std::string name;
	LauncherInputs in;
};

DataDir directory(const DbUid &db, std::uint64_t epoch) {
	DataDir dir;
	dir.kind = DataKind::Ours;
	dir.state.cluster_uid = "0123456789abcdef";
	dir.state.keeper = own_keeper;
	dir.state.db = db;
	dir.state.epoch = Epoch{epoch};
	dir.system_id = "7000000000000000001";
	return dir;
}

std::vector<std::pair<std::string, DataDir>> all_directories() {
	DataDir foreign;
	foreign.kind = DataKind::Foreign;
	foreign.problem = "it belongs to nobody";
	DataDir cloned;
	cloned.clone_ready = fresh_db;
	cloned.clone_of = other_db;
	DataDir cloned_beside = directory(own_db, 4);
	cloned_beside.clone_ready = fresh_db;
	cloned_beside.clone_of = other_db;
	DataDir other_system = directory(own_db, 4);
	other_system.system_id = "7000000000000000002";
	DataDir of_standby = directory(own_db, 4);
	of_standby.is_standby = true;
	DataDir half_rewound = directory(own_db, 4);
	half_rewound.half_rewound = true;
	return {{"nothing", {}},
	        {"nothing, with a clone beside", cloned},
	        {"data", directory(own_db, 4)},
	        {"data of the present epoch", directory(own_db, 5)},
	        {"data of a later epoch", directory(own_db, 6)},
	        {"data of a standby", of_standby},
	        {"data, with a clone beside", cloned_beside},
	        {"data that are half rewound", half_rewound},
	        {"data of another incarnation", directory(DbUid{"dddddddd"}, 4)},
	        {"data of another system", other_system},
	        {"foreign", foreign}};
}

struct Server {
	const char *name;
	PgState state;
	bool is_primary;
	StopLevel stopping;
	bool leftovers;
	bool must_release;
	std::int64_t released;
};

constexpr Server servers[] = {
    {"down", PgState::Down, false, StopLevel::None, false, false, 0},
    {"just killed as the master", PgState::Down, false, StopLevel::None, true, true, 0},
    {"released", PgState::Down, false, StopLevel::None, false, false, 77},
    {"starting as a standby", PgState::Starting, false, StopLevel::None, false, false, 0},
    {"starting as a primary", PgState::Starting, true, StopLevel::None, false, false, 0},
    {"running as a standby", PgState::Running, false, StopLevel::None, false, false, 0},
    {"running as a primary", PgState::Running, true, StopLevel::None, false, true, 0},
    {"stopping as a standby", PgState::Stopping, false, StopLevel::Fast, false, false, 0},
    {"stopping as a primary", PgState::Stopping, true, StopLevel::Immediate, false, true, 0},
};

std::vector<LauncherCase> all_launchers() {
	std::vector<LauncherCase> all;
	for (const auto &[name, dir] : all_directories()) {
		for (const Server &server : servers) {
			// Nothing of ours runs without our data.
			if (dir.kind != DataKind::Ours && (server.state != PgState::Down || server.leftovers))
				continue;
			LauncherInputs in;
			in.uid = own_keeper;
			in.now = Instant{seconds(1000)};
			in.ended_at = in.primary_seen_at = in.stop_level_at = in.now - milliseconds(20);
			in.view_read_at = in.now - milliseconds(10);
			in.dir = dir;
			in.pg = server.state;
			in.pg_is_primary = server.is_primary;
			in.stop_level = server.stopping;
			in.leftovers = server.leftovers;
			in.must_release = server.must_release;
			in.released_revision = server.released;
			in.upstream_ready = true;
			in.upstream_checkpointed = true;
			all.push_back({name + ", " + server.name, in});
			in.no_rewind_for = fresh_db;
			in.no_rewind_reason = "the WAL is gone";
			all.push_back({name + ", " + server.name + ", cannot be rewound", in});
			in.no_rewind_for = {};
			in.removable = 1000;
			in.report_missing = true;
			all.push_back({name + ", " + server.name + ", much set aside", in});
		}
	}
	return all;
}

void begin_stop(LauncherInputs &in, StopLevel level) {
	in.pg = PgState::Stopping;
	in.stop_level = level;
	in.stop_level_at = in.now;
}

void end_server(LauncherInputs &in) {
	in.must_release = in.must_release || in.pg_is_primary;
	in.pg = PgState::Down;
	in.pg_is_primary = false;
	in.stop_level = StopLevel::None;
	in.leftovers = true;
	in.ended_at = in.now;
}

void end_task(LauncherInputs &in) {
	in.task_running = false;
	in.dir.clone_ready = in.task_db;
	in.dir.clone_of = in.task_upstream;
}

/// The keeper worker sees to that (K-04).
bool is_to_be_promoted(const LauncherInputs &in) {
	return in.pg == PgState::Running && !in.pg_is_primary && in.data->master == in.dir.state.db;
}

/// What is done by an action, when it goes well, or just happens while time passes. False: nothing.
bool carry_out(const LauncherDecision &decision, LauncherInputs &in) {
	using Action = LauncherAction;
	switch (decision.action) {
		case Action::Reap:
			in.leftovers = false;
			return true;
		case Action::Release:
			in.must_release = false;
			in.released_revision = 77;
			return true;
		case Action::InitDb:
			in.dir = directory(decision.db, 5);
			return true;
		case Action::Clone:
			in.task_running = true;
			in.task_db = decision.db;
			in.task_upstream = decision.follow;
			return true;
		case Action::Rewind:
		case Action::Swap:
			in.dir = directory(decision.db, 5);
			return true;
		case Action::Tidy:
			in.removable = 0;
			in.report_missing = false;
			return true;
		case Action::AbortTask:
			in.task_running = false;
			return true;
		case Action::StartPrimary:
		case Action::StartStandby:
			in.pg = PgState::Starting;
			in.pg_is_primary = decision.action == Action::StartPrimary;
			return true;
		case Action::StopFast:
			begin_stop(in, StopLevel::Fast);
			return true;
		case Action::StopImmediate:
			begin_stop(in, StopLevel::Immediate);
			return true;
		case Action::StopKill:
			end_server(in);
			return true;
		case Action::Wait:
			break;
		case Action::Refuse:
		case Action::Exit:
			return false;
	}
	if (in.pg == PgState::Starting)
		in.pg = PgState::Running;
	else if (in.pg == PgState::Stopping)
		end_server(in);
	else if (in.task_running)
		end_task(in);
	else if (is_to_be_promoted(in))
		in.pg_is_primary = true;
	else if (!decision.wake_at && !decision.refresh_view)
		return false;
	return true;
}

void let_time_pass(const LauncherDecision &decision, LauncherInputs &in) {
	in.now = std::max(in.now + milliseconds(5), decision.wake_at.value_or(in.now));
	in.view_read_at = in.now - milliseconds(1);
}

bool is_as_wanted(const LauncherInputs &in) {
	const Db *wanted = in.data->db_of(own_keeper);
	return wanted && in.dir.kind == DataKind::Ours && in.dir.state.db == wanted->uid &&
	       in.pg == PgState::Running && in.pg_is_primary == (in.data->master == wanted->uid);
}

/// A keeper that is up where the view has no use for it does no harm: the fence holds, and whatever
/// ends the waiting leads on.
const std::set<std::string> may_wait = {
    "L-09",  // a server is up: its keeper worker does the rest, or an election goes on
    "L-13",  // the sentinel gives a db
    "L-15",  // for a master, or for the upstream's slot
    "L-16",  // S-11 gives a new incarnation
};

TEST(EveryPair, OfWhatALauncherFindsAndWhatIsWantedHasAWayOrARefusal) {
	int pairs = 0;
	for (const auto &wanted : all_wanted()) {
		for (const auto &found : all_launchers()) {
			SCOPED_TRACE("found: " + found.name + "; wanted: " + wanted.name);
			LauncherInputs in = found.in;
			in.data = wanted.data;
			LauncherDecision decision;
			int steps = 0;
			for (; steps < max_steps; ++steps) {
				decision = plan_launcher(in);
				ASSERT_FALSE(decision.reason.rule.empty());
				ASSERT_FALSE(decision.reason.text.empty());
				if (!carry_out(decision, in))
					break;
				let_time_pass(decision, in);
			}
			ASSERT_LT(steps, max_steps) << "it never ends, the last was " << decision.reason.rule
			                            << " " << decision.reason.text;
			EXPECT_TRUE(is_as_wanted(in) || decision.action == LauncherAction::Refuse ||
			            may_wait.contains(decision.reason.rule))
			    << decision.reason.rule << " " << decision.reason.text;
			// A primary goes on only where it is named, or nobody is.
			const bool goes_on = in.pg_is_primary && decision.action != LauncherAction::Refuse;
			EXPECT_TRUE(!goes_on || wanted.data.master == in.dir.state.db ||
			            wanted.data.master.empty());
			++pairs;
		}
	}
	EXPECT_GT(pairs, 500);
}

// ---- Keeper worker

struct KeeperCase {
	std::string name;
	KeeperLocal local;
};

std::vector<KeeperCase> all_keepers() {
	std::vector<KeeperCase> all;
	const FollowTarget other{other_db, "10.0.0.1", 5432};
	for (const std::uint64_t epoch : {4, 5, 6})
		for (const bool in_recovery : {true, false})
			for (const bool lease_won : {true, false})
				for (const int config : {0, 1, 2, 3}) {
					KeeperLocal local;
					local.state.cluster_uid = "0123456789abcdef";
					local.state.keeper = own_keeper;
					local.state.db = own_db;
					local.state.epoch = Epoch{epoch};
					local.in_recovery = in_recovery;
					local.lease_won = lease_won;
					local.config_known = config != 0;
					local.target = config == 1 ? other : FollowTarget();
					local.electing = config == 3;
					local.quiet = config == 3 && in_recovery;
					local.position = {Timeline{1}, Lsn{0x5000000}};
					local.replayed = Lsn{0x5000000};
					all.push_back({(in_recovery ? "standby" : "primary") +
					                   std::string(" of epoch ") + std::to_string(epoch) +
					                   (lease_won ? ", lease won" : "") + ", configuration " +
					                   std::to_string(config),
					               local});
				}
	return all;
}

/// True when something has changed.
bool carry_out(const KeeperDecision &decision, KeeperLocal &local) {
	const KeeperLocal before = local;
	if (decision.save_epoch)
		local.state.epoch = *decision.save_epoch;
	if (decision.target) {
		local.config_known = true;
		local.target = *decision.target;
		local.electing = decision.electing;
	}
	local.lease_won = decision.act_as_master || (local.lease_won && !decision.lost);
	local.quiet = local.in_recovery && local.config_known && local.target.db.empty();
	if (local.promoting)
		local.in_recovery = local.promoting = false;
	if (decision.promote)
		local.promoting = true;
	for (const auto &slot : decision.create_slots) {
		local.slots.emplace_back().name = slot.name;
		local.slots.back().restart = Lsn{1};
	}
	for (const auto &name : decision.drop_slots)
		std::erase_if(local.slots, [&](const LocalSlot &slot) { return slot.name == name; });
	return local.state != before.state || local.config_known != before.config_known ||
	       !(local.target == before.target) || local.electing != before.electing ||
	       local.lease_won != before.lease_won || local.quiet != before.quiet ||
	       local.in_recovery != before.in_recovery || local.promoting != before.promoting ||
	       local.slots != before.slots;
}

bool is_as_wanted(const ClusterData &data, const KeeperLocal &local,
                  const KeeperDecision &decision) {
	if (data.master == own_db)
		return !local.in_recovery && local.lease_won && decision.act_as_master;
	if (data.election)
		return decision.vote.has_value();
	const Db *own = data.find_db(own_db);
	return own && local.in_recovery && local.target.db == own->follow && !local.lease_won;
}

/// What the launcher, the sentinel or the operator has to end; each says so.
const std::set<std::string> left_to_others = {
    "K-01",  // another cluster's view
    "K-02",  // the launcher replaces these data
    "K-03",  // a view that has gone back
    "K-07",  // the election ends
    "K-09",  // the launcher stops it (L-08)
};

TEST(EveryPair, OfWhatAKeeperWorkerFindsAndWhatIsWantedHasAWayOrARefusal) {
	int pairs = 0;
	for (const auto &wanted : all_wanted()) {
		for (const auto &found : all_keepers()) {
			SCOPED_TRACE("found: " + found.name + "; wanted: " + wanted.name);
			KeeperInputs in;
			in.uid = own_keeper;
			in.data = wanted.data;
			in.master = MasterKey{wanted.data.epoch, wanted.data.master};
			in.master_revision = 100;
			in.local = found.local;
			KeeperDecision decision;
			int steps = 0;
			for (; steps < max_steps; ++steps) {
				decision = plan_keeper(in);
				ASSERT_FALSE(decision.reason.rule.empty());
				ASSERT_FALSE(decision.reason.text.empty());
				ASSERT_FALSE(decision.act_as_master && wanted.data.master != own_db);
				ASSERT_FALSE(decision.promote && wanted.data.master != own_db);
				if (!carry_out(decision, in.local))
					break;
			}
			ASSERT_LT(steps, max_steps) << "it never ends, the last was " << decision.reason.rule
			                            << " " << decision.reason.text;
			EXPECT_TRUE(is_as_wanted(wanted.data, in.local, decision) ||
			            left_to_others.contains(decision.reason.rule))
			    << decision.reason.rule << " " << decision.reason.text;
			++pairs;
		}
	}
	EXPECT_GT(pairs, 500);
}

}  // namespace
}  // namespace stolon::core
