#include "tests/plan/chaos_model.h"

#include <algorithm>
#include <cstdio>

#include "core/lineage/lineage.h"

namespace stolon::core::testing {

namespace {

/// A vote counts what was received, which may end in half a record of up to so many bytes.
constexpr std::uint64_t half_record = 16;
constexpr Duration presence_ttl = seconds(2);
const std::string system_id = "7000000000000000001";
constexpr std::size_t longest_story = 400;

}  // namespace

// ---------------------------------------------------------------- WAL

std::vector<HistoryEntry> Wal::history() const {
	std::vector<HistoryEntry> entries;
	for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
		entries.push_back({Timeline{parts[i].timeline}, Lsn{parts[i + 1].start}});
	}
	return entries;
}

bool Wal::is_within(const Wal &other, std::uint64_t slack) const {
	for (std::size_t i = 0; i < parts.size(); ++i) {
		const std::uint64_t mine = i + 1 < parts.size() ? parts[i + 1].start : end;
		if (i >= other.parts.size() || parts[i].branch != other.parts[i].branch) {
			return mine <= parts[i].start + slack;
		}
		const std::uint64_t theirs =
		    i + 1 < other.parts.size() ? other.parts[i + 1].start : other.end;
		if (mine > theirs) {
			return i + 1 == parts.size() && mine <= theirs + slack;
		}
	}
	return true;
}

bool Wal::has_more_than(const Wal &other) const {
	// One that was promoted has dropped what others may have received beyond that point.
	return parts.size() != other.parts.size() ? parts.size() > other.parts.size() : end > other.end;
}

bool Wal::would_stream_from(const Wal &upstream) const {
	const std::uint32_t mine = parts.back().timeline;
	if (mine == upstream.parts.back().timeline) {
		return end <= upstream.end;
	}
	for (std::size_t i = 0; i + 1 < upstream.parts.size(); ++i) {
		if (upstream.parts[i].timeline == mine) {
			return end <= upstream.parts[i + 1].start + half_record;
		}
	}
	return false;
}

Wal Wal::up_to(std::uint64_t lsn) const {
	Wal cut = *this;
	while (cut.parts.size() > 1 && cut.parts.back().start > lsn) {
		cut.parts.pop_back();
	}
	cut.end = std::min(end, lsn);
	return cut;
}

// ---------------------------------------------------------------- driving

Chaos::Chaos(unsigned seed, int hosts) : random_(seed) {
	ClusterSpec spec;
	spec.fail_interval = seconds(1);
	spec.sleep_interval = seconds(1);
	spec.max_standby_lag = 5000;
	if (hosts > 3) {
		spec.keepers[KeeperUid{"k4"}].failover_priority = 0;
	}
	store_.data = initial_clusterdata(spec, "0123456789abcdef");
	store_.data_revision = store_.revision;
	for (int i = 1; i <= hosts; ++i) {
		ChaosHost host;
		host.uid = KeeperUid{"k" + std::to_string(i)};
		hosts_.push_back(std::move(host));
	}
	heal(seconds(10));
}

bool Chaos::chance(int percent) {
	return below(100) < static_cast<std::uint64_t>(percent);
}

std::uint64_t Chaos::below(std::uint64_t bound) {
	return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(random_);
}

void Chaos::note(const std::string &what) {
	char time[32];
	std::snprintf(time, sizeof time, "%.2f ", static_cast<double>(to_ms(now_.since_boot)) / 1000);
	story_.push_back(time + what);
	if (story_.size() > longest_story) {
		story_.pop_front();
	}
}

void Chaos::fail(const std::string &what) {
	if (violation_.empty()) {
		violation_ = what;
		note("VIOLATION: " + what);
	}
}

std::string Chaos::story() const {
	std::string text;
	for (const auto &line : story_) {
		text += line + "\n";
	}
	return text;
}

void Chaos::run(Duration time, Duration pace) {
	const Instant end = now_ + time;
	const auto odds = static_cast<std::uint64_t>(pace / chaos_tick);
	while (now_ < end && violation_.empty()) {
		if (below(odds) == 0) {
			something_bad();
		}
		worst_moment();
		tick();
	}
}

