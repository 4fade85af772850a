#include "stolonctl/rebuild.h"

#include <algorithm>
#include <tuple>

namespace stolon::ctl {

namespace {

using core::KeeperInfo;
using core::KeeperUid;
using core::NodeInfo;

/// What one keeper says of its data.
struct Candidate {
	const NodeInfo *node = nullptr;
	const KeeperInfo *info = nullptr;  ///< nullptr: its server is down
	core::Epoch epoch;
	core::WalPosition position;
	bool position_is_end = false;  ///< otherwise there may be more WAL than that
};

bool has_data(const NodeInfo &node) {
	return !node.db.empty() && !node.system_id.empty() && !node.cluster_uid.empty();
}

Candidate candidate_of(const ClusterView &view, const NodeInfo &node) {
	Candidate candidate;
	candidate.node = &node;
	candidate.epoch = node.epoch;
	candidate.position = node.position;
	candidate.position_is_end = node.position_is_end;
	const auto info = view.infos.find(node.uid);
	if (info != view.infos.end() && info->second.db == node.db) {
		candidate.info = &info->second;
		candidate.epoch = std::max(candidate.epoch, info->second.epoch);
		candidate.position = core::further(candidate.position, info->second.position);
		candidate.position_is_end = candidate.position.lsn.valid();
	}
	return candidate;
}

std::string describe(const Candidate &candidate) {
	std::string text = "epoch " + std::to_string(candidate.epoch.value);
	if (candidate.position.lsn.valid()) {
		text += ", WAL up to " + candidate.position.to_string() +
		        (candidate.position_is_end ? "" : " at least");
	}
	return text + (candidate.info ? ", its server runs" : ", its server is down");
}

bool is_same_system(const NodeInfo &a, const NodeInfo &b) {
	return a.system_id == b.system_id && a.cluster_uid == b.cluster_uid;
}

enum class Newer { No, MayBe, LaterEpoch, NotKnown };

/// Of one system: the later timeline, then the further position. A keeper honours an epoch when it
/// votes, so a later one alone proves no newer data: a standby that has voted, and has not won, may
/// lack much of what the old master acknowledged. A primary that has crashed tells its last
/// checkpoint until its launcher has read what lies behind it, and that may be more than any
/// standby has.
Newer is_newer(const Candidate &a, const Candidate &b) {
	// A later epoch that has led to a later timeline has had a master.
	if (a.epoch < b.epoch && a.position.timeline < b.position.timeline)
		return Newer::No;
	if (std::tie(a.position.timeline, a.position.lsn) >
	    std::tie(b.position.timeline, b.position.lsn))
		return b.position_is_end ? Newer::MayBe : Newer::NotKnown;
	if (a.epoch > b.epoch)
		return a.position.timeline == b.position.timeline ? Newer::LaterEpoch : Newer::MayBe;
	return a.position_is_end ? Newer::No : Newer::NotKnown;
}

/// Whether what `other` has is known to be a part of what `chosen` has. The view that has told of
/// incarnations that must not follow as they are is lost, and two timelines of the same number
/// cannot be told apart by their histories.
bool may_follow_as_it_is(const Candidate &other, const Candidate &chosen) {
	if (other.position.timeline < chosen.position.timeline)
		return other.position.lsn.valid();
	return other.epoch == chosen.epoch && is_newer(other, chosen) == Newer::No;
}

core::Db &add_member(core::ClusterData &data, const NodeInfo &node, const core::DbUid &uid) {
	core::Keeper keeper;
	keeper.uid = node.uid;
	keeper.db = uid;
	keeper.host = node.host;
	keeper.port = node.port;
	data.keepers[node.uid] = std::move(keeper);
	core::Db db;
	db.uid = uid;
	db.keeper = node.uid;
	db.generation = data.generation;
	return data.dbs[uid] = std::move(db);
}

/// Takes the first of `spare` that nobody's data have; empty: there is none.
core::DbUid take_unused(const ClusterView &view, const core::ClusterData &data,
                        std::vector<core::DbUid> &spare) {
	while (!spare.empty()) {
		const core::DbUid uid = spare.back();
		spare.pop_back();
		const bool used = data.dbs.contains(uid) ||
		                  std::any_of(view.nodes.begin(), view.nodes.end(),
		                              [&uid](const auto &entry) { return entry.second.db == uid; });
		if (!used)
			return uid;
	}
	return {};
}

/// Why `other` stands against the choice; "": it does not.
std::string objection(const Candidate &other, const Candidate &chosen, bool force) {
	if (other.info && other.info->writable) {
		return "keeper " + other.node->uid.value +
		       " says that it is a writable master of this very cluster; its store is another one "
		       "than this. Check --store-endpoints and --store-prefix";
	}
	const Newer newer = force ? Newer::No : is_newer(other, chosen);
	const std::string others = "keeper " + other.node->uid.value;
	const std::string both = " (" + describe(other) + ") than keeper " + chosen.node->uid.value +
	                         " (" + describe(chosen) + ")";
	switch (newer) {
		case Newer::No:
			return "";
		case Newer::MayBe:
			return others + " may have newer data" + both +
			       ". Name that one, or add --force to give up what only it has";
		case Newer::LaterEpoch:
			return others + " has honoured a later epoch" + both +
			       ", and has no more WAL of that timeline. If nobody was the master in that "
			       "epoch, nothing is lost: add --force";
		case Newer::NotKnown:
			return "it cannot be told whether " + others + " has newer data" + both +
			       ": where the WAL ends of a server that is down is told by its launcher once it "
			       "has been read, see its log. Try again then, or add --force to give up what "
			       "only " +
			       others + " has";
	}
	return "";
}

}  // namespace

std::string list_candidates(const ClusterView &view) {
	std::string text;
	for (const auto &[uid, node] : view.nodes) {
		if (has_data(node)) {
			text += "\n  " + uid.value + ": " + describe(candidate_of(view, node));
		}
	}
	return text.empty() ? "; no launcher that is present reports data"
	                    : "; these report data:" + text;
}

core::Duration longest_lease(const ClusterView &view, const core::ClusterSpec &spec) {
	core::Duration longest = std::max(spec.fail_interval, core::ClusterSpec().fail_interval);
	for (const auto &[uid, node] : view.nodes) {
		longest = std::max(longest, node.fail_interval);
	}
	return longest;
}

core::Result<Rebuilt> rebuild_from(const ClusterView &view, const KeeperUid &from,
                                   core::ClusterSpec spec, bool force,
                                   std::vector<core::DbUid> spare) {
	const auto found = view.nodes.find(from);
	if (found == view.nodes.end() || !has_data(found->second)) {
		return core::invalid((found == view.nodes.end()
		                          ? "the launcher of keeper " + from.value + " is not present"
		                          : "keeper " + from.value + " reports no data of a cluster") +
		                     list_candidates(view));
	}
	const Candidate chosen = candidate_of(view, found->second);
	Rebuilt rebuilt;
	core::ClusterData &data = rebuilt.data;
	data = core::initial_clusterdata(std::move(spec), chosen.node->cluster_uid);
	data.system_id = chosen.node->system_id;
	data.phase = core::ClusterPhase::Normal;
	data.epoch = chosen.epoch;
	data.master = chosen.node->db;
	data.named_at = chosen.position;
	for (const auto &[uid, info] : view.infos) {
		data.generation = std::max(data.generation, info.generation);
	}
	++data.generation;
	add_member(data, *chosen.node, chosen.node->db);
	for (const auto &[uid, node] : view.nodes) {
		if (uid == from || !has_data(node)) {
			continue;
		}
		if (!is_same_system(node, *chosen.node)) {
			rebuilt.notes.push_back("keeper " + uid.value +
			                        " holds the data of another cluster and is left out");
			continue;
		}
		const Candidate other = candidate_of(view, node);
		if (const std::string why = objection(other, chosen, force); !why.empty()) {
			return core::invalid(why);
		}
		data.epoch = std::max(data.epoch, other.epoch);
		const bool as_it_is = may_follow_as_it_is(other, chosen);
		const core::DbUid db_uid = as_it_is ? node.db : take_unused(view, data, spare);
		if (db_uid.empty())
			return core::invalid("there are not enough unused db uids");
		core::Db &db = add_member(data, node, db_uid);
		db.follow = chosen.node->db;
		db.init = as_it_is ? core::DbInit::None : core::DbInit::Resync;
		db.clone_anew = !as_it_is;
		rebuilt.notes.push_back(
		    "keeper " + uid.value + " becomes a standby (" + describe(other) + ")" +
		    (as_it_is ? ""
		              : "; it gets a copy, because what it has is not known to be a part of that, "
		                "and is kept aside"));
	}
	data.epoch = data.epoch.next();
	return rebuilt;
}

}  // namespace stolon::ctl
