// The proxy's rules, one scenario each. No clock, no store.
#include "core/plan/proxy_plan.h"

#include <gtest/gtest.h>

#include <functional>

namespace stolon::core {
namespace {

using Goal = ProxyGoal;

constexpr Instant start{seconds(1000)};
const KeeperUid k1{"k1"}, k2{"k2"}, k3{"k3"};
const DbUid db1{"aaaaaaaa"}, db2{"bbbbbbbb"}, db3{"cccccccc"};
const Backend address1{"10.0.0.1", 5432}, address2{"10.0.0.2", 5432}, address3{"10.0.0.3", 5432};

void add_keeper(ClusterData &data, const KeeperUid &uid, const DbUid &db, const Backend &address,
                const DbUid &follow) {
	Keeper keeper;
	keeper.uid = uid;
	keeper.db = db;
	keeper.host = address.host;
	keeper.port = address.port;
	data.keepers[uid] = keeper;
	Db entry;
	entry.uid = db;
	entry.keeper = uid;
	entry.follow = follow;
	data.dbs[db] = entry;
}

KeeperInfo standby_info(const KeeperUid &uid, const DbUid &db) {
	KeeperInfo info;
	info.uid = uid;
	info.db = db;
	info.role = PgRole::Standby;
	info.streaming = true;
	info.upstream = db1;
	return info;
}

/// k1 is the writable master of epoch 4, k2 and k3 stream from it, and clients are sent to it.
ProxyInputs steady() {
	ProxyInputs in;
	in.now = start;
	in.view_confirmed_at = start - seconds(1);
	ClusterData data;
	data.phase = ClusterPhase::Normal;
	data.epoch = Epoch{4};
	data.master = db1;
	add_keeper(data, k1, db1, address1, {});
	add_keeper(data, k2, db2, address2, db1);
	add_keeper(data, k3, db3, address3, db1);
	in.data = data;
	KeeperInfo master;
	master.uid = k1;
	master.db = db1;
	master.role = PgRole::Primary;
	master.writable = true;
	master.writable_epoch = Epoch{4};
	in.infos = {{k1, master}, {k2, standby_info(k2, db2)}, {k3, standby_info(k3, db3)}};
	in.state = {address1, Epoch{4}, false};
	return in;
}

void open_election(ProxyInputs &in) {
	in.data->epoch = Epoch{5};
	in.data->election = Election{};
	in.data->election->epoch = Epoch{5};
	in.data->election->old_master = db1;
	in.data->master = {};
}

/// k2 has won the election of epoch 5, but does not say yet that it is writable.
void name_k2(ProxyInputs &in) {
	in.data->epoch = Epoch{5};
	in.data->master = db2;
	in.data->dbs[db2].follow = {};
	in.data->dbs[db3].follow = db2;
}

void make_k2_writable(ProxyInputs &in) {
	in.infos[k2].role = PgRole::Primary;
	in.infos[k2].streaming = false;
	in.infos[k2].writable = true;
	in.infos[k2].writable_epoch = Epoch{5};
}

/// A switchover from k1 to k2 has just come to this step.
void switch_over(ProxyInputs &in, SwitchoverPhase phase) {
	Switchover switchover;
	switchover.id = "00000000000000aa";
	switchover.timeout = seconds(2);
	switchover.phase = phase;
	switchover.epoch = in.data->epoch;
	switchover.from = db1;
	switchover.target = db2;
	in.data->switchover = switchover;
	in.switchover_step_seen_at = in.now;
}

struct Case {
	std::string name;
	std::function<void(ProxyInputs &)> change;
	Goal goal;
	std::string rule;
	std::optional<Backend> master;
	bool readers_follow = false;
};

class ProxyPlan : public testing::TestWithParam<Case> {};

TEST_P(ProxyPlan, Decides) {
	ProxyInputs in = steady();
	GetParam().change(in);
	const ProxyDecision decision = plan_proxy(in);
	EXPECT_EQ(decision.goal, GetParam().goal);
	EXPECT_EQ(decision.reason.rule, GetParam().rule);
	EXPECT_FALSE(decision.reason.text.empty());
	EXPECT_EQ(decision.master, GetParam().master);
	EXPECT_EQ(decision.readers_follow, GetParam().readers_follow);
}

const std::vector<Case> cases{
    {"SteadyStateChangesNothing", [](ProxyInputs &) {}, Goal::Keep, "P-05", address1, true},
    {"AProxyThatJustStartedServesAWritableMaster", [](ProxyInputs &in) { in.state = {}; },
     Goal::Serve, "P-05", address1, true},
    {"AnOpenElectionLetsClientsQueue", open_election, Goal::Queue, "P-03", std::nullopt},
    {"AReleasedMasterLetsClientsQueueBeforeTheElectionOpens",
     [](ProxyInputs &in) { in.master_released = true; }, Goal::Queue, "P-04", address1},
    {"AMasterThatRefusesConnectionsLetsClientsQueueWhateverItSaidLast",
     [](ProxyInputs &in) { in.master_refuses = true; }, Goal::Queue, "P-09", address1},
    {"TheWinnerIsNotServedBeforeItSaysThatItIsWritable",  // LESSONS F-3
     name_k2, Goal::Close, "P-11", address2},
    {"TheWinnerIsServedOnceItIsWritable",
     [](ProxyInputs &in) {
	     name_k2(in);
	     make_k2_writable(in);
	     in.infos[k3].upstream = db2;
     },
     Goal::Serve, "P-05", address2, true},
    {"AWordFromAnOlderEpochIsNotEnough", [](ProxyInputs &in) { in.data->epoch = Epoch{5}; },
     Goal::Queue, "P-06", address1},
    {"AWordAboutAnEarlierIncarnationIsNotEnough",
     [](ProxyInputs &in) {
	     name_k2(in);
	     make_k2_writable(in);
	     in.infos[k2].db = DbUid{"dddddddd"};
     },
     Goal::Close, "P-11", address2},
    {"ASilentWinnerIsNotServed",
     [](ProxyInputs &in) {
	     name_k2(in);
	     in.infos.erase(k2);
     },
     Goal::Close, "P-11", address2},
    {"AProxyThatHasServedNobodyYetHasNobodyToCut",
     [](ProxyInputs &in) {
	     name_k2(in);
	     in.state = {};
     },
     Goal::Queue, "P-06", address2},
    {"ASilentMasterThatIsServedIsKept",  // LESSONS C-8
     [](ProxyInputs &in) { in.infos.erase(k1); }, Goal::Keep, "P-07", address1},
    {"AMasterThatMovedIsServedAtItsNewAddress",
     [](ProxyInputs &in) { in.data->keepers[k1].port = 6000; }, Goal::Serve, "P-05",
     Backend{"10.0.0.1", 6000}, true},
    {"TheSameMasterNamedAgainIsResumed",
     [](ProxyInputs &in) {
	     in.data->epoch = Epoch{5};
	     in.infos[k1].writable_epoch = Epoch{5};
	     in.state.paused = true;
     },
     Goal::Serve, "P-05", address1, true},
    {"WithoutAViewForProxyTimeoutConnectionsAreClosed",
     [](ProxyInputs &in) { in.now = in.view_confirmed_at + in.proxy_timeout; }, Goal::Close, "P-01",
     std::nullopt},
    {"WithoutAViewForALittleLessNothingChanges",
     [](ProxyInputs &in) { in.now = in.view_confirmed_at + in.proxy_timeout - milliseconds(1); },
     Goal::Keep, "P-05", address1, true},
    {"BeforeTheFirstViewNothingChanges", [](ProxyInputs &in) { in.data.reset(); }, Goal::Keep,
     "P-02", address1},
    {"ASwitchoverLetsClientsWaitForItsTarget",
     [](ProxyInputs &in) { switch_over(in, SwitchoverPhase::Pause); }, Goal::Queue, "P-10",
     address2},
    {"TheyGoOnWaitingWhileTheMasterIsStopped",
     [](ProxyInputs &in) {
	     switch_over(in, SwitchoverPhase::Stop);
	     in.master_released = true;
     },
     Goal::Queue, "P-10", address2},
    {"DuringTheCheckpointNobodyWaits",
     [](ProxyInputs &in) { switch_over(in, SwitchoverPhase::Checkpoint); }, Goal::Keep, "P-05",
     address1, true},
    {"AnUndoneSwitchoverSendsThemBack",
     [](ProxyInputs &in) {
	     switch_over(in, SwitchoverPhase::Undone);
	     in.state.paused = true;
     },
     Goal::Serve, "P-05", address1, true},
    {"APauseThatNobodyEndsIsOver",
     [](ProxyInputs &in) {
	     switch_over(in, SwitchoverPhase::Pause);
	     in.switchover_step_seen_at = in.now - seconds(3);
	     in.state.paused = true;
     },
     Goal::Serve, "P-05", address1, true},
    {"ASwitchoverOfAnEarlierMasterIsNone",
     [](ProxyInputs &in) {
	     switch_over(in, SwitchoverPhase::Stop);
	     in.data->switchover->epoch = Epoch{3};
     },
     Goal::Keep, "P-05", address1, true},
    {"AfterAPauseTheMasterIsServedAgain", [](ProxyInputs &in) { in.state.paused = true; },
     Goal::Serve, "P-05", address1, true},
    {"AClusterThatIsNotInitialisedLetsClientsQueue",
     [](ProxyInputs &in) {
	     in.data = ClusterData{};
	     in.infos.clear();
     },
     Goal::Queue, "P-03", std::nullopt},
};

INSTANTIATE_TEST_SUITE_P(Rules, ProxyPlan, testing::ValuesIn(cases),
                         [](const auto &info) { return info.param.name; });

TEST(ProxyPlanTime, WakesWhenTheViewWouldExpire) {
	const ProxyInputs in = steady();
	EXPECT_EQ(plan_proxy(in).wake_at, in.view_confirmed_at + in.proxy_timeout);
}

TEST(ProxyPlanTime, APauseSaysForWhichSwitchoverAndEndsByItself) {
	ProxyInputs in = steady();
	in.view_confirmed_at = in.now;
	switch_over(in, SwitchoverPhase::Pause);
	const ProxyDecision decision = plan_proxy(in);
	EXPECT_EQ(decision.paused_for, "00000000000000aa");
	EXPECT_EQ(decision.wake_at, in.now + seconds(3));
}

TEST(ProxyPlanTime, AClosedProxyWaitsForTheViewAlone) {
	ProxyInputs in = steady();
	in.now = in.view_confirmed_at + in.proxy_timeout + seconds(5);
	EXPECT_EQ(plan_proxy(in).wake_at, std::nullopt);
}

}  // namespace
}  // namespace stolon::core
