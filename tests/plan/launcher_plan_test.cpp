// The launcher's rules, one scenario each. No clock, no store, no directory.
#include "core/plan/launcher_plan.h"

#include <gtest/gtest.h>

#include <functional>

namespace stolon::core {
namespace {

using Action = LauncherAction;

constexpr Instant start{seconds(1000)};
const KeeperUid own_keeper{"k1"};
const DbUid own_db{"aaaaaaaa"};
const DbUid other_db{"bbbbbbbb"};
const DbUid new_db{"cccccccc"};

void add_db(ClusterData &data, const KeeperUid &keeper, const DbUid &uid, DbInit init,
            const DbUid &follow) {
	Db db;
	db.uid = uid;
	db.keeper = keeper;
	db.init = init;
	db.follow = follow;
	data.dbs[uid] = db;
	Keeper entry;
	entry.uid = keeper;
	entry.db = uid;
	entry.host = "10.0.0.1";
	entry.port = 5432;
	data.keepers[keeper] = entry;
}

/// Two keepers; k1 with `own_db` is the master in epoch 3, k2 follows. failInterval is 5 s.
ClusterData master_view() {
	ClusterData data;
	data.cluster_uid = "0123456789abcdef";
	data.system_id = "7000000000000000001";
	data.phase = ClusterPhase::Normal;
	data.epoch = Epoch{3};
	data.master = own_db;
	data.spec.fail_interval = seconds(5);
	add_db(data, own_keeper, own_db, DbInit::None, {});
	add_db(data, KeeperUid{"k2"}, other_db, DbInit::None, own_db);
	return data;
}

/// The other way round: k2 is the master, k1 follows.
ClusterData standby_view() {
	ClusterData data = master_view();
	data.master = other_db;
	data.dbs[own_db].follow = other_db;
	data.dbs[other_db].follow = {};
	return data;
}

/// The master k2 wants k1 to be cloned anew.
ClusterData resync_view() {
	ClusterData data = standby_view();
	data.dbs.erase(own_db);
	add_db(data, own_keeper, new_db, DbInit::Resync, other_db);
	return data;
}

ClusterData first_master_view() {
	ClusterData data;
	data.cluster_uid = "0123456789abcdef";
	data.phase = ClusterPhase::Initializing;
	data.epoch = Epoch{1};
	data.master = own_db;
	add_db(data, own_keeper, own_db, DbInit::New, {});
	return data;
}

ClusterData election_view(const DbUid &old_master) {
	ClusterData data = old_master == own_db ? master_view() : standby_view();
	data.master = {};
	data.epoch = Epoch{4};
	Election election;
	election.epoch = Epoch{4};
	election.old_master = old_master;
	data.election = election;
	return data;
}

DataDir our_data(const DbUid &db = own_db) {
	DataDir dir;
	dir.kind = DataKind::Ours;
	dir.state.cluster_name = "main";
	dir.state.cluster_uid = "0123456789abcdef";
	dir.state.keeper = own_keeper;
	dir.state.db = db;
	dir.state.epoch = Epoch{3};
	dir.system_id = "7000000000000000001";
	return dir;
}

/// Down since `start`, the view was read 10 ms after that, it is 20 ms after it.
LauncherInputs down(ClusterData data, DataDir dir) {
	LauncherInputs in;
	in.uid = own_keeper;
	in.data = std::move(data);
	in.dir = std::move(dir);
	in.ended_at = start;
	in.view_read_at = start + milliseconds(10);
	in.now = start + milliseconds(20);
	return in;
}

LauncherInputs up(ClusterData data, DataDir dir, bool primary) {
	LauncherInputs in = down(std::move(data), std::move(dir));
	in.pg = PgState::Running;
	in.pg_is_primary = primary;
	in.primary_seen_at = start;
	return in;
}

/// k1 holds data of the incarnation before; the master has told of its checkpoint.
LauncherInputs rewind_input() {
	auto in = down(resync_view(), our_data());
	in.upstream_ready = true;
	in.upstream_checkpointed = true;
	return in;
}

constexpr const char *switchover_id = "00000000000000aa";

/// k1, the master, runs, and is to be stopped for a switchover to k2.
LauncherInputs switchover_input() {
	auto in = up(master_view(), our_data(), true);
	Switchover switchover;
	switchover.id = switchover_id;
	switchover.timeout = seconds(10);
	switchover.phase = SwitchoverPhase::Stop;
	switchover.epoch = Epoch{3};
	switchover.from = own_db;
	switchover.target = other_db;
	in.data->switchover = switchover;
	return in;
}

struct Case {
	const char *scenario;
	std::function<LauncherInputs()> inputs;
	Action action;
	const char *rule;
};

void PrintTo(const Case &c, std::ostream *out) {
	*out << c.scenario;
}

class LauncherPlan : public testing::TestWithParam<Case> {};

TEST_P(LauncherPlan, decides) {
	const LauncherDecision decision = plan_launcher(GetParam().inputs());
	EXPECT_STREQ(to_string(decision.action), to_string(GetParam().action))
	    << decision.reason.rule << ": " << decision.reason.text;
	EXPECT_EQ(decision.reason.rule, GetParam().rule) << decision.reason.text;
	EXPECT_FALSE(decision.reason.text.empty());
}

const Case after_an_end[] = {
    {"leftovers of a dead master are reaped before anything else, also before the release (D-5)",
     [] {
	     auto in = down(master_view(), our_data());
	     in.leftovers = true;
	     in.must_release = true;
	     return in;
     },
     Action::Reap, "L-01"},
    {"leftovers are reaped even when the launcher is asked to leave",
     [] {
	     auto in = down(master_view(), our_data());
	     in.leftovers = true;
	     in.stop_requested = true;
	     return in;
     },
     Action::Reap, "L-01"},
    {"a dead master is released at once, without waiting for a read",
     [] {
	     auto in = down(master_view(), our_data());
	     in.view_read_at = start - seconds(1);
	     in.must_release = true;
	     return in;
     },
     Action::Release, "L-02"},
    {"a back-off does not hold up the release",
     [] {
	     auto in = down(master_view(), our_data());
	     in.must_release = true;
	     in.retry_at = in.now + seconds(30);
	     return in;
     },
     Action::Release, "L-02"},
    {"a launcher that leaves releases first",
     [] {
	     auto in = down(master_view(), our_data());
	     in.must_release = true;
	     in.stop_requested = true;
	     in.stop_requested_at = start;
	     return in;
     },
     Action::Release, "L-02"},
    {"a launcher that leaves does not try to release for ever",
     [] {
	     auto in = down(master_view(), our_data());
	     in.must_release = true;
	     in.stop_requested = true;
	     in.stop_requested_at = start;
	     in.now = start + LauncherTimes::release_on_exit;
	     in.view_read_at = in.now;
	     return in;
     },
     Action::Exit, "L-03"},
    {"a release that the store does not take leads to a standby without upstream",
     [] {
	     auto in = down(master_view(), our_data());
	     in.must_release = true;
	     in.view_read_at = start - seconds(1);
	     in.now = start + LauncherTimes::store_patience;
	     return in;
     },
     Action::StartStandby, "L-20"},
};

const Case stopping[] = {
    {"asked to leave: a running server is stopped fast",
     [] {
	     auto in = up(master_view(), our_data(), true);
	     in.stop_requested = true;
	     return in;
     },
     Action::StopFast, "L-03"},
    {"asked to leave: a server on a foreign directory that was ours is stopped as well",
     [] {
	     auto in = up(master_view(), our_data(), true);
	     in.dir.kind = DataKind::Foreign;
	     in.stop_requested = true;
	     return in;
     },
     Action::StopFast, "L-03"},
    {"asked to leave: a clone is aborted",
     [] {
	     auto in = down(resync_view(), {});
	     in.task_running = true;
	     in.task_db = new_db;
	     in.task_upstream = other_db;
	     in.stop_requested = true;
	     return in;
     },
     Action::AbortTask, "L-03"},
    {"asked to leave: nothing is started any more",
     [] {
	     auto in = down(master_view(), our_data());
	     in.stop_requested = true;
	     return in;
     },
     Action::Exit, "L-03"},
    {"a fast stop is waited for",
     [] {
	     auto in = up(master_view(), our_data(), true);
	     in.stop_requested = true;
	     in.pg = PgState::Stopping;
	     in.stop_level = StopLevel::Fast;
	     in.stop_level_at = start;
	     return in;
     },
     Action::Wait, "L-04"},
    {"a fast stop that hangs becomes an immediate one",
     [] {
	     auto in = up(master_view(), our_data(), true);
	     in.stop_requested = true;
	     in.pg = PgState::Stopping;
	     in.stop_level = StopLevel::Fast;
	     in.stop_level_at = start;
	     in.now = start + LauncherTimes::fast_stop;
	     return in;
     },
     Action::StopImmediate, "L-04"},
    {"an immediate stop that hangs becomes a kill",
     [] {
	     auto in = up(master_view(), our_data(), true);
	     in.pg = PgState::Stopping;
	     in.stop_level = StopLevel::Immediate;
	     in.stop_level_at = start;
	     in.now = start + LauncherTimes::immediate_stop;
	     return in;
     },
     Action::StopKill, "L-04"},
    {"a demotion does not wait for a fast stop",
     [] {
	     auto in = up(resync_view(), our_data(), true);
	     in.pg = PgState::Stopping;
	     in.stop_level = StopLevel::Fast;
	     in.stop_level_at = start;
	     return in;
     },
     Action::StopImmediate, "L-07"},
};

const Case refusing[] = {
    {"a foreign directory is never touched (B-6)",
     [] {
	     auto in = down(first_master_view(), {});
	     in.dir.kind = DataKind::Foreign;
	     in.dir.problem = "the directory holds a database cluster that stolon did not make";
	     return in;
     },
     Action::Refuse, "L-05"},
    {"data of another cluster of the same name are refused (B-6)",
     [] {
	     auto in = down(resync_view(), our_data());
	     in.dir.state.cluster_uid = "ffffffffffffffff";
	     return in;
     },
     Action::Refuse, "L-05"},
    {"a running server of another cluster of the same name is left alone",
     [] {
	     auto in = up(resync_view(), our_data(), true);
	     in.dir.state.cluster_uid = "ffffffffffffffff";
	     return in;
     },
     Action::Refuse, "L-05"},
    {"a master that lacks WAL of which it has told is not started",
     [] {
	     auto in = down(master_view(), our_data());
	     in.gone_back = "it told of more";
	     return in;
     },
     Action::Refuse, "L-26"},
    {"also when it may be named again",
     [] {
	     auto in = down(election_view(own_db), our_data());
	     in.gone_back = "it told of more";
	     return in;
     },
     Action::Refuse, "L-26"},
    {"data of another system are refused, even when a resync is wanted (B-6)",
     [] {
	     auto in = down(resync_view(), our_data());
	     in.dir.system_id = "7000000000000000002";
	     return in;
     },
     Action::Refuse, "L-05"},
    {"a second launcher with the same uid does nothing",
     [] {
	     auto in = down(resync_view(), {});
	     in.upstream_ready = true;
	     in.uid_taken_by = "10.0.0.9:5432";
	     return in;
     },
     Action::Refuse, "L-06"},
    {"a store without our cluster and data in the directory: refused (B-6)",
     [] {
	     auto in = down({}, our_data());
	     in.data.reset();
	     in.store_has_no_cluster = true;
	     return in;
     },
     Action::Refuse, "L-12"},
    {"initdb is never run over data (B-6)",
     [] { return down(first_master_view(), our_data(other_db)); }, Action::Refuse, "L-14"},
    {"initdb is never run once the cluster has been initialised (B-6)",
     [] {
	     auto data = first_master_view();
	     data.phase = ClusterPhase::Normal;
	     return down(data, {});
     },
     Action::Refuse, "L-14"},
    {"initdb is only for the named master",
     [] {
	     auto data = first_master_view();
	     data.master = other_db;
	     return down(data, {});
     },
     Action::Refuse, "L-14"},
    {"the master's data are gone: refused, nothing is made in their place",
     [] { return down(master_view(), {}); }, Action::Refuse, "L-16"},
    {"the old master's data are gone during an election",
     [] { return down(election_view(own_db), {}); }, Action::Wait, "L-16"},
    {"a standby's data are gone: the sentinel will want a new incarnation",
     [] { return down(standby_view(), {}); }, Action::Wait, "L-16"},
    {"the directory holds another incarnation than the one that should be there",
     [] { return down(standby_view(), our_data(new_db)); }, Action::Refuse, "L-16"},
    {"a store that has gone back does not resurrect an old master (B-6)",
     [] {
	     auto in = down(master_view(), our_data());
	     in.dir.state.epoch = Epoch{9};
	     return in;
     },
     Action::Refuse, "L-17"},
};

const Case while_up[] = {
    {"this keeper got a new incarnation: the old master is stopped at once (B-4)",
     [] { return up(resync_view(), our_data(), true); }, Action::StopImmediate, "L-07"},
    {"this keeper got a new incarnation: a standby is stopped as well",
     [] { return up(resync_view(), our_data(), false); }, Action::StopImmediate, "L-07"},
    {"a primary while another is the master is stopped at once",
     [] { return up(standby_view(), our_data(), true); }, Action::StopImmediate, "L-08"},
    {"a view from before our own promotion does not stop us",
     [] {
	     auto in = up(standby_view(), our_data(), true);
	     in.primary_seen_at = in.view_read_at;
	     return in;
     },
     Action::Wait, "L-08"},
    {"a standby that is merely re-pointed is the keeper worker's business",
     [] { return up(standby_view(), our_data(), false); }, Action::Wait, "L-09"},
    {"a standby that is named master is promoted by the keeper worker",
     [] { return up(master_view(), our_data(), false); }, Action::Wait, "L-09"},
    {"an open election does not stop the old master, which is fenced",
     [] { return up(election_view(own_db), our_data(), true); }, Action::Wait, "L-09"},
    {"the store is away: what runs goes on running (C-8)",
     [] {
	     auto in = up(master_view(), our_data(), true);
	     in.data.reset();
	     return in;
     },
     Action::Wait, "L-09"},
    {"the store has lost the cluster: what runs goes on running (C-8)",
     [] {
	     auto in = up({}, our_data(), true);
	     in.data.reset();
	     in.store_has_no_cluster = true;
	     return in;
     },
     Action::Wait, "L-09"},
};

const Case switching_over[] = {
    {"the step Stop of a switchover stops the master", switchover_input, Action::StopFast, "L-21"},
    {"no other step does",
     [] {
	     auto in = switchover_input();
	     in.data->switchover->phase = SwitchoverPhase::Pause;
	     return in;
     },
     Action::Wait, "L-09"},
    {"it is stopped once, and not again after a start in place",
     [] {
	     auto in = switchover_input();
	     in.stopped_for = switchover_id;
	     return in;
     },
     Action::Wait, "L-09"},
    {"one of an earlier epoch says nothing about the master of now",
     [] {
	     auto in = switchover_input();
	     in.data->switchover->epoch = Epoch{2};
	     return in;
     },
     Action::Wait, "L-09"},
    {"a standby is not stopped for it",
     [] {
	     auto in = switchover_input();
	     in.data->switchover->from = other_db;
	     return in;
     },
     Action::Wait, "L-09"},
    {"a stop that takes longer than the switchover may becomes immediate",
     [] {
	     auto in = switchover_input();
	     in.stopped_for = switchover_id;
	     in.pg = PgState::Stopping;
	     in.stop_level = StopLevel::Fast;
	     in.stop_level_at = start;
	     in.now = start + seconds(10);
	     return in;
     },
     Action::StopImmediate, "L-04"},
    {"another stop has more time",
     [] {
	     auto in = switchover_input();
	     in.pg = PgState::Stopping;
	     in.stop_level = StopLevel::Fast;
	     in.stop_level_at = start;
	     in.now = start + seconds(10);
	     return in;
     },
     Action::Wait, "L-04"},
    {"an old master that keeps its db starts as a standby",
     [] {
	     auto in = down(standby_view(), our_data());
	     in.data->switchover = switchover_input().data->switchover;
	     in.data->switchover->phase = SwitchoverPhase::Promote;
	     in.data->dbs[own_db].handed_over = true;
	     return in;
     },
     Action::StartStandby, "L-19"},
};

const Case preparing[] = {
    {"a clone for a forgotten incarnation is aborted",
     [] {
	     auto in = down(resync_view(), {});
	     in.task_running = true;
	     in.task_db = own_db;
	     in.task_upstream = other_db;
	     return in;
     },
     Action::AbortTask, "L-10"},
    {"a clone from a server that is no longer the upstream is aborted",
     [] {
	     auto in = down(resync_view(), {});
	     in.task_running = true;
	     in.task_db = new_db;
	     in.task_upstream = own_db;
	     return in;
     },
     Action::AbortTask, "L-10"},
    {"a clone goes on while the store is away (C-6)",
     [] {
	     auto in = down(resync_view(), {});
	     in.data.reset();
	     in.task_running = true;
	     in.task_db = new_db;
	     in.task_upstream = other_db;
	     in.now = start + seconds(3600);
	     return in;
     },
     Action::Wait, "L-10"},
    {"a clone goes on while an election is open",
     [] {
	     auto in = down(resync_view(), {});
	     in.data->master = {};
	     in.data->election = Election{};
	     in.task_running = true;
	     in.task_db = new_db;
	     in.task_upstream = other_db;
	     return in;
     },
     Action::Wait, "L-10"},
    {"a failed start is not repeated before its time",
     [] {
	     auto in = down(master_view(), our_data());
	     in.retry_at = in.now + seconds(1);
	     in.retry_reason = "the postmaster exited with code 1";
	     return in;
     },
     Action::Wait, "L-11"},
    {"no data, no cluster: waits to be initialised",
     [] {
	     auto in = down({}, {});
	     in.data.reset();
	     in.store_has_no_cluster = true;
	     return in;
     },
     Action::Wait, "L-12"},
    {"no data, no store: nothing happens however long it takes",
     [] {
	     auto in = down({}, {});
	     in.data.reset();
	     in.view_read_at = {};
	     in.now = start + seconds(3600);
	     return in;
     },
     Action::Wait, "L-12"},
    {"data, no store: the store is given its patience",
     [] {
	     auto in = down({}, our_data());
	     in.data.reset();
	     in.view_read_at = {};
	     return in;
     },
     Action::Wait, "L-12"},
    {"data, no store: a standby that follows nobody",
     [] {
	     auto in = down({}, our_data());
	     in.data.reset();
	     in.view_read_at = {};
	     in.now = start + LauncherTimes::store_patience;
	     return in;
     },
     Action::StartStandby, "L-12"},
    {"the sentinel has not seen this keeper yet",
     [] {
	     auto data = master_view();
	     data.keepers.erase(own_keeper);
	     return down(data, {});
     },
     Action::Wait, "L-13"},
    {"a keeper that was removed comes back with its data",
     [] {
	     auto data = master_view();
	     data.keepers.erase(own_keeper);
	     data.dbs.erase(own_db);
	     return down(data, our_data());
     },
     Action::Refuse, "L-13"},
    {"the first master of a new cluster is made", [] { return down(first_master_view(), {}); },
     Action::InitDb, "L-14"},
    {"nothing is made by an old view",
     [] {
	     auto in = down(first_master_view(), {});
	     in.view_read_at = start;
	     return in;
     },
     Action::Wait, "L-14"},
    {"a clone waits for the upstream's slot", [] { return down(resync_view(), {}); }, Action::Wait,
     "L-15"},
    {"a clone is made when the upstream is ready",
     [] {
	     auto in = down(resync_view(), {});
	     in.upstream_ready = true;
	     return in;
     },
     Action::Clone, "L-15"},
    {"a clone is made beside data of an old incarnation that cannot be rewound",
     [] {
	     auto in = rewind_input();
	     in.no_rewind_for = new_db;
	     return in;
     },
     Action::Clone, "L-15"},
    {"what may lie on another timeline of the same number is not looked at",
     [] {
	     auto in = rewind_input();
	     in.data->dbs.at(new_db).clone_anew = true;
	     return in;
     },
     Action::Clone, "L-15"},
    {"that another incarnation could not be rewound says nothing",
     [] {
	     auto in = rewind_input();
	     in.no_rewind_for = other_db;
	     return in;
     },
     Action::Rewind, "L-22"},
    {"data of an old incarnation are rewound", rewind_input, Action::Rewind, "L-22"},
    {"C-1: they are not compared before the master's checkpoint is known",
     [] {
	     auto in = rewind_input();
	     in.upstream_checkpointed = false;
	     return in;
     },
     Action::Wait, "L-22"},
    {"they are cloned anew when usePgrewind is off",
     [] {
	     auto in = rewind_input();
	     in.data->spec.use_pgrewind = false;
	     return in;
     },
     Action::Clone, "L-15"},
    {"C-4: after an interrupted rewind they are cloned anew",
     [] {
	     auto in = rewind_input();
	     in.dir.half_rewound = true;
	     return in;
     },
     Action::Clone, "L-15"},
    {"C-4: a half rewound directory is not started when the store is silent",
     [] {
	     auto in = rewind_input();
	     in.dir.half_rewound = true;
	     in.data.reset();
	     in.view_read_at = {};
	     in.now = start + seconds(60);
	     return in;
     },
     Action::Wait, "L-23"},
    {"C-4: nor when a view expects the old data",
     [] {
	     auto in = down(standby_view(), our_data());
	     in.dir.half_rewound = true;
	     return in;
     },
     Action::Refuse, "L-23"},
    {"what was set aside beyond the bound is removed once the data are known to be good",
     [] {
	     auto in = up(standby_view(), our_data(), false);
	     in.removable = 1;
	     return in;
     },
     Action::Tidy, "L-24"},
    {"it is kept while the present data are not known to be good",
     [] {
	     auto in = up(standby_view(), our_data(), false);
	     in.data->dbs[own_db].init = DbInit::Resync;
	     in.removable = 1;
	     return in;
     },
     Action::Wait, "L-09"},
    {"a report that is missing is made",
     [] {
	     auto in = up(standby_view(), our_data(), false);
	     in.report_missing = true;
	     in.upstream_checkpointed = true;
	     return in;
     },
     Action::Tidy, "L-24"},
    {"tidying does not hold up a start",
     [] {
	     auto in = down(standby_view(), our_data());
	     in.task_running = true;
	     in.task_is_tidying = true;
	     in.task_db = own_db;
	     return in;
     },
     Action::AbortTask, "L-10"},
    {"a clone is not begun while there is no master",
     [] {
	     auto in = down(resync_view(), our_data());
	     in.data->master = {};
	     in.upstream_ready = true;
	     return in;
     },
     Action::Wait, "L-15"},
    {"a complete clone is swapped in",
     [] {
	     auto in = down(resync_view(), our_data());
	     in.dir.clone_ready = new_db;
	     in.dir.clone_of = in.data->master;
	     return in;
     },
     Action::Swap, "L-15"},
    {"a swap that was interrupted between its two renames is finished",
     [] {
	     auto in = down(resync_view(), {});
	     in.dir.clone_ready = new_db;
	     in.dir.clone_of = in.data->master;
	     return in;
     },
     Action::Swap, "L-15"},
    {"a complete clone of a forgotten incarnation is not swapped in",
     [] {
	     auto in = down(resync_view(), {});
	     in.dir.clone_ready = other_db;
	     in.upstream_ready = true;
	     return in;
     },
     Action::Clone, "L-15"},
    {"a complete clone of a former master may hold what its successor lacks",
     [] {
	     auto in = down(resync_view(), {});
	     in.dir.clone_ready = new_db;
	     in.dir.clone_of = own_db;
	     in.upstream_ready = true;
	     return in;
     },
     Action::Clone, "L-15"},
    {"a swapped-in clone is started, not made again",
     [] {
	     auto in = down(resync_view(), our_data(new_db));
	     in.dir.is_standby = true;
	     return in;
     },
     Action::StartStandby, "L-19"},
};

const Case starting[] = {
    {"the named master starts as primary", [] { return down(master_view(), our_data()); },
     Action::StartPrimary, "L-17"},
    {"a standby that was named and has not been promoted is not made a primary without a promotion",
     [] {
	     auto in = down(master_view(), our_data());
	     in.dir.is_standby = true;
	     return in;
     },
     Action::StartStandby, "L-17"},
    {"neither by a permit to start again",
     [] {
	     auto in = down(master_view(), our_data());
	     in.dir.is_standby = true;
	     in.released_revision = 42;
	     in.data->resume = ResumePermit{own_db, 42};
	     return in;
     },
     Action::StartStandby, "L-17"},
    {"a freshly made first master starts as primary",
     [] {
	     auto in = down(first_master_view(), our_data());
	     in.dir.state.epoch = Epoch{1};
	     return in;
     },
     Action::StartPrimary, "L-17"},
    {"a view from before the end does not make a primary (B-4)",
     [] {
	     auto in = down(master_view(), our_data());
	     in.view_read_at = in.ended_at;
	     return in;
     },
     Action::Wait, "L-20"},
    {"a view from before the end makes a standby when the store stays silent (B-4)",
     [] {
	     auto in = down(master_view(), our_data());
	     in.view_read_at = in.ended_at;
	     in.now = in.ended_at + LauncherTimes::store_patience;
	     return in;
     },
     Action::StartStandby, "L-20"},
    {"after a release the master waits for the election",
     [] {
	     auto in = down(master_view(), our_data());
	     in.released_revision = 42;
	     return in;
     },
     Action::Wait, "L-17"},
    {"the permit to start again is honoured",
     [] {
	     auto in = down(master_view(), our_data());
	     in.released_revision = 42;
	     in.data->resume = ResumePermit{own_db, 42};
	     return in;
     },
     Action::StartPrimary, "L-17"},
    {"a permit for an earlier release is not",
     [] {
	     auto in = down(master_view(), our_data());
	     in.released_revision = 42;
	     in.data->resume = ResumePermit{own_db, 41};
	     return in;
     },
     Action::Wait, "L-17"},
    {"a permit for another db is not",
     [] {
	     auto in = down(master_view(), our_data());
	     in.released_revision = 42;
	     in.data->resume = ResumePermit{other_db, 42};
	     return in;
     },
     Action::Wait, "L-17"},
    {"the only db starts again at once",
     [] {
	     auto in = down(master_view(), our_data());
	     in.released_revision = 42;
	     in.data->dbs.erase(other_db);
	     return in;
     },
     Action::StartPrimary, "L-17"},
    {"nobody was elected within failInterval: start again, by a read from after it",
     [] {
	     auto in = down(master_view(), our_data());
	     in.released_revision = 42;
	     in.now = start + seconds(6);
	     in.view_read_at = start + seconds(5) + milliseconds(1);
	     return in;
     },
     Action::StartPrimary, "L-17"},
    {"failInterval has passed, but the read is older",
     [] {
	     auto in = down(master_view(), our_data());
	     in.released_revision = 42;
	     in.now = start + seconds(6);
	     in.view_read_at = start + seconds(5);
	     return in;
     },
     Action::Wait, "L-17"},
    {"failInterval has passed, and the store has fallen silent",
     [] {
	     auto in = down(master_view(), our_data());
	     in.released_revision = 42;
	     in.now = start + seconds(5) + LauncherTimes::store_patience;
	     in.view_read_at = start + seconds(4);
	     return in;
     },
     Action::StartStandby, "L-20"},
    {"the old master waits for the election's outcome",
     [] { return down(election_view(own_db), our_data()); }, Action::Wait, "L-18"},
    {"an election without end: the old master comes up as a standby",
     [] {
	     auto in = down(election_view(own_db), our_data());
	     in.now = start + seconds(5);
	     return in;
     },
     Action::StartStandby, "L-18"},
    {"a former primary whose db is a standby's now comes up as a standby (B-4)",
     [] { return down(standby_view(), our_data()); }, Action::StartStandby, "L-25"},
    {"one that has a successor follows it, however old its data are",
     [] {
	     auto in = down(standby_view(), our_data());
	     in.dir.is_standby = true;
	     in.gone_back = "it told of more";
	     return in;
     },
     Action::StartStandby, "L-19"},
    {"a standby starts during an election, so that it can vote",
     [] { return down(election_view(other_db), our_data()); }, Action::StartStandby, "L-19"},
};

INSTANTIATE_TEST_SUITE_P(AfterAnEnd, LauncherPlan, testing::ValuesIn(after_an_end));
INSTANTIATE_TEST_SUITE_P(Stopping, LauncherPlan, testing::ValuesIn(stopping));
INSTANTIATE_TEST_SUITE_P(Refusing, LauncherPlan, testing::ValuesIn(refusing));
INSTANTIATE_TEST_SUITE_P(WhileUp, LauncherPlan, testing::ValuesIn(while_up));
INSTANTIATE_TEST_SUITE_P(SwitchingOver, LauncherPlan, testing::ValuesIn(switching_over));
INSTANTIATE_TEST_SUITE_P(Preparing, LauncherPlan, testing::ValuesIn(preparing));
INSTANTIATE_TEST_SUITE_P(Starting, LauncherPlan, testing::ValuesIn(starting));

TEST(LauncherPlanDetails, a_standby_follows_the_views_upstream) {
	auto in = down(standby_view(), our_data());
	in.dir.is_standby = true;
	EXPECT_EQ(plan_launcher(in).follow, other_db);
}

TEST(LauncherPlanDetails, a_keeper_that_has_voted_later_follows_nobody_of_an_older_epoch) {
	auto in = down(standby_view(), our_data());
	in.dir.state.epoch = Epoch{4};
	const LauncherDecision decision = plan_launcher(in);
	EXPECT_EQ(decision.action, Action::StartStandby);
	EXPECT_TRUE(decision.follow.empty());
}

TEST(LauncherPlanDetails, during_an_election_a_standby_follows_nobody) {
	EXPECT_TRUE(plan_launcher(down(election_view(other_db), our_data())).follow.empty());
}

TEST(LauncherPlanDetails, a_stop_says_for_which_switchover_it_is) {
	EXPECT_EQ(plan_launcher(switchover_input()).switchover, switchover_id);
}

TEST(LauncherPlanDetails, a_swap_says_which_incarnation_is_set_aside) {
	auto in = down(resync_view(), our_data());
	in.dir.clone_ready = new_db;
	in.dir.clone_of = in.data->master;
	LauncherDecision decision = plan_launcher(in);
	EXPECT_EQ(decision.db, new_db);
	EXPECT_EQ(decision.instead_of, own_db);
	EXPECT_FALSE(decision.clone_anew);
	in.data->dbs.at(new_db).clone_anew = true;
	EXPECT_TRUE(plan_launcher(in).clone_anew) << "its report has to know";
}

TEST(LauncherPlanDetails, a_wait_for_a_newer_read_asks_for_it_and_ends) {
	auto in = down(master_view(), our_data());
	in.view_read_at = in.ended_at;
	const LauncherDecision decision = plan_launcher(in);
	EXPECT_TRUE(decision.refresh_view);
	EXPECT_EQ(decision.wake_at, in.ended_at + LauncherTimes::store_patience);
}

TEST(LauncherPlanDetails, a_wait_for_the_election_ends_with_fail_interval) {
	auto in = down(master_view(), our_data());
	in.released_revision = 42;
	EXPECT_EQ(plan_launcher(in).wake_at, start + seconds(5));
}

}  // namespace
}  // namespace stolon::core