void Chaos::heal(Duration time) {
	note("everything is made well");
	store_.up = true;
	for (auto &host : hosts_) {
		host.up = true;
		host.frozen = host.cut = host.unfit = host.stuck = false;
	}
	for (auto &sentinel : sentinels_) {
		sentinel.frozen = sentinel.cut = sentinel.stalled = false;
	}
	doomed_.reset();
	const Instant end = now_ + time;
	while (now_ < end && violation_.empty()) {
		tick();
	}
}

void Chaos::something_bad() {
	ChaosHost &host = hosts_[below(hosts_.size())];
	ChaosSentinel &sentinel = sentinels_[below(sentinels_.size())];
	// Faults must not pile up so that nothing happens any more.
	if (chance(40)) {
		note("the store and " + host.uid.value + " are made well");
		store_.up = host.up = true;
		host.frozen = host.cut = host.unfit = host.stuck = false;
		sentinel.frozen = sentinel.cut = sentinel.stalled = false;
		return;
	}
	switch (below(10)) {
		case 0:
		case 1:
			if (host.running && !host.frozen) {
				note("crash of the server on " + host.uid.value);
				crash(host, true);
			}
			return;
		case 2:
			note((host.up ? "end of host " : "return of host ") + host.uid.value);
			if (host.up) {
				crash(host, false);
				host.view = {};
				host.said.reset();
			}
			host.up = !host.up;
			return;
		case 3:
			note((host.frozen ? "thaw of " : "freeze of ") + host.uid.value);
			host.frozen = !host.frozen;
			return;
		case 4:
			note((host.cut ? "reconnect of " : "cut of ") + host.uid.value);
			host.cut = !host.cut;
			return;
		case 5:
			if (chance(60)) {
				return;
			}
			if (chance(30) && store_.data) {
				note("an operator edits the spec");
				store_.data->spec.election_patience = milliseconds(200 + below(1000));
				store_.data_revision = ++store_.revision;
				return;
			}
			note(store_.up ? "store away" : "store back");
			store_.up = !store_.up;
			return;
		case 6:
		case 7:
			make_unfit();
			return;
		default:
			something_bad_for(sentinel);
			return;
	}
}

void Chaos::make_unfit() {
	for (auto &host : hosts_) {
		if (host.running && host.mandate && !host.unfit) {
			host.unfit = true;
			host.stuck = chance(50);
			host.yields = chance(50);
			note(host.uid.value + " is unfit" +
			     (host.stuck ? ", its keeper and launcher are stuck" : "") +
			     (host.yields ? ", it will yield" : ""));
		}
	}
}

void Chaos::something_bad_for(ChaosSentinel &sentinel) {
	switch (below(4)) {
		case 0:
			sentinel.frozen = !sentinel.frozen;
			return;
		case 1:
			sentinel.cut = !sentinel.cut;
			return;
		case 2:
			sentinel.stalled = !sentinel.stalled;
			return;
		default:
			store_.leader_term++;
			note("the lead is free");
			return;
	}
}

/// Right after a promotion, before anybody but its followers can know of it.
void Chaos::worst_moment() {
	if (!doomed_ || now_ < doomed_->second) {
		return;
	}
	ChaosHost &other = hosts_[below(hosts_.size())];
	for (auto &host : hosts_) {
		if (host.up && (host.uid == doomed_->first || &host == &other)) {
			note("end of host " + host.uid.value + " at the worst moment");
			crash(host, false);
			host.view = {};
			host.said.reset();
			host.up = false;
		}
	}
	doomed_.reset();
}

void Chaos::tick() {
	now_ = now_ + chaos_tick;
	store_tick();
	for (auto &host : hosts_) {
		host_tick(host);
	}
	for (auto &sentinel : sentinels_) {
		sentinel_tick(sentinel);
	}
	check_leases();
}

void Chaos::store_tick() {
	for (auto &host : hosts_) {
		if (reaches_store(host) && !host.frozen) {
			host.last_contact = now_;
		} else if (store_.up && now_ - host.last_contact >= presence_ttl) {
			store_.infos.erase(host.uid);
			store_.nodes.erase(host.uid);
			host.said.reset();
		}
	}
}

