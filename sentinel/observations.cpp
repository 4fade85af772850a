#include "sentinel/observations.h"

#include <spdlog/spdlog.h>

#include <set>
#include <utility>

namespace stolon::sentinel {

namespace {

/// The part of a key behind its prefix, as a keeper's uid; nullopt: it is none.
std::optional<core::KeeperUid> keeper_in(const std::string &key, const std::string &prefix) {
	auto uid = core::KeeperUid::parse(std::string_view(key).substr(prefix.size()));
	return uid.ok() ? std::optional(*std::move(uid)) : std::nullopt;
}

/// An info must stand under its own name.
std::string misplaced(const core::KeeperInfo &info, const core::KeeperUid &uid) {
	return info.uid == uid ? "" : "it says that it is of keeper " + info.uid.value;
}
std::string misplaced(const core::NodeInfo &info, const core::KeeperUid &uid) {
	return info.uid == uid ? "" : "it says that it is of keeper " + info.uid.value;
}
std::string misplaced(const core::Beat &, const core::KeeperUid &) {
	return "";
}

void complain(const std::string &key, const std::string &why) {
	spdlog::error(
	    "the value of {} cannot be used and counts as absent: {}. Find out who wrote it; its owner "
	    "puts a good one after a restart, or delete the key",
	    key, why);
}

template <typename T>
std::optional<T> read_value(const std::string &key, const std::string &prefix,
                            const std::string &text, core::Result<T> (*parse)(std::string_view)) {
	const auto uid = keeper_in(key, prefix);
	if (!uid) {
		complain(key, "its name does not end with a keeper's uid");
		return std::nullopt;
	}
	auto value = parse(text);
	if (!value.ok()) {
		complain(key, value.error().message);
		return std::nullopt;
	}
	const std::string why = misplaced(*value, *uid);
	if (!why.empty()) {
		complain(key, why);
		return std::nullopt;
	}
	return *std::move(value);
}

/// The furthest position of a term of which `last` and then `next` were seen.
core::WalPosition furthest(const core::BeatObservation &last, const core::Beat &next) {
	const bool same_term = last.beat.db == next.db && last.beat.epoch == next.epoch;
	return same_term ? core::further(last.furthest, next.position) : next.position;
}

/// Brings `values` to what the mirror holds under `prefix`.
template <typename T>
void update_values(const store::Mirror &mirror, const std::string &prefix, ParsedValues<T> &values,
                   core::Result<T> (*parse)(std::string_view)) {
	std::map<std::string, typename ParsedValues<T>::Value> next;
	const auto [begin, end] = mirror.with_prefix(prefix);
	for (auto it = begin; it != end; ++it) {
		const auto &[key, entry] = *it;
		const auto known = values.by_key.find(key);
		if (known != values.by_key.end() && store::is_same(known->second.entry, entry)) {
			next.emplace(key, std::move(known->second));
			continue;
		}
		next.emplace(key, typename ParsedValues<T>::Value{
		                      entry, read_value(key, prefix, entry.value, parse)});
	}
	values.by_key = std::move(next);
}

}  // namespace

Observations::Observations(const store::Mirror &mirror, core::Keys keys)
    : mirror_(mirror), keys_(std::move(keys)) {}

void Observations::update() {
	if (!mirror_.ready() || (!first_ && mirror_.changes() == changes_)) {
		return;
	}
	first_ = false;
	changes_ = mirror_.changes();
	update_clusterdata();
	update_values(mirror_, keys_.keeper_infos(), infos_, core::parse_keeper_info);
	update_values(mirror_, keys_.nodes(), nodes_, core::parse_node_info);
	update_values(mirror_, keys_.beats(), beats_, core::parse_beat);
	update_beats();
	update_progress();
	update_running();
	update_proxies();
}

void Observations::update_clusterdata() {
	const store::MirrorEntry *master = mirror_.find(keys_.master());
	master_revision_ = master ? master->mod_revision : 0;
	master_seen_at_ = master ? master->seen_at : core::Instant{};

	const store::MirrorEntry *entry = mirror_.find(keys_.clusterdata());
	if (!entry) {
		clusterdata_.reset();
		clusterdata_entry_.reset();
		damaged_ = false;
		return;
	}
	if (clusterdata_entry_ && store::is_same(*clusterdata_entry_, *entry)) {
		return;
	}
	clusterdata_entry_ = *entry;
	auto parsed = core::parse_clusterdata(entry->value);
	damaged_ = !parsed.ok();
	if (damaged_) {
		clusterdata_.reset();
		spdlog::error(
		    "{} cannot be used, so nothing is decided until it is put right: {}. Put a good value "
		    "back (etcd keeps older revisions of it until they are compacted)",
		    keys_.clusterdata(), parsed.error().message);
		return;
	}
	clusterdata_ = *std::move(parsed);
	update_election(entry->seen_at);
	if (clusterdata_->resume != resume_) {
		resume_ = clusterdata_->resume;
		resume_seen_at_ = entry->seen_at;
	}
	update_switchover(entry->seen_at);
}

void Observations::update_election(core::Instant seen_at) {
	const auto &present = clusterdata_->election;
	if (present && (!election_ || election_->epoch != present->epoch ||
	                election_->voters != present->voters)) {
		election_asked_at_ = seen_at;
	}
	election_ = present;
}

void Observations::update_switchover(core::Instant seen_at) {
	const auto &switchover = clusterdata_->switchover;
	if (!switchover) {
		switchover_.clear();
		return;
	}
	const bool is_new = switchover->id != switchover_;
	// One that was scheduled begins when its time has come.
	const bool begins = switchover->at && switchover->is_running() &&
	                    switchover_step_ == core::SwitchoverPhase::Requested;
	if (is_new || begins) {
		switchover_seen_at_ = seen_at;
	}
	if (is_new || switchover->phase != switchover_step_) {
		switchover_step_seen_at_ = seen_at;
	}
	switchover_ = switchover->id;
	switchover_step_ = switchover->phase;
}

/// One that cannot be read counts as absent: proxies are for comfort.
void Observations::update_proxies() {
	proxies_.clear();
	const auto [begin, end] = mirror_.with_prefix(keys_.proxy_infos());
	for (auto it = begin; it != end; ++it) {
		if (auto info = core::parse_proxy_info(it->second.value)) {
			proxies_.emplace(it->first, *std::move(info));
		}
	}
}

/// What becomes of a host whose launcher and keeper are both away is not known.
void Observations::update_progress() {
	std::erase_if(progress_, [this](const auto &pair) {
		return !mirror_.find(keys_.keeper_info(pair.first)) &&
		       !mirror_.find(keys_.node(pair.first));
	});
	std::map<core::KeeperUid, core::DbUid> fresh;
	for (const auto &[key, value] : nodes_.by_key) {
		const core::Keeper *keeper =
		    value.parsed && clusterdata_ ? clusterdata_->find_keeper(value.parsed->uid) : nullptr;
		if (keeper && keeper->db == value.parsed->db) {
			fresh[keeper->uid] = keeper->db;
		}
	}
	std::set<core::KeeperUid> told;
	for (const auto &[key, value] : infos_.by_key) {
		const store::MirrorEntry *entry = mirror_.find(key);
		if (!value.parsed || !entry) {
			continue;
		}
		// The last word of what the launcher has replaced stays for a while.
		const auto it = fresh.find(value.parsed->uid);
		if (it == fresh.end() || it->second == value.parsed->db) {
			progress_[value.parsed->uid].note(*value.parsed,
			                                  clusterdata_ ? clusterdata_->master : core::DbUid(),
			                                  entry->seen_at, mirror_.fresh_at());
			told.insert(value.parsed->uid);
		}
	}
	for (const auto &[key, value] : nodes_.by_key) {
		if (value.parsed && !told.contains(value.parsed->uid)) {
			progress_[value.parsed->uid].note_absence(value.parsed->db, mirror_.fresh_at());
		}
	}
}

void Observations::update_running() {
	std::erase_if(running_, [this](const auto &pair) {
		return !mirror_.find(keys_.keeper_info(pair.first));
	});
	for (const auto &[key, value] : infos_.by_key) {
		const store::MirrorEntry *entry = mirror_.find(key);
		if (!value.parsed || !entry) {
			continue;
		}
		Running &running = running_[value.parsed->uid];
		if (running.since == core::Instant{} || running.instance != value.parsed->instance) {
			running = {value.parsed->instance, entry->seen_at};
		}
	}
}

void Observations::update_beats() {
	for (const auto &[key, value] : beats_.by_key) {
		const auto uid = keeper_in(key, keys_.beats());
		const store::MirrorEntry *entry = mirror_.find(key);
		if (uid && entry && value.parsed) {
			core::BeatObservation seen{*value.parsed, entry->mod_revision, entry->seen_at, {}, {}};
			seen.beaten_at =
			    seen.beat.released ? last_beats_[*uid].beaten_at : core::Instant{entry->seen_at};
			seen.furthest = furthest(last_beats_[*uid], seen.beat);
			last_beats_[*uid] = std::move(seen);
		}
	}
}

/// What stands in the store now is what a transaction is compared with. What the master may still
/// rely on is another matter: a beat that was deleted goes on until its own end, and one that
/// cannot be read may be a good one of a newer version, valid for as long as a beat can be.
void Observations::add_beats(core::SentinelInputs &inputs) const {
	for (const auto &[uid, last] : last_beats_) {
		core::BeatObservation &seen = inputs.beats.emplace(uid, last).first->second;
		if (!mirror_.find(keys_.beat(uid))) {
			seen.mod_revision = 0;
		}
	}
	for (const auto &[key, value] : beats_.by_key) {
		const auto uid = keeper_in(key, keys_.beats());
		const store::MirrorEntry *entry = mirror_.find(key);
		if (value.parsed || !uid || !entry) {
			continue;
		}
		core::BeatObservation &seen = inputs.beats[*uid];
		if (seen.beat.db != inputs.data.master || seen.beat.epoch != inputs.data.epoch) {
			seen.beat.position = seen.furthest = {};
		}
		seen.beat.db = inputs.data.master;
		seen.beat.epoch = inputs.data.epoch;
		seen.beat.master_revision = inputs.master_revision;
		seen.beat.valid = core::SpecLimits::max_fail_interval;
		seen.beat.writable = false;
		seen.beat.released = false;
		seen.beat.yielded = false;
		seen.beat.unfit.clear();
		seen.mod_revision = entry->mod_revision;
		seen.seen_at = entry->seen_at;
	}
}

core::SentinelInputs Observations::inputs(core::Instant now) const {
	core::SentinelInputs inputs;
	inputs.now = now;
	inputs.contact_since = mirror_.contact_since();
	inputs.data = *clusterdata_;
	inputs.data_seen_at = clusterdata_entry_->seen_at;
	inputs.election_asked_at = election_asked_at_;
	inputs.master_revision = master_revision_;
	inputs.master_seen_at = master_seen_at_;
	inputs.resume_seen_at = resume_seen_at_;
	add_beats(inputs);
	for (const auto &[uid, running] : running_) {
		inputs.running_since.emplace(uid, running.since);
	}
	inputs.switchover_seen_at = switchover_seen_at_;
	inputs.switchover_step_seen_at = switchover_step_seen_at_;
	for (const auto &[key, info] : proxies_) {
		inputs.proxies.emplace(info.uid, info);
	}
	for (const auto &[key, value] : infos_.by_key) {
		if (value.parsed) {
			inputs.infos.emplace(value.parsed->uid, *value.parsed);
		}
	}
	for (const auto &[uid, progress] : progress_) {
		if (!progress.is_well()) {
			inputs.standstill_since.emplace(uid, progress.got_on_at());
		}
	}
	for (const auto &[key, value] : nodes_.by_key) {
		if (value.parsed) {
			inputs.nodes.emplace(value.parsed->uid, *value.parsed);
		}
	}
	return inputs;
}

std::string Observations::trace_of_a_cluster() const {
	for (const auto &[key, value] : nodes_.by_key) {
		if (!value.parsed) {
			return key + " cannot be read";
		}
		if (!value.parsed->db.empty() || !value.parsed->system_id.empty()) {
			return "keeper " + value.parsed->uid.value + " has data (db " + value.parsed->db.value +
			       ", system identifier " + value.parsed->system_id + ")";
		}
	}
	if (mirror_.find(keys_.master())) {
		return keys_.master() + " exists";
	}
	for (const auto &prefix : {keys_.beats(), keys_.keeper_infos(), keys_.histories()}) {
		const auto [begin, end] = mirror_.with_prefix(prefix);
		if (begin != end) {
			return begin->first + " exists";
		}
	}
	return {};
}

}  // namespace stolon::sentinel
