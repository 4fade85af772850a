// The sentinel plan leads a switchover: S-20 to S-24, and S-03 for its election.
#include <gtest/gtest.h>

#include "core/plan/launcher_plan.h"
#include "core/plan/sentinel_plan.h"
#include "tests/plan/sentinel_world.h"

namespace stolon::core {
namespace {

using namespace stolon::core::testing;
using Phase = SwitchoverPhase;

constexpr const char *own_id = "00000000000000aa";

struct Planned : World {
	explicit Planned(World world) : World(std::move(world)) {}

	Switchover &now_at() { return *in.data.switchover; }

	void request(const std::string &to = "") {
		Switchover request;
		request.id = own_id;
		request.to = KeeperUid{to};
		request.timeout = seconds(10);
		in.data.switchover = request;
		++in.data.generation;
		see_step(request);
		in.switchover_seen_at = in.now;
	}

	void see_step(const Switchover &) { in.switchover_step_seen_at = in.now; }

	/// Writes the decision; a new step is seen at once.
	void write(const SentinelDecision &decision) {
		const Phase before = in.data.switchover->phase;
		apply(decision);
		if (in.data.switchover->phase != before) {
			in.switchover_step_seen_at = in.now;
		}
	}

	void add_proxy(const std::string &uid) {
		ProxyInfo proxy;
		proxy.uid = ProxyUid{uid};
		in.proxies[proxy.uid] = proxy;
	}

	void tell_positions() {
		for (auto &[uid, info] : in.infos) {
			info.generation = in.data.generation;
		}
	}

	/// To the step Checkpoint, of which everything is reported.
	void begin(const std::string &to = "k3") {
		request(to);
		write(plan());
		ASSERT_EQ(now_at().phase, Phase::Checkpoint) << now_at().reason;
		tell_positions();
		info("k1").checkpointed_for = info("k3").checkpointed_for = own_id;
		info("k2").checkpointed_for = own_id;
	}

	void pause(const std::string &to = "k3") {
		begin(to);
		write(plan());
		ASSERT_EQ(now_at().phase, Phase::Pause);
	}

	void stop(const std::string &to = "k3") {
		pause(to);
		write(plan());
		ASSERT_EQ(now_at().phase, Phase::Stop);
	}

	/// The master was stopped in an orderly way at `end`, and its launcher says so.
	void release_cleanly(WalPosition end) {
		release("k1");
		BeatObservation &seen = beat_of("k1");
		seen.beat.clean = true;
		seen.beat.position = seen.furthest = end;
		node("k1").phase = NodePhase::Stopped;
	}

