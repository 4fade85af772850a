// Sentinels on an in-memory store with a clock of its own; the test plays launchers and keepers by
// putting their keys.
#pragma once

#include <gtest/gtest.h>

#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/model/clusterdata.h"
#include "core/model/info.h"
#include "core/model/keys.h"
#include "sentinel/sentinel.h"
#include "store/fake/fake_store.h"

namespace stolon::sentinel::testing {

using namespace stolon::core;

class Lab {
public:
	Lab() : keys("stolon/cluster", "test"), hand_(cluster.connect()) {
		cluster.set_now(now);
		if (!std::getenv("STOLON_TEST_LOG")) {
			spdlog::set_level(spdlog::level::off);
		}
	}

	store::FakeCluster cluster;
	Instant now{seconds(1000)};
	Keys keys;
	Duration initial_wait{0};  ///< of those that are added from now on

	struct Member {
		std::unique_ptr<store::Store> store;
		std::unique_ptr<Sentinel> sentinel;
		bool frozen = false;
	};
	std::vector<Member> members;

	Member &add(const std::string &uid, Duration delay = {}, bool with_spec = true) {
		Member member;
		member.store = cluster.connect(delay);
		SentinelOptions options;
		options.uid = SentinelUid{uid};
		if (with_spec) {
			options.initial_spec = ClusterSpec{};
			options.initial_wait = initial_wait;
		}
		member.sentinel = std::make_unique<Sentinel>(*member.store, keys, std::move(options));
		members.push_back(std::move(member));
		return members.back();
	}

	/// Lets time pass in small steps.
	void run(Duration time, Duration step = milliseconds(5)) {
		const Instant end = now + time;
		while (now < end) {
			now = now + step;
			cluster.set_now(now);
			turn();
		}
	}

	/// Lets everybody do what is due now.
	void turn() {
		for (int round = 0; round < 6; ++round) {
			hand_->process();
			for (auto &member : members) {
				if (!member.frozen) {
					member.store->process();
					member.sentinel->step(now);
				}
			}
		}
	}

	/// One transaction by hand, done at once. True if its conditions held.
	bool txn(store::TxnRequest request) {
		std::optional<bool> held;
		hand_->txn(std::move(request), seconds(1), [&](store::Result<store::TxnResponse> answer) {
			held = answer.ok() && answer->succeeded;
		});
		for (int i = 0; i < 4 && !held; ++i) {
			hand_->process();
		}
		return held.value_or(false);
	}
	void put(const std::string &key, const std::string &value) {
		ASSERT_TRUE(txn({{}, {store::Op::put(key, value)}, {}}));
	}
	void erase(const std::string &key) { ASSERT_TRUE(txn({{}, {store::Op::erase(key)}, {}})); }

	std::vector<store::KeyValue> list(const std::string &prefix) {
		std::vector<store::KeyValue> found;
		hand_->range({prefix, store::prefix_end(prefix), 0}, seconds(1),
		             [&](store::Result<store::RangeResponse> answer) {
			             ASSERT_TRUE(answer.ok()) << answer.error().message;
			             found = answer->kvs;
		             });
		for (int i = 0; i < 4; ++i) {
			hand_->process();
		}
		return found;
	}
	store::KeyValue get(const std::string &key) {
		const auto found = list(key);
		return found.empty() ? store::KeyValue{} : found.front();
	}

	ClusterData data() {
		const auto parsed = parse_clusterdata(get(keys.clusterdata()).value);
		EXPECT_TRUE(parsed.ok());
		return parsed.ok() ? *parsed : ClusterData{};
	}
	std::string leader() {
		const auto info = parse_sentinel_info(get(keys.sentinel_leader()).value);
		return info.ok() ? info->uid.value : "";
	}
	DbUid db(const std::string &keeper) {
		const Db *found = data().db_of(KeeperUid{keeper});
		return found ? found->uid : DbUid{};
	}

	void put_node(const std::string &keeper, bool with_data) {
		NodeInfo node;
		node.uid = KeeperUid{keeper};
		node.host = "10.0.0." + keeper.substr(1);
		node.port = 5432;
		if (with_data) {
			node.phase = NodePhase::Running;
			node.db = db(keeper);
			node.system_id = "7000000000000000001";
		}
		put(keys.node(node.uid), node_info_to_text(node));
	}

	Beat next_beat(const std::string &keeper) {
		Beat beat;
		const ClusterData seen = data();
		beat.epoch = seen.epoch;
		beat.db = db(keeper);
		beat.master_revision = get(keys.master()).mod_revision;
		beat.valid = seen.spec.fail_interval;
		beat.position = {Timeline{1}, Lsn{0x5000000}};
		beat.writable = true;
		return beat;
	}
	/// A beat as the lease worker puts it, or what `change` makes of it; true if it was put.
	bool put_beat(
	    const std::string &keeper, void (*change)(Beat &) = [](Beat &) {}) {
		Beat beat = next_beat(keeper);
		change(beat);
		return txn({{{store::Compare::Field::ModRevision, keys.master(), beat.master_revision}},
		            {store::Op::put(keys.beat(KeeperUid{keeper}), beat_to_text(beat))},
		            {}});
	}
	void release(const std::string &keeper) {
		ASSERT_TRUE(put_beat(keeper, [](Beat &beat) {
			beat.released = true;
			beat.reason = "killed";
		}));
	}

	void put_standby(const std::string &keeper, std::uint64_t lsn, bool voted = false) {
		KeeperInfo info;
		info.uid = KeeperUid{keeper};
		info.db = db(keeper);
		info.role = PgRole::Standby;
		info.position = {Timeline{1}, Lsn{lsn}};
		info.replayed = Lsn{lsn};
		info.streaming = !voted;
		if (voted) {
			info.vote = Vote{data().epoch, info.position, info.replayed};
		}
		put(keys.keeper_info(info.uid), keeper_info_to_text(info));
	}

	/// A healthy cluster with master k1 and standbys k2 and k3, one beat just put.
	void make_cluster() {
		put_node("k1", false);
		run(milliseconds(200));
		put_node("k1", true);
		ASSERT_TRUE(put_beat("k1"));
		put_node("k2", false);
		put_node("k3", false);
		run(milliseconds(200));
		for (const char *keeper : {"k2", "k3"}) {
			put_node(keeper, true);
			put_standby(keeper, 0x5000000);
		}
		run(milliseconds(200));
		ASSERT_EQ(data().phase, ClusterPhase::Normal);
		ASSERT_EQ(data().dbs.size(), 3u);
		ASSERT_TRUE(put_beat("k1"));
		run(milliseconds(100));
	}

	/// Time passes while the master beats.
	void run_beating(const std::string &keeper, Duration time) {
		const Instant end = now + time;
		while (now < end) {
			put_beat(keeper);
			run(milliseconds(500));
		}
	}

private:
	std::unique_ptr<store::Store> hand_;
};

}  // namespace stolon::sentinel::testing