// ---------------------------------------------------------------- sentinels

void Chaos::observe(ChaosSentinel &sentinel) {
	const auto old_data = sentinel.view.data_revision;
	const auto old_master = sentinel.view.master_revision;
	const auto old_election = sentinel.ready ? sentinel.view.data->election : std::nullopt;
	const bool first = !sentinel.ready;
	if (first || now_ - sentinel.last_contact > milliseconds(400)) {
		sentinel.contact_since = now_;
	}
	sentinel.last_contact = now_;
	if (sentinel.stalled) {
		return;
	}
	sentinel.view = store_;
	sentinel.ready = true;
	if (first || sentinel.view.data_revision != old_data) {
		sentinel.data_seen_at = now_;
	}
	if (first || sentinel.view.master_revision != old_master) {
		sentinel.master_seen_at = now_;
	}
	if (first || sentinel.view.data->resume != sentinel.resume) {
		sentinel.resume = sentinel.view.data->resume;
		sentinel.resume_seen_at = now_;
	}
	const auto &election = sentinel.view.data->election;
	if (election && (first || !old_election || old_election->epoch != election->epoch ||
	                 old_election->voters != election->voters)) {
		sentinel.asked_at = now_;
	}
	for (const auto &[uid, beat] : sentinel.view.beats) {
		ChaosSentinel::SeenBeat &seen = sentinel.beats_seen[uid];
		const bool same_term = seen.beat.db == beat.beat.db && seen.beat.epoch == beat.beat.epoch;
		seen.furthest = same_term ? further(seen.furthest, beat.beat.position) : beat.beat.position;
		if (seen.mod_revision != beat.mod_revision) {
			seen.mod_revision = beat.mod_revision;
			seen.seen_at = now_;
		}
		seen.beat = beat.beat;
	}
}

void Chaos::sentinel_tick(ChaosSentinel &sentinel) {
	if (sentinel.frozen) {
		return;
	}
	const bool reaches = store_.up && !sentinel.cut;
	if (reaches && chance(80)) {
		observe(sentinel);
	}
	if (!sentinel.ready) {
		return;
	}
	if (reaches && sentinel.term != store_.leader_term && below(10) == 0) {
		// Whoever comes first takes the free lead; the other one goes on believing in its term.
		for (const auto &other : sentinels_) {
			if (other.term == store_.leader_term) {
				return;
			}
		}
		sentinel.term = store_.leader_term;
	}
	SentinelInputs inputs;
	inputs.now = now_;
	inputs.contact_since = sentinel.contact_since;
	if (now_ - sentinel.last_contact > milliseconds(400)) {
		inputs.contact_since = Instant{Duration::max()};
	}
	inputs.data = *sentinel.view.data;
	inputs.data_seen_at = sentinel.data_seen_at;
	inputs.resume_seen_at = sentinel.resume_seen_at;
	inputs.election_asked_at = sentinel.asked_at;
	inputs.master_revision = sentinel.view.master_revision;
	inputs.master_seen_at = sentinel.master_seen_at;
	for (const auto &[uid, beat] : sentinel.view.beats) {
		const ChaosSentinel::SeenBeat &seen = sentinel.beats_seen.at(uid);
		inputs.beats[uid] = {beat.beat, beat.mod_revision, seen.seen_at, {}, seen.furthest};
	}
	inputs.infos = sentinel.view.infos;
	inputs.nodes = sentinel.view.nodes;
	for (int i = 0; i < 6; ++i) {
		char text[16];
		std::snprintf(text, sizeof text, "%08x", next_uid_++);
		inputs.fresh_db_uids.push_back(DbUid{text});
	}
	const SentinelDecision decision = plan_sentinel(inputs);
	if (decision.wake_at && *decision.wake_at <= now_) {
		fail("the sentinel wants to be woken up in the past");
	}
	if (decision.write && reaches) {
		apply(sentinel, inputs, decision);
	}
}

