// A cluster in which everything that can go wrong does, at random, from a seed: hosts die,
// processes crash, freeze, are cut off from the store, the store goes away, sentinels work from old
// views. The sentinel plan and the keeper plan are the real ones; store, launchers, servers and
// their WAL are models. What must never happen is checked at every step.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/plan/keeper_plan.h"
#include "core/plan/sentinel_plan.h"

namespace stolon::core::testing {

constexpr Duration chaos_tick = milliseconds(20);

/// WAL with its true identity: each promotion makes a branch of its own, whatever timeline number
/// it takes.
struct Wal {
	struct Part {
		int branch = 0;
		std::uint32_t timeline = 1;
		std::uint64_t start = 0;
	};
	std::vector<Part> parts;
	std::uint64_t end = 0;

	WalPosition position() const { return {Timeline{parts.back().timeline}, Lsn{end}}; }
	std::vector<HistoryEntry> history() const;
	/// Everything in here, up to `slack` bytes, is also in `other`.
	bool is_within(const Wal &other, std::uint64_t slack) const;
	/// Of two on one line: this one goes on farther.
	bool has_more_than(const Wal &other) const;
	/// What PostgreSQL would look at before it streams from `upstream`: numbers only.
	bool would_stream_from(const Wal &upstream) const;
	/// This WAL up to `lsn`.
	Wal up_to(std::uint64_t lsn) const;
};

struct ChaosStore {
	bool up = true;
	std::int64_t revision = 10;
	std::optional<ClusterData> data;
	std::int64_t data_revision = 0;
	MasterKey master;
	std::int64_t master_revision = 0;
	struct StoredBeat {
		Beat beat;
		std::int64_t mod_revision = 0;
	};
	std::map<KeeperUid, StoredBeat> beats;
	std::map<KeeperUid, KeeperInfo> infos;
	std::map<KeeperUid, NodeInfo> nodes;
	int leader_term = 1;
	std::vector<HistoryEvent> events;
};

struct ChaosHost {
	KeeperUid uid;
	bool up = true;
	bool frozen = false;
	bool cut = false;  ///< from the store
	Instant last_contact;

	struct Data {
		DbUid db;
		Wal wal;
		Epoch epoch;
		bool was_primary = false;
	};
	std::optional<Data> data;
	struct Clone {
		DbUid db;
		DbUid from;
		Instant done_at;
	};
	std::optional<Clone> clone;

	// The server.
	bool running = false;
	bool primary = false;
	std::optional<Instant> promoted_at;  ///< a promotion is under way until then
	FollowTarget target;
	bool electing = false;
	bool config_known = false;
	Instant configured_at;
	bool streaming = false;
	std::optional<Vote> vote;
	std::uint64_t generation = 0;

	// The lease worker.
	bool mandate = false;
	Epoch mandate_epoch;
	std::int64_t mandate_revision = 0;
	Duration valid{0};
	Instant deadline;
	Instant next_beat;
	bool lease_won = false;
	struct SentBeat {
		Instant sent;
		Instant arrives;
		Beat beat;
	};
	std::deque<SentBeat> on_their_way;
	std::int64_t own_revision = 0;  ///< of the last beat whose answer came
	struct SentYield {
		Instant arrives;
		std::int64_t own_revision = 0;
	};
	std::optional<SentYield> yield_on_its_way;

	// What makes a master unfit: it says so, and its promotion does not end.
	bool unfit = false;
	bool stuck = false;   ///< its keeper worker and its launcher do nothing any more
	bool yields = false;  ///< its lease worker takes a refusal for what it is

	// The launcher.
	std::optional<Instant> ended_at;
	bool must_release = false;

	ChaosStore view;  ///< what this host knows of the store
	std::optional<KeeperInfo> said;
};

struct ChaosSentinel {
	ChaosStore view;
	bool ready = false;
	int term = 0;
	bool frozen = false;
	bool cut = false;
	bool stalled = false;  ///< reads are answered, but nothing new is seen
	Instant contact_since;
	Instant last_contact;
	Instant data_seen_at, asked_at, master_seen_at, resume_seen_at;
	std::optional<ResumePermit> resume;
	struct SeenBeat {
		Beat beat;
		std::int64_t mod_revision = 0;
		Instant seen_at;
		WalPosition furthest;
	};
	std::map<KeeperUid, SeenBeat> beats_seen;
};

class Chaos {
public:
	explicit Chaos(unsigned seed, int hosts = 3);

	/// Bad things happen, about one per `pace`.
	void run(Duration time, Duration pace);
	/// Everything is made well again, and time passes.
	void heal(Duration time);

	/// The first thing that must never happen and did; empty: none.
	const std::string &violation() const { return violation_; }
	/// Empty when there is a master that acknowledges and everybody else streams from it.
	std::string ill() const;
	std::uint64_t acknowledged() const { return acknowledged_; }
	int failovers() const { return failovers_; }
	int restarts() const { return restarts_; }
	/// Elections that were opened while the old master said that it was unfit.
	int replacements() const { return replacements_; }
	/// How often an old master said that it acknowledges nothing any more.
	int yields() const { return yields_; }
	std::string story() const;

private:
	void tick();
	void something_bad();
	void something_bad_for(ChaosSentinel &sentinel);
	void worst_moment();
	void store_tick();
	void sentinel_tick(ChaosSentinel &sentinel);
	void observe(ChaosSentinel &sentinel);
	void apply(ChaosSentinel &sentinel, const SentinelInputs &inputs,
	           const SentinelDecision &decision);
	void check_winner(const ClusterData &before, const SentinelDecision &decision);
	void host_tick(ChaosHost &host);
	void launcher_tick(ChaosHost &host);
	void start_server(ChaosHost &host, const ClusterData &data, const Db &wanted);
	void clone_tick(ChaosHost &host, const Db &wanted);
	void release(ChaosHost &host);
	void keeper_tick(ChaosHost &host);
	void act(ChaosHost &host, const KeeperDecision &decision);
	void stream(ChaosHost &host);
	void lease_tick(ChaosHost &host);
	void deliver(ChaosHost &host);
	void refuse(ChaosHost &host, const Beat &beat);
	void deliver_yield(ChaosHost &host);
	void make_unfit();
	void publish(ChaosHost &host);
	void crash(ChaosHost &host, bool seen_by_launcher);
	void check_leases();
	ChaosHost *server_of(const DbUid &db);
	bool reaches_store(const ChaosHost &host) const { return store_.up && host.up && !host.cut; }
	bool chance(int percent);
	std::uint64_t below(std::uint64_t bound);
	void fail(const std::string &what);
	void note(const std::string &what);

	std::mt19937 random_;
	Instant now_{seconds(1000)};
	ChaosStore store_;
	std::vector<ChaosHost> hosts_;
	std::vector<ChaosSentinel> sentinels_{2};
	/// A host that has just been promoted, and when it is to die together with another one.
	std::optional<std::pair<KeeperUid, Instant>> doomed_;
	int next_branch_ = 1;
	unsigned next_uid_ = 0x1000;
	std::uint64_t acknowledged_ = 0;
	int failovers_ = 0;
	int restarts_ = 0;
	int replacements_ = 0;
	int yields_ = 0;
	std::string violation_;
	std::deque<std::string> story_;
};

}  // namespace stolon::core::testing
