// A small cluster as the sentinel sees it, for tests of the sentinel plan: three keepers k1
// (master), k2 and k3 (standbys), all healthy, until a test changes something.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/plan/sentinel_plan.h"

namespace stolon::core::testing {

inline WalPosition at(std::uint32_t timeline, std::uint64_t lsn) {
	return {Timeline{timeline}, Lsn{lsn}};
}

/// The rule that acted, or the first that waits; "" when nothing is said.
inline std::string rule_of(const SentinelDecision &decision) {
	return decision.reasons.empty() ? "" : decision.reasons.back().rule;
}

class World {
public:
	SentinelInputs in;

	static World uninitialised() {
		World world;
		world.in.now = Instant{seconds(1000)};
		world.in.contact_since = world.in.data_seen_at = Instant{seconds(900)};
		world.in.election_asked_at = Instant{seconds(900)};
		world.in.data = initial_clusterdata(ClusterSpec{}, "0123456789abcdef");
		world.refill();
		return world;
	}

	static World running() {
		World world = uninitialised();
		ClusterData &data = world.in.data;
		data.phase = ClusterPhase::Normal;
		data.system_id = "7000000000000000001";
		data.generation = 40;
		data.epoch = Epoch{3};
		data.master = world.db("k1");
		world.in.master_revision = 100;
		world.in.master_seen_at = Instant{seconds(900)};
		for (const char *name : {"k1", "k2", "k3"}) {
			world.add_member(name);
		}
		world.beat("k1", at(1, 0x5000000));
		return world;
	}

	/// The db that `running` gives to a keeper.
	static DbUid db(const std::string &keeper) { return DbUid{"0000000" + keeper.substr(1)}; }

	SentinelDecision plan() const {
		const SentinelDecision decision = plan_sentinel(in);
		check(decision);
		return decision;
	}

	NodeInfo &node(const std::string &keeper) { return in.nodes.at(KeeperUid{keeper}); }
	KeeperInfo &info(const std::string &keeper) { return in.infos.at(KeeperUid{keeper}); }

	void pass(Duration time) { in.now = in.now + time; }

	void refill() {
		static unsigned next = 0xa0000000;
		in.fresh_db_uids.clear();
		for (int i = 0; i < 10; ++i) {
			char text[16];
			std::snprintf(text, sizeof text, "%08x", next++);
			in.fresh_db_uids.push_back(DbUid{text});
		}
	}

	void add_blank_node(const std::string &keeper) {
		NodeInfo node;
		node.uid = KeeperUid{keeper};
		node.phase = NodePhase::Waiting;
		node.host = "10.0.0." + keeper.substr(1);
		node.port = 5432;
		in.nodes[node.uid] = node;
	}

	void add_standby(const std::string &keeper) { add_member(keeper); }

	/// Neither its launcher nor its keeper is there any more.
	void vanish(const std::string &keeper) {
		in.nodes.erase(KeeperUid{keeper});
		in.infos.erase(KeeperUid{keeper});
	}

	void beat(const std::string &keeper, WalPosition position) {
		BeatObservation &seen = in.beats[KeeperUid{keeper}];
		seen.beat = Beat{};
		seen.beat.epoch = in.data.epoch;
		seen.beat.db = in.data.db_of(KeeperUid{keeper})->uid;
		seen.beat.master_revision = in.master_revision;
		seen.beat.valid = in.data.spec.fail_interval;
		seen.beat.position = position;
		seen.beat.writable = in.data.phase == ClusterPhase::Normal;
		seen.mod_revision = ++revision_;
		seen.seen_at = seen.beaten_at = in.now;
	}

	BeatObservation &beat_of(const std::string &keeper) { return in.beats.at(KeeperUid{keeper}); }

	/// The next beat of the master says that it cannot work.
	void beat_unfit(const std::string &keeper, WalPosition position = at(1, 0x5000000)) {
		beat(keeper, position);
		beat_of(keeper).beat.unfit = "WAL flushes hang";
	}

	/// The lease worker puts this over its own last beat.
	void yield(const std::string &keeper) {
		BeatObservation &seen = beat_of(keeper);
		seen.beat.yielded = true;
		seen.mod_revision = ++revision_;
		seen.seen_at = in.now;
	}

	void release(const std::string &keeper) {
		const WalPosition position = in.beats.contains(KeeperUid{keeper})
		                                 ? in.beats.at(KeeperUid{keeper}).beat.position
		                                 : at(1, 0x5000000);
		beat(keeper, position);
		in.beats.at(KeeperUid{keeper}).beat.released = true;
		in.beats.at(KeeperUid{keeper}).beat.reason = "the postmaster was killed by signal 9";
	}