void Chaos::apply(ChaosSentinel &sentinel, const SentinelInputs &inputs,
                  const SentinelDecision &decision) {
	bool holds = store_.data_revision == sentinel.view.data_revision &&
	             store_.master_revision == sentinel.view.master_revision &&
	             store_.leader_term == sentinel.term;
	if (decision.guard_beat_of) {
		const auto beat = store_.beats.find(*decision.guard_beat_of);
		const auto revision = beat == store_.beats.end() ? 0 : beat->second.mod_revision;
		holds = holds && revision == decision.guard_beat_revision;
	}
	if (!holds) {
		return;
	}
	note(decision.reasons.back().rule + " " + decision.reasons.back().text);
	if (inputs.data.election && !decision.data.election) {
		check_winner(inputs.data, decision);
	}
	if (!parse_clusterdata(clusterdata_to_text(decision.data)).ok()) {
		fail("the sentinel writes a clusterdata that nobody can read");
	}
	replacements_ += decision.reasons.back().rule == "S-16";
	restarts_ += decision.data.resume && decision.data.resume != store_.data->resume;
	store_.data = decision.data;
	store_.data_revision = ++store_.revision;
	if (decision.write_master) {
		store_.master = {decision.data.epoch, decision.data.master};
		store_.master_revision = store_.revision;
	}
	if (chance(70)) {
		observe(sentinel);
	}
}

void Chaos::check_winner(const ClusterData &before, const SentinelDecision &decision) {
	const Db *winner = decision.data.find_db(decision.data.master);
	if (winner->uid == before.election->old_master) {
		return;
	}
	++failovers_;
	if (before.spec.failover_priority_of(winner->keeper) == 0) {
		fail(winner->keeper.value + " has failoverPriority 0 and wins");
	}
	const ChaosHost *host = server_of(winner->uid);
	if (!host || host->primary) {
		return;  // died or was replaced since it voted
	}
	const std::uint64_t has = host->data->wal.end;
	const std::uint64_t known = before.election->last_known.lsn.value;
	if (has + before.spec.max_standby_lag < known) {
		fail("the winner is farther behind than maxStandbyLag");
	}
	for (const auto &other : hosts_) {
		if (other.up && other.vote && other.vote->epoch == before.election->epoch && other.data &&
		    store_.infos.contains(other.uid) && store_.infos.at(other.uid).vote &&
		    other.data->wal.has_more_than(host->data->wal) &&
		    before.spec.failover_priority_of(other.uid) != 0 &&
		    host->data->wal.is_within(other.data->wal, half_record) &&
		    std::find(before.election->voters.begin(), before.election->voters.end(),
		              other.data->db) != before.election->voters.end() &&
		    sentinels_[0].view.data_revision == store_.data_revision &&
		    decision.reasons.back().text.find(other.data->db.value + " on " + other.uid.value +
		                                      " has not voted") == std::string::npos &&
		    decision.reasons.back().text.find(other.data->db.value + " on " + other.uid.value +
		                                      " is not present") == std::string::npos) {
			fail(other.uid.value + " voted and has more than the winner " + host->uid.value);
		}
	}
}

// ---------------------------------------------------------------- hosts

ChaosHost *Chaos::server_of(const DbUid &db) {
	for (auto &host : hosts_) {
		if (host.up && host.running && host.data && host.data->db == db) {
			return &host;
		}
	}
	return nullptr;
}

void Chaos::crash(ChaosHost &host, bool seen_by_launcher) {
	host.must_release = seen_by_launcher && host.mandate && host.primary;
	if (host.data && host.running) {
		host.data->was_primary = host.primary;
	}
	host.running = host.primary = host.streaming = host.mandate = host.lease_won = false;
	host.config_known = false;
	host.deadline = {};
	host.unfit = host.stuck = false;
	host.promoted_at.reset();
	host.vote.reset();
	host.ended_at = now_;
	host.on_their_way.clear();
	host.clone.reset();
}