	void open(WalPosition end = at(1, 0x5000100)) {
		release_cleanly(end);
		write(plan());
		ASSERT_TRUE(in.data.election.has_value());
	}
};

Planned running() {
	return Planned(World::running());
}

std::string outcome(const SentinelDecision &decision, Phase expected) {
	EXPECT_TRUE(decision.write);
	EXPECT_EQ(decision.data.switchover->phase, expected) << decision.data.switchover->reason;
	EXPECT_TRUE(decision.event.has_value());
	if (decision.event) {
		EXPECT_EQ(decision.event->kind, "switchover");
		EXPECT_EQ(decision.event->operation, own_id);
		EXPECT_EQ(decision.event->outcome, to_string(expected));
	}
	return decision.data.switchover->reason;
}

TEST(SentinelSwitchover, GoesFromStepToStepAndTheOldMasterKeepsItsData) {
	Planned world = running();
	world.add_proxy("p1");
	world.request("k3");
	SentinelDecision decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-20");
	EXPECT_EQ(decision.data.switchover->from, world.db("k1"));
	EXPECT_EQ(decision.data.switchover->target, world.db("k3"));
	world.write(decision);
	EXPECT_FALSE(world.plan().write) << "the checkpoint is not written";
	world.tell_positions();
	world.info("k1").checkpointed_for = own_id;
	EXPECT_FALSE(world.plan().write) << "the target has not written its restartpoint";
	world.info("k3").checkpointed_for = own_id;
	decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-21");
	EXPECT_EQ(decision.data.switchover->phase, Phase::Pause);
	world.write(decision);
	EXPECT_FALSE(world.plan().write) << "a transaction is open";
	world.in.proxies.at(ProxyUid{"p1"}).paused_for = own_id;
	decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-22");
	EXPECT_EQ(decision.data.switchover->phase, Phase::Stop);
	EXPECT_EQ(decision.data.master, world.db("k1")) << "only its launcher ends its time";
	world.write(decision);
	EXPECT_FALSE(world.plan().write) << "it has not stopped";

	world.release_cleanly(at(1, 0x5000100));
	decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-06");
	world.write(decision);
	world.vote("k3", at(1, 0x5000100));
	decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-03") << "k2 need not be waited for, it cannot have more";
	EXPECT_EQ(decision.data.master, world.db("k3"));
	EXPECT_FALSE(decision.event.has_value()) << "the outcome is the event";
	const Db *old = decision.data.db_of(KeeperUid{"k1"});
	ASSERT_NE(old, nullptr);
	EXPECT_EQ(old->uid, world.db("k1")) << "neither cloned nor rewound";
	EXPECT_EQ(old->init, DbInit::None);
	EXPECT_EQ(old->follow, world.db("k3"));
	EXPECT_EQ(decision.data.find_db(world.db("k2"))->follow, world.db("k3"));
	world.write(decision);
	EXPECT_FALSE(world.plan().write) << "the winner is not writable";
	world.info("k3").writable = true;
	world.info("k3").role = PgRole::Primary;
	world.info("k3").writable_epoch = world.in.data.epoch;
	decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-23");
	outcome(decision, Phase::Done);
	EXPECT_EQ(decision.event->from.value, "k1");
	EXPECT_EQ(decision.event->to.value, "k3");
	world.write(decision);
	EXPECT_NE(rule_of(world.plan()), "S-23") << "one outcome";
}

TEST(SentinelSwitchover, WithoutATargetTheOneWithTheSmallestLagIsTaken) {
	Planned world = running();
	world.info("k2").replayed = Lsn{0x4ffff00};
	world.request();
	EXPECT_EQ(world.plan().data.switchover->target, world.db("k3"));
	world.info("k3").streaming = false;
	EXPECT_EQ(world.plan().data.switchover->target, world.db("k2"));
	world.info("k2").replay_paused = true;
	const std::string why = outcome(world.plan(), Phase::Refused);
	EXPECT_NE(why.find("k2 is paused"), std::string::npos) << why;
	EXPECT_NE(why.find("k3 does not stream"), std::string::npos) << why;
}

struct Refusal {
	const char *what;
	void (*make)(Planned &);
	const char *to;
	const char *reason;
};

TEST(SentinelSwitchover, IsRefusedWithTheReason) {
	const Refusal cases[] = {
	    {"unknown", [](Planned &) {}, "k9", "there is no keeper k9"},
	    {"master", [](Planned &) {}, "k1", "k1 is the master already"},
	    {"absent", [](Planned &w) { w.vanish("k3"); }, "k3", "k3 is not present"},
	    {"not streaming", [](Planned &w) { w.info("k3").streaming = false; }, "k3",
	     "does not stream"},
	    {"other upstream", [](Planned &w) { w.info("k3").upstream = w.db("k2"); }, "k3",
	     "does not stream"},
	    {"paused", [](Planned &w) { w.info("k3").replay_paused = true; }, "k3", "is paused"},
	    {"unfit", [](Planned &w) { w.info("k3").unfit = "no space"; }, "k3", "unfit: no space"},
	    {"cloning", [](Planned &w) { w.in.data.dbs.at(w.db("k3")).init = DbInit::Resync; }, "k3",
	     "not a standby yet"},
	    {"no launcher", [](Planned &w) { w.in.nodes.erase(KeeperUid{"k1"}); }, "k3",
	     "nobody could stop it"},
	    {"unfit master", [](Planned &w) { w.beat_unfit("k1"); }, "k3", "unfit"},
	};
	for (const Refusal &one : cases) {
		SCOPED_TRACE(one.what);
		Planned world = running();
		one.make(world);
		world.request(one.to);
		const SentinelDecision decision = world.plan();
		const std::string why = outcome(decision, Phase::Refused);
		EXPECT_NE(why.find(one.reason), std::string::npos) << why;
		EXPECT_EQ(decision.data.master, world.in.data.master);
	}
}

constexpr WallTime noon{1'780'000'000'000};

TEST(SentinelSwitchover, AScheduledOneWaitsForItsTimeByTheClockOnTheWall) {
	Planned world = running();
	world.in.wall = noon;
	world.request("k3");
	world.now_at().at = noon + seconds(3600);
	SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	ASSERT_TRUE(decision.wake_at.has_value());
	EXPECT_LE(*decision.wake_at, world.in.now + seconds(1)) << "the clock may be set";
	world.in.wall = noon + seconds(3600) - milliseconds(300);
	EXPECT_EQ(*world.plan().wake_at, world.in.now + milliseconds(300));
	world.in.wall = noon + seconds(3600);
	decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-20");
	EXPECT_EQ(decision.data.switchover->phase, Phase::Checkpoint);
	EXPECT_EQ(decision.data.switchover->at, noon + seconds(3600));
}

TEST(SentinelSwitchover, AScheduledOneIsJudgedWhenItsTimeHasCome) {
	Planned world = running();
	world.in.wall = noon;
	world.info("k3").streaming = false;
	world.request("k3");
	world.now_at().at = noon + seconds(10);
	EXPECT_FALSE(world.plan().write) << "it may stream by then";
	world.in.wall = noon + seconds(10);
	EXPECT_NE(outcome(world.plan(), Phase::Refused).find("does not stream"), std::string::npos);
}

TEST(SentinelSwitchover, AScheduledOneThatNobodyCouldBeginIsNotDoneLate) {
	Planned world = running();
	world.request("k3");
	world.now_at().at = noon;
	world.in.wall = noon + SwitchoverLimits::max_delay;
	EXPECT_EQ(world.plan().data.switchover->phase, Phase::Checkpoint);
	world.in.wall = world.in.wall + seconds(1);
	const std::string why = outcome(world.plan(), Phase::Refused);
	EXPECT_NE(why.find(format_wall_time(noon)), std::string::npos) << why;
	EXPECT_NE(why.find("1m1s late"), std::string::npos) << why;
}

TEST(SentinelSwitchover, IsCancelledBeforeTheMasterIsStopped) {
	Planned world = running();
	world.in.wall = noon;
	world.request("k3");
	world.now_at().at = noon + seconds(3600);
	world.now_at().cancel = true;
	SentinelDecision decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-29");
	EXPECT_EQ(outcome(decision, Phase::Cancelled), "by an operator, before it began");
	EXPECT_EQ(decision.event->to.value, "");

	world = running();
	world.pause();
	world.now_at().cancel = true;
	decision = world.plan();
	EXPECT_EQ(outcome(decision, Phase::Cancelled), "by an operator, in step pause");
	EXPECT_EQ(decision.event->to.value, "k1");
	EXPECT_EQ(decision.data.master, world.db("k1"));
	world.write(decision);
	EXPECT_NE(rule_of(world.plan()), "S-29") << "one outcome";
}

TEST(SentinelSwitchover, CannotBeCancelledOnceTheMasterIsBeingStopped) {
	Planned world = running();
	world.stop();
	world.now_at().cancel = true;
	EXPECT_FALSE(world.plan().write);
	world.open();
	EXPECT_TRUE(world.in.data.election.has_value());
	EXPECT_EQ(world.now_at().phase, Phase::Stop);
}

TEST(SentinelSwitchover, AMasterThatHasJustBeenPromotedNeedNotHaveSaidSoInABeat) {
	Planned world = running();
	world.beat_of("k1").beat.writable = false;
	world.request("k3");
	EXPECT_EQ(world.plan().data.switchover->phase, Phase::Checkpoint);
	world.info("k1").writable = false;
	EXPECT_NE(outcome(world.plan(), Phase::Refused).find("not writable"), std::string::npos);
}

TEST(SentinelSwitchover, IsRefusedWhileAnElectionIsOpen) {
	Planned world = running();
	world.open_election();
	world.request("k3");
	EXPECT_NE(outcome(world.plan(), Phase::Refused).find("election"), std::string::npos);
}

TEST(SentinelSwitchover, ATargetThatLagsIsRefusedBeforeAnybodyWaits) {
	Planned world = running();
	world.begin("k3");
	world.info("k3").replayed = Lsn{0x5000000 - 2 * 1024 * 1024};
	EXPECT_FALSE(world.plan().write) << "it may catch up";
	world.pass(seconds(4));
	world.beat("k1", at(1, 0x5000000));
	world.pass(seconds(4));
	world.beat("k1", at(1, 0x5000000));
	world.pass(seconds(2));
	const std::string why = outcome(world.plan(), Phase::Refused);
	EXPECT_NE(why.find("lags by 2097152 bytes"), std::string::npos) << why;
}

TEST(SentinelSwitchover, ATargetsRestartpointIsWaitedForButNotInsistedOn) {
	Planned world = running();
	world.begin("k3");
	world.info("k3").checkpointed_for.clear();
	const SentinelDecision decision = world.plan();
	EXPECT_FALSE(decision.write);
	EXPECT_EQ(decision.wake_at, world.in.switchover_step_seen_at + seconds(5));
	world.pass(seconds(4));
	world.beat("k1", at(1, 0x5000000));
	EXPECT_FALSE(world.plan().write);
	world.pass(seconds(1));
	EXPECT_EQ(world.plan().data.switchover->phase, Phase::Pause);
}

TEST(SentinelSwitchover, APositionOfBeforeTheRequestDoesNotCount) {
	Planned world = running();
	world.begin("k3");
	world.info("k3").generation = world.now_at().generation - 1;
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelSwitchover, ACheckpointThatTakesTooLongDisturbsNobody) {
	Planned world = running();
	world.begin("k3");
	world.info("k1").checkpointed_for = "another";
	world.pass(seconds(3));
	world.beat("k1", at(1, 0x5000000));
	const SentinelDecision waits = world.plan();
	EXPECT_FALSE(waits.write);
	world.pass(seconds(7) - Duration(1));
	world.beat("k1", at(1, 0x5000000));
	EXPECT_FALSE(world.plan().write);
	world.pass(Duration(1));
	EXPECT_NE(outcome(world.plan(), Phase::Refused).find("checkpoint"), std::string::npos);
}

TEST(SentinelSwitchover, AnOpenTransactionThatDoesNotEndUndoesIt) {
	Planned world = running();
	world.add_proxy("p1");
	world.add_proxy("p2");
	world.pause();
	world.in.proxies.at(ProxyUid{"p1"}).paused_for = own_id;
	world.pass(seconds(10));
	world.beat("k1", at(1, 0x5000000));
	const SentinelDecision decision = world.plan();
	const std::string why = outcome(decision, Phase::Undone);
	EXPECT_NE(why.find("step pause"), std::string::npos) << why;
	EXPECT_NE(why.find("behind p2"), std::string::npos) << why;
	EXPECT_EQ(decision.data.master, world.db("k1"));
	EXPECT_FALSE(decision.write_master) << "the master's lease goes on as it is";
}

TEST(SentinelSwitchover, TimeWithoutTheStoreDoesNotCount) {
	Planned world = running();
	world.add_proxy("p1");
	world.pause();
	world.pass(seconds(30));
	world.in.contact_since = world.in.now;
	world.beat("k1", at(1, 0x5000000));
	EXPECT_FALSE(world.plan().write);
}

TEST(SentinelSwitchover, ATargetThatIsLostDuringThePauseUndoesItAtOnce) {
	Planned world = running();
	world.add_proxy("p1");
	world.pause();
	world.vanish("k3");
	EXPECT_NE(outcome(world.plan(), Phase::Undone).find("k3 is not present"), std::string::npos);
}

TEST(SentinelSwitchover, AMasterThatIsNotStoppedStaysMaster) {
	Planned world = running();
	world.stop();
	world.pass(seconds(10));
	world.beat("k1", at(1, 0x5000000));
	world.node("k1").phase = NodePhase::Stopping;
	EXPECT_FALSE(world.plan().write) << "its launcher is at work, and has a bound of its own";
	world.node("k1").phase = NodePhase::Running;
	EXPECT_NE(outcome(world.plan(), Phase::Undone).find("has not stopped"), std::string::npos);
}

TEST(SentinelSwitchover, AStopThatOutlastsTheLeaseLeadsToNoElectionBeforeItsEnd) {
	Planned world = running();
	world.stop();
	world.node("k1").phase = NodePhase::Stopping;
	world.pass(world.beat_of("k1").beat.valid);
	EXPECT_FALSE(world.plan().write) << "what it acknowledged after its last beat would be lost";
	Planned lost = world;
	lost.in.nodes.erase(KeeperUid{"k1"});
	EXPECT_EQ(rule_of(lost.plan()), "S-05") << "nobody will say any more how it ended";
	Planned hung = world;
	hung.pass(world.now_at().timeout + LauncherTimes::immediate_stop +
	          world.in.data.spec.fail_interval);
	EXPECT_EQ(rule_of(hung.plan()), "S-05");
	world.release_cleanly(at(1, 0x5000100));
	EXPECT_EQ(rule_of(world.plan()), "S-06");
}

TEST(SentinelSwitchover, AMasterThatDiesFirstLeadsToAnOrdinaryElection) {
	for (const bool paused : {false, true}) {
		Planned world = running();
		world.begin();
		if (paused) {
			world.write(world.plan());
		}
		world.release("k1");
		SentinelDecision decision = world.plan();
		outcome(decision, paused ? Phase::Undone : Phase::Refused);
		world.write(decision);
		EXPECT_EQ(rule_of(world.plan()), "S-06");
	}
}

TEST(SentinelSwitchover, AnOldMasterThatDidNotEndCleanlyIsMadeAnew) {
	Planned world = running();
	world.stop();
	world.release("k1");
	world.write(world.plan());
	world.in.nodes.erase(KeeperUid{"k1"});
	world.vote("k2", at(1, 0x5000100));
	world.vote("k3", at(1, 0x5000100));
	const SentinelDecision decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-03");
	EXPECT_EQ(decision.data.find_db(world.db("k1")), nullptr);
	EXPECT_EQ(decision.data.db_of(KeeperUid{"k1"})->init, DbInit::Resync);
	EXPECT_EQ(decision.data.switchover->phase, Phase::Promote);
}

TEST(SentinelSwitchover, WhenNobodyHasTheLastByteTheOldMasterGoesOn) {
	Planned world = running();
	world.stop();
	world.open(at(1, 0x5000100));
	world.vote("k3", at(1, 0x50000ff));
	EXPECT_FALSE(world.plan().write) << "k2 may have it";
	Planned silent = world;
	silent.pass(seconds(1));
	EXPECT_EQ(rule_of(silent.plan()), "S-04") << "it is not waited for any longer";
	world.vote("k2", at(1, 0x50000f0));
	Planned away = world, refusing = world, broken = world;
	const SentinelDecision decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-04");
	EXPECT_EQ(decision.data.master, world.db("k1"));
	EXPECT_EQ(decision.data.resume,
	          (ResumePermit{world.db("k1"), world.beat_of("k1").mod_revision}));
	world.write(decision);
	outcome(world.plan(), Phase::Undone);

	away.in.nodes.erase(KeeperUid{"k1"});
	refusing.node("k1").phase = NodePhase::Refusing;
	broken.beat_of("k1").beat.position = at(1, 0x4000000);
	for (const Planned *gone : {&away, &refusing, &broken}) {
		const SentinelDecision other = gone->plan();
		EXPECT_EQ(rule_of(other), "S-03") << "it cannot go on, or has not even what it had told";
		EXPECT_EQ(other.data.master, world.db("k3"));
		EXPECT_EQ(other.data.find_db(world.db("k1")), nullptr) << "its last bytes are only there";
	}
}

TEST(SentinelSwitchover, ATargetThatLacksTheLastByteIsNotPreferred) {
	Planned world = running();
	world.stop();
	world.open(at(1, 0x5000100));
	world.vote("k3", at(1, 0x50000ff));
	world.vote("k2", at(1, 0x5000100));
	SentinelDecision decision = world.plan();
	EXPECT_EQ(decision.data.master, world.db("k2")) << "the other one has everything";
	EXPECT_NE(decision.data.find_db(world.db("k1")), nullptr);
	world.write(decision);
	world.info("k2").writable = true;
	world.info("k2").writable_epoch = world.in.data.epoch;
	outcome(world.plan(), Phase::Failed);
}

TEST(SentinelSwitchover, AnEndBehindWhatTheBeatsToldIsNotBelieved) {
	Planned world = running();
	world.beat_of("k1").furthest = at(1, 0x5000200);
	world.stop();
	world.release_cleanly(at(1, 0x5000100));
	world.beat_of("k1").furthest = at(1, 0x5000200);
	world.write(world.plan());
	world.vote("k2", at(1, 0x5000200));
	world.vote("k3", at(1, 0x5000200));
	EXPECT_EQ(world.plan().data.find_db(world.db("k1")), nullptr);
}

TEST(SentinelSwitchover, ACleanEndOfAnotherTermProvesNothing) {
	Planned world = running();
	world.stop();
	world.open(at(1, 0x5000100));
	world.beat_of("k1").beat.epoch = Epoch{1};
	world.vote("k2", at(1, 0x5000100));
	world.vote("k3", at(1, 0x5000100));
	EXPECT_EQ(world.plan().data.find_db(world.db("k1")), nullptr);
}

TEST(SentinelSwitchover, NobodyLeftToTakeOverUndoesIt) {
	Planned world = running();
	world.stop();
	world.vanish("k2");
	world.vanish("k3");
	world.release_cleanly(at(1, 0x5000100));
	SentinelDecision decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-07");
	world.write(decision);
	EXPECT_NE(outcome(world.plan(), Phase::Undone).find("nobody could take over"),
	          std::string::npos);
}

TEST(SentinelSwitchover, AMasterThatWasStoppedTooHardGoesOnInsteadOfLosingWhatOnlyItHas) {
	Planned world = running();
	world.stop();
	world.release("k1");
	world.node("k1").phase = NodePhase::Stopped;
	world.write(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
	Planned crashed = world;
	SentinelDecision decision = world.plan();
	EXPECT_EQ(rule_of(decision), "S-04");
	EXPECT_EQ(decision.data.master, world.db("k1"));
	EXPECT_TRUE(decision.data.resume.has_value());
	world.write(decision);
	outcome(world.plan(), Phase::Undone);
	crashed.in.nodes.erase(KeeperUid{"k1"});
	crashed.vote("k2", at(1, 0x5000000));
	crashed.vote("k3", at(1, 0x5000000));
	EXPECT_EQ(rule_of(crashed.plan()), "S-03") << "its host has gone with it";
}

TEST(SentinelSwitchover, ClientsOnlyWaitOnceABeatHasToldThatTheMasterIsWritable) {
	Planned world = running();
	world.begin();
	world.beat_of("k1").beat.writable = false;
	EXPECT_FALSE(world.plan().write);
	world.beat("k1", at(1, 0x5000000));
	world.write(world.plan());
	EXPECT_EQ(world.now_at().phase, Phase::Pause);
}

TEST(SentinelSwitchover, ATargetThatFallsBehindWhileClientsWaitIsNotStoppedFor) {
	Planned world = running();
	world.add_proxy("p1");
	world.pause();
	world.in.proxies.at(ProxyUid{"p1"}).paused_for = own_id;
	world.tell_positions();
	world.info("k1").position = at(1, 0x5000000 + world.in.data.spec.max_standby_lag + 1);
	EXPECT_FALSE(world.plan().write);
	world.pass(seconds(10));
	world.beat("k1", world.info("k1").position);
	EXPECT_NE(outcome(world.plan(), Phase::Undone).find("lags by"), std::string::npos);
}

TEST(SentinelSwitchover, ASuccessorThatFailsIsReplacedAndTheOperationHasFailed) {
	Planned world = running();
	world.stop();
	world.open();
	world.vote("k3", at(1, 0x5000100));
	world.vote("k2", at(1, 0x5000100));
	world.write(world.plan());
	ASSERT_EQ(world.in.data.master, world.db("k3"));
	world.pass(seconds(11));
	world.write(world.plan());
	ASSERT_TRUE(world.in.data.election.has_value());
	outcome(world.plan(), Phase::Failed);
}

TEST(SentinelSwitchover, AnOrderlyStopByWhomeverLetsTheOldMasterKeepItsData) {
	Planned world = running();
	world.release_cleanly(at(1, 0x5000100));
	world.apply(world.plan());
	world.vote("k2", at(1, 0x5000100));
	world.vote("k3", at(1, 0x5000100));
	const SentinelDecision decision = world.plan();
	EXPECT_EQ(decision.data.master, world.db("k2"));
	EXPECT_EQ(decision.event->kind, "failover");
	const Db *old = decision.data.find_db(world.db("k1"));
	ASSERT_NE(old, nullptr);
	EXPECT_EQ(old->follow, world.db("k2"));
}

TEST(SentinelSwitchover, AWinnerOnALaterTimelineProvesNothingAboutTheOldData) {
	Planned world = running();
	world.release_cleanly(at(1, 0x5000100));
	world.apply(world.plan());
	world.vote("k2", at(2, 0x5000200));
	world.info("k2").history = {{Timeline{1}, Lsn{0x5000100}}};
	world.vote("k3", at(1, 0x5000000));
	const SentinelDecision decision = world.plan();
	EXPECT_EQ(decision.data.master, world.db("k2"));
	EXPECT_EQ(decision.data.find_db(world.db("k1")), nullptr);
}

}  // namespace
}  // namespace stolon::core