	/// The decision was written and is seen at once.
	void apply(const SentinelDecision &decision) {
		ASSERT_TRUE(decision.write);
		if (decision.guard_beat_of) {
			const auto beat = in.beats.find(*decision.guard_beat_of);
			ASSERT_EQ(decision.guard_beat_revision,
			          beat == in.beats.end() ? 0 : beat->second.mod_revision);
		}
		see_election_of(decision.data);
		if (in.data.resume != decision.data.resume)
			in.resume_seen_at = in.now;
		in.data = decision.data;
		in.data_seen_at = in.now;
		++revision_;
		if (decision.write_master) {
			in.master_revision = revision_;
			in.master_seen_at = in.now;
		}
		refill();
	}

	/// The master's launcher released, and the standbys that are present are asked.
	void open_election() {
		if (!in.beats.at(KeeperUid{"k1"}).beat.released) {
			release("k1");
		}
		apply(plan());
		ASSERT_TRUE(in.data.election.has_value());
	}

	void vote(const std::string &keeper, WalPosition position, Lsn replayed = {}) {
		KeeperInfo &mine = info(keeper);
		mine.role = PgRole::Standby;
		mine.streaming = false;
		mine.position = position;
		mine.replayed = replayed;
		mine.epoch = in.data.epoch;
		mine.vote = Vote{in.data.epoch, position, replayed};
	}

	/// A whole failover from k1 to `winner`, which has not beaten yet.
	void elect_and_name(const std::string &winner) {
		open_election();
		for (const char *name : {"k2", "k3"}) {
			vote(name, at(1, name == winner ? 0x5000000 : 0x4FFFF00));
		}
		apply(plan());
		ASSERT_EQ(in.data.master, db(winner));
	}

	/// What must hold for whatever the plan decides.
	void check(const SentinelDecision &decision) const {
		if (decision.wake_at) {
			EXPECT_GT(*decision.wake_at, in.now) << "a wake-up in the past is a busy loop";
		}
		if (!decision.write) {
			return;
		}
		EXPECT_FALSE(decision.reasons.empty());
		EXPECT_EQ(decision.data.generation, in.data.generation + 1);
		EXPECT_GE(decision.data.epoch, in.data.epoch);
		const bool renamed =
		    decision.data.master != in.data.master || decision.data.epoch != in.data.epoch;
		EXPECT_TRUE(!renamed || decision.write_master)
		    << "whoever changes the master also moves the guard of the beats";
		auto parsed = parse_clusterdata(clusterdata_to_text(decision.data));
		ASSERT_TRUE(parsed.ok()) << parsed.error().message;
		parsed->spec = decision.data.spec;  // which tests change in place
		EXPECT_EQ(*parsed, decision.data);
	}

private:
	std::int64_t revision_ = 200;

	void see_election_of(const ClusterData &next) {
		const auto &before = in.data.election;
		const auto &after = next.election;
		if (after &&
		    (!before || before->epoch != after->epoch || before->voters != after->voters)) {
			in.election_asked_at = in.now;
		}
	}

	void add_member(const std::string &name) {
		const KeeperUid uid{name};
		const bool is_master = name == "k1";
		Keeper keeper;
		keeper.uid = uid;
		keeper.db = db(name);
		keeper.host = "10.0.0." + name.substr(1);
		keeper.port = 5432;
		in.data.keepers[uid] = keeper;
		Db entry;
		entry.uid = db(name);
		entry.keeper = uid;
		entry.generation = 30;
		entry.follow = is_master ? DbUid{} : db("k1");
		in.data.dbs[entry.uid] = entry;

		add_blank_node(name);
		node(name).phase = NodePhase::Running;
		node(name).db = db(name);
		node(name).system_id = in.data.system_id;

		KeeperInfo info;
		info.uid = uid;
		info.db = db(name);
		info.epoch = in.data.epoch;
		info.generation = in.data.generation;
		info.role = is_master ? PgRole::Primary : PgRole::Standby;
		info.writable = is_master;
		info.writable_epoch = is_master ? in.data.epoch : Epoch{};
		info.position = at(1, 0x5000000);
		info.replayed = Lsn{0x5000000};
		info.streaming = !is_master;
		info.upstream = is_master ? DbUid{} : db("k1");
		in.infos[uid] = info;
	}
};

/// The master is on timeline 2, which began at 0x4800000 of timeline 1.
inline World on_second_timeline() {
	World world = World::running();
	const std::vector<HistoryEntry> history = {{Timeline{1}, Lsn{0x4800000}}};
	for (auto &[uid, info] : world.in.infos) {
		info.position.timeline = Timeline{2};
		info.history = history;
	}
	world.in.beats.at(KeeperUid{"k1"}).beat.position.timeline = Timeline{2};
	return world;
}

}  // namespace stolon::core::testing