void Chaos::host_tick(ChaosHost &host) {
	deliver(host);
	deliver_yield(host);
	if (!host.up || host.frozen) {
		return;
	}
	if (reaches_store(host) && chance(70)) {
		host.view = store_;
	}
	if (!host.stuck) {
		launcher_tick(host);
	}
	if (host.running) {
		if (!host.stuck) {
			keeper_tick(host);
		}
		lease_tick(host);
		stream(host);
	}
	if (reaches_store(host)) {
		publish(host);
	}
}

void Chaos::release(ChaosHost &host) {
	if (!host.must_release || !reaches_store(host) || !host.data) {
		return;
	}
	host.must_release = false;
	const auto stored = store_.beats.find(host.uid);
	if (stored == store_.beats.end() || stored->second.beat.db != host.data->db ||
	    store_.master_revision != stored->second.beat.master_revision) {
		return;
	}
	stored->second.beat.released = true;
	stored->second.beat.writable = false;
	stored->second.mod_revision = ++store_.revision;
	note(host.uid.value + " is released");
}

void Chaos::launcher_tick(ChaosHost &host) {
	release(host);
	if (!host.view.data) {
		return;
	}
	const ClusterData &data = *host.view.data;
	const Db *wanted = data.db_of(host.uid);
	if (!wanted) {
		return;
	}
	if (host.data && host.data->db == wanted->uid) {
		if (!host.running && data.epoch >= host.data->epoch) {
			start_server(host, data, *wanted);
		}
		return;
	}
	if (host.running) {
		note(host.uid.value + " is stopped, its data are replaced");
		crash(host, false);
	}
	clone_tick(host, *wanted);
}

void Chaos::start_server(ChaosHost &host, const ClusterData &data, const Db &wanted) {
	const bool named = data.master == wanted.uid;
	if (host.data->was_primary && !named) {
		return;
	}
	const auto beat = host.view.beats.find(host.uid);
	const bool released = beat != host.view.beats.end() && beat->second.beat.released &&
	                      beat->second.beat.db == wanted.uid &&
	                      beat->second.beat.epoch == data.epoch;
	if (named && released && data.resume != ResumePermit{wanted.uid, beat->second.mod_revision}) {
		return;
	}
	host.running = true;
	host.primary = host.data->was_primary;
	host.target = {};
	host.electing = false;
}

void Chaos::clone_tick(ChaosHost &host, const Db &wanted) {
	if (wanted.init == DbInit::New && !host.data) {
		Wal wal;
		wal.parts.push_back({0, 1, 1});
		wal.end = 100000;
		host.data = ChaosHost::Data{wanted.uid, wal, Epoch{}, true};
		return;
	}
	if (wanted.init != DbInit::Resync) {
		return;
	}
	if (host.clone && host.clone->db != wanted.uid) {
		host.clone.reset();
	}
	const ChaosHost *from = server_of(host.clone ? host.clone->from : wanted.follow);
	if (!from || !from->primary || from->frozen) {
		host.clone.reset();
		return;
	}
	if (!host.clone) {
		host.clone = {wanted.uid, wanted.follow, now_ + milliseconds(200 + below(2000))};
	} else if (now_ >= host.clone->done_at) {
		host.data = ChaosHost::Data{wanted.uid, from->data->wal, from->data->epoch, false};
		host.clone.reset();
	}
}

void Chaos::keeper_tick(ChaosHost &host) {
	if (host.promoted_at && now_ >= *host.promoted_at && !host.unfit) {
		host.promoted_at.reset();
		Wal &wal = host.data->wal;
		wal.end = std::max(wal.parts.back().start, wal.end - below(half_record));
		wal.parts.push_back({next_branch_++, wal.parts.back().timeline + 1, wal.end});
		host.primary = true;
		note(host.uid.value + " is promoted to " + wal.position().to_string());
		if (chance(20)) {
			doomed_ = {host.uid, now_ + chaos_tick * static_cast<int>(below(10))};
		}
	}
	if (!host.view.data) {
		return;
	}
	KeeperInputs inputs;
	inputs.uid = host.uid;
	inputs.cluster_name = "chaos";
	inputs.data = host.view.data;
	inputs.master = host.view.master;
	inputs.master_revision = host.view.master_revision;
	inputs.local.state = {"chaos", host.view.data->cluster_uid, host.uid, host.data->db,
	                      host.data->epoch};
	inputs.local.in_recovery = !host.primary;
	inputs.local.lease_won = host.lease_won && host.mandate_revision == host.view.master_revision;
	inputs.local.promoting = host.promoted_at.has_value();
	inputs.local.config_known = host.config_known;
	inputs.local.target = host.target;
	inputs.local.electing = host.electing;
	inputs.local.quiet = !host.streaming && now_ - host.configured_at >= milliseconds(40);
	inputs.local.position = host.data->wal.position();
	inputs.local.replayed = inputs.local.position.lsn;
	act(host, plan_keeper(inputs));
}

