#include "core/plan/sentinel_draft.h"

#include <utility>

namespace stolon::core::sentinel {

Draft::Draft(const SentinelInputs &inputs) : data(inputs.data), fresh_(inputs.fresh_db_uids) {
	++data.generation;
}

std::optional<DbUid> Draft::take_uid() {
	while (taken_ < fresh_.size()) {
		const DbUid &uid = fresh_[taken_++];
		if (!uid.empty() && !data.dbs.contains(uid)) {
			return uid;
		}
	}
	return std::nullopt;
}

Db *Draft::replace_db(const KeeperUid &uid, DbInit init, const DbUid &follow, bool clone_anew) {
	Keeper &keeper = data.keepers.at(uid);
	const Db *before = data.find_db(keeper.db);
	const bool not_made = before && before->init == DbInit::Resync && before->clone_anew;
	// The new uid is taken before the old one is free, so that it never comes back.
	const auto fresh = take_uid();
	const DbUid old = keeper.db;
	data.dbs.erase(old);
	keeper.db = fresh.value_or(DbUid{});
	if (!fresh) {
		return nullptr;
	}
	Db db;
	db.uid = *fresh;
	db.keeper = uid;
	db.init = init;
	db.follow = follow;
	db.clone_anew = init == DbInit::Resync && (clone_anew || not_made);
	db.replaces = old;
	touch(db);
	return &data.dbs.insert_or_assign(*fresh, std::move(db)).first->second;
}

Keeper &Draft::put_keeper(const NodeInfo &node) {
	Keeper &keeper = data.keepers[node.uid];
	keeper.uid = node.uid;
	keeper.host = node.host;
	keeper.port = node.port;
	return keeper;
}

void Draft::follow_master() {
	for (auto &[uid, db] : data.dbs) {
		const DbUid wanted = uid == data.master ? DbUid{} : data.master;
		if (db.follow != wanted) {
			db.follow = wanted;
			touch(db);
		}
	}
}

SentinelDecision Draft::finish(std::string rule, std::string sentence) && {
	SentinelDecision decision;
	decision.write = true;
	decision.data = std::move(data);
	decision.reasons.push_back({std::move(rule), std::move(sentence)});
	return decision;
}

SentinelDecision wait_for(std::string rule, std::string sentence, std::optional<Instant> wake_at) {
	SentinelDecision decision;
	decision.reasons.push_back({std::move(rule), std::move(sentence)});
	decision.wake_at = wake_at;
	return decision;
}

}  // namespace stolon::core::sentinel
