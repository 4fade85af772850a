// `stolonctl removekeeper`
#include <cstdio>

#include "stolonctl/commands.h"
#include "stolonctl/connection.h"
#include "store/program/blocking.h"

namespace stolon::ctl {

namespace {

using core::ClusterData;
using core::KeeperUid;

/// Why this keeper must not be forgotten now; "": it may.
std::string reason_to_keep(const ClusterView &view, const KeeperUid &uid) {
	const ClusterData &data = *view.data;
	const core::Keeper *keeper = data.find_keeper(uid);
	const std::string name = "keeper " + uid.value;
	if (keeper == nullptr) {
		return "there is no " + name + "; `stolonctl status` lists the keepers";
	}
	if (!keeper->db.empty() && keeper->db == data.master) {
		return name + " is the master; make another one the master first (stolonctl switchover)";
	}
	if (data.election) {
		return "an election is open, in which " + name +
		       " may be needed; try again when it is over";
	}
	if (data.switchover && data.switchover->is_running()) {
		return "a switchover is under way; try again when it is over";
	}
	if (view.nodes.contains(uid) || view.infos.contains(uid)) {
		return name + " is present; stop its launcher first, and its Postgres with it";
	}
	return "";
}

ClusterData without(ClusterData data, const KeeperUid &uid) {
	std::erase_if(data.dbs, [&](const auto &pair) { return pair.second.keeper == uid; });
	data.keepers.erase(uid);
	++data.generation;
	return data;
}

/// Only while nothing has changed, and nothing of the keeper has come.
store::TxnRequest removal(const core::Keys &keys, const ClusterView &view, const KeeperUid &uid,
                          std::int64_t revision) {
	using Field = store::Compare::Field;
	store::TxnRequest request;
	request.compares = {{Field::ModRevision, keys.clusterdata(), revision},
	                    {Field::CreateRevision, keys.node(uid), 0},
	                    {Field::CreateRevision, keys.keeper_info(uid), 0}};
	request.then_ops = {
	    store::Op::put(keys.clusterdata(), core::clusterdata_to_text(without(*view.data, uid))),
	    store::Op::erase(keys.beat(uid))};
	return request;
}

}  // namespace

int run_removekeeper(const program::CommonOptions &common, const std::string &keeper) {
	const auto uid = KeeperUid::parse(keeper);
	if (!uid) {
		return fail(program::ExitUsage, uid.error().message).exit_code;
	}
	auto connected = connect(common);
	if (Failure *failure = std::get_if<Failure>(&connected)) {
		return failure->exit_code;
	}
	store::Store &store = *std::get<std::unique_ptr<store::Store>>(connected);
	auto loaded = load_for_change(store, common);
	if (Failure *failure = std::get_if<Failure>(&loaded)) {
		return failure->exit_code;
	}
	const auto &[read, view] = std::get<ChangeBase>(loaded);
	if (const std::string refusal = reason_to_keep(view, *uid); !refusal.empty()) {
		return fail(program::ExitFailed, refusal).exit_code;
	}
	auto response = program::txn_and_wait(
	    store, removal(keys_of(common), view, *uid, read.mod_revision), store_timeout);
	if (!response) {
		return fail(common, response.error()).exit_code;
	}
	if (!response->succeeded) {
		return fail(program::ExitFailed, "the cluster changed at the same time; try again")
		    .exit_code;
	}
	std::printf("keeper %s is removed; its data directory, wherever it is, is left as it is\n",
	            uid->value.c_str());
	return program::ExitOk;
}

}  // namespace stolon::ctl