void Chaos::act(ChaosHost &host, const KeeperDecision &decision) {
	if (decision.lost) {
		host.mandate = host.lease_won = false;
		host.deadline = {};
	}
	if (decision.save_epoch) {
		host.data->epoch = *decision.save_epoch;
	}
	if (decision.act_as_master) {
		if (!host.mandate || host.mandate_revision != decision.master_revision) {
			host.lease_won = false;
			host.deadline = {};
			host.next_beat = now_;
		}
		host.mandate = true;
		host.mandate_epoch = decision.epoch;
		host.mandate_revision = decision.master_revision;
		host.valid = decision.valid;
	}
	if (decision.target && (!host.config_known || host.target != *decision.target ||
	                        host.electing != decision.electing)) {
		host.target = *decision.target;
		host.electing = decision.electing;
		host.config_known = true;
		host.configured_at = now_;
	}
	if (decision.promote) {
		host.promoted_at = now_ + milliseconds(20 + below(300));
	}
	host.vote = decision.vote;
	host.generation = decision.generation;
}

void Chaos::stream(ChaosHost &host) {
	host.streaming = false;
	if (host.primary || host.promoted_at || host.target.db.empty() || !host.config_known) {
		return;
	}
	const ChaosHost *upstream = server_of(host.target.db);
	if (!upstream || upstream->frozen || upstream == &host) {
		return;
	}
	const Wal &theirs = upstream->data->wal;
	Wal &mine = host.data->wal;
	if (!mine.would_stream_from(theirs)) {
		return;
	}
	if (!mine.is_within(theirs, half_record)) {
		fail(host.uid.value + " streams " + mine.position().to_string() + " behind " +
		     upstream->uid.value + ", which has other WAL there");
		return;
	}
	host.streaming = true;
	// Sometimes a standby is slow.
	const std::uint64_t step = chance(10) ? below(20) : 50 + below(400);
	mine = theirs.up_to(
	    std::max(std::min(mine.end, theirs.end), std::min(theirs.end, mine.end + step)));
}

// ---------------------------------------------------------------- lease worker

void Chaos::lease_tick(ChaosHost &host) {
	if (!host.mandate) {
		return;
	}
	if (host.primary && now_ < host.deadline) {
		const std::uint64_t more = below(60);
		host.data->wal.end += more;
		acknowledged_ += more;
	}
	if (now_ < host.next_beat || host.cut) {
		return;
	}
	host.next_beat = now_ + host.valid / beats_per_validity;
	Beat beat;
	beat.epoch = host.mandate_epoch;
	beat.db = host.data->db;
	beat.master_revision = host.mandate_revision;
	beat.valid = host.valid;
	beat.position = host.data->wal.position();
	beat.writable = host.primary;
	if (host.unfit) {
		beat.unfit = "the model says so";
	}
	host.on_their_way.push_back({now_, now_ + chaos_tick * static_cast<int>(below(5)), beat});
}

void Chaos::deliver(ChaosHost &host) {
	while (!host.on_their_way.empty() && host.on_their_way.front().arrives <= now_) {
		const ChaosHost::SentBeat sent = host.on_their_way.front();
		host.on_their_way.pop_front();
		if (!store_.up) {
			continue;
		}
		if (store_.master_revision != sent.beat.master_revision) {
			refuse(host, sent.beat);
			continue;
		}
		store_.beats[host.uid] = {sent.beat, ++store_.revision};
		// The answer may not reach it any more.
		if (host.up && !host.cut && host.mandate &&
		    host.mandate_revision == sent.beat.master_revision) {
			host.lease_won = true;
			host.own_revision = store_.revision;
			host.deadline =
			    std::max(host.deadline, sent.sent + sent.beat.valid * beat_own_percent / 100);
		}
	}
}

/// A lease worker that does not see its refusals, or a keeper worker that does not see the view,
/// goes on until the deadline.
void Chaos::refuse(ChaosHost &host, const Beat &beat) {
	if (!host.yields || !host.up || host.cut || host.frozen || !host.mandate ||
	    host.mandate_revision != beat.master_revision) {
		return;
	}
	host.mandate = host.lease_won = false;
	host.deadline = {};
	const int ticks = static_cast<int>(chance(20) ? below(150) : below(5));
	host.yield_on_its_way = {now_ + chaos_tick * ticks, host.own_revision};
}

void Chaos::deliver_yield(ChaosHost &host) {
	if (!host.yield_on_its_way || now_ < host.yield_on_its_way->arrives) {
		return;
	}
	const auto stored = store_.beats.find(host.uid);
	if (store_.up && stored != store_.beats.end() &&
	    stored->second.mod_revision == host.yield_on_its_way->own_revision) {
		stored->second.beat.yielded = true;
		stored->second.mod_revision = ++store_.revision;
		++yields_;
		note(host.uid.value + " has yielded");
	}
	host.yield_on_its_way.reset();
}

void Chaos::check_leases() {
	const ChaosHost *holder = nullptr;
	for (const auto &host : hosts_) {
		// A frozen one may wake up at any moment and go on.
		if (!host.up || !host.running || !host.primary || now_ >= host.deadline) {
			continue;
		}
		if (holder) {
			fail("both " + holder->uid.value + " and " + host.uid.value + " may acknowledge");
		}
		holder = &host;
	}
}

void Chaos::publish(ChaosHost &host) {
	NodeInfo node;
	node.uid = host.uid;
	node.host = "10.0.0." + host.uid.value.substr(1);
	node.port = 5432;
	if (host.data) {
		node.phase = host.running ? NodePhase::Running : NodePhase::Stopped;
		node.db = host.data->db;
		node.system_id = system_id;
	}
	store_.nodes[host.uid] = node;
	if (!host.running) {
		// The keeper worker's lease goes on for a while after the server's end.
		if (host.ended_at && now_ - *host.ended_at >= presence_ttl) {
			store_.infos.erase(host.uid);
		}
		return;
	}
	KeeperInfo info;
	info.uid = host.uid;
	info.db = host.data->db;
	info.generation = host.generation;
	info.epoch = host.data->epoch;
	info.role = host.primary ? PgRole::Primary : PgRole::Standby;
	info.writable = host.primary && host.mandate && host.lease_won;
	info.writable_epoch = info.writable ? host.mandate_epoch : Epoch{};
	info.position = host.data->wal.position();
	info.replayed = info.position.lsn;
	info.history = host.data->wal.history();
	info.streaming = host.streaming;
	info.upstream = host.streaming ? host.target.db : DbUid{};
	info.vote = host.vote;
	// Positions alone are published seldom.
	KeeperInfo stable = info;
	if (host.said) {
		stable.position.lsn = host.said->position.lsn;
		stable.replayed = host.said->replayed;
	}
	if (host.said != stable || !store_.infos.contains(host.uid) || below(50) == 0) {
		store_.infos[host.uid] = info;
		host.said = info;
	}
}

// ---------------------------------------------------------------- the end

std::string Chaos::ill() const {
	const ChaosHost *master = nullptr;
	for (const auto &host : hosts_) {
		if (host.running && host.primary && now_ < host.deadline) {
			master = &host;
		}
	}
	if (!master) {
		return "nobody acknowledges anything";
	}
	for (const auto &host : hosts_) {
		if (&host != master &&
		    (!host.running || !host.streaming || host.target.db != master->data->db)) {
			return host.uid.value + " does not stream from the master " + master->uid.value;
		}
	}
	return {};
}

}  // namespace stolon::core::testing
