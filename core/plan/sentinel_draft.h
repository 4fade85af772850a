// The next view while the sentinel plan writes it: every change goes through here, so that
// generations and references between keepers and dbs stay right. Only sentinel_*.cpp use it.
#pragma once

#include <optional>
#include <string>

#include "core/plan/sentinel_plan.h"

namespace stolon::core::sentinel {

class Draft {
public:
	explicit Draft(const SentinelInputs &inputs);

	ClusterData data;  ///< the next view; its generation is already the next one

	/// Marks a db's entry as changed in this generation.
	void touch(Db &db) { db.generation = data.generation; }
	/// Gives a keeper a new incarnation and forgets the present one, if any. Without an unused uid
	/// at hand the keeper is left without a db (S-09 gives it one later); then nullptr.
	/// `clone_anew` is kept when the incarnation before had it and was not made yet.
	Db *replace_db(const KeeperUid &keeper, DbInit init, const DbUid &follow,
	               bool clone_anew = false);
	/// The keeper of this node, at the node's address.
	Keeper &put_keeper(const NodeInfo &node);
	/// Lets every db but the master follow the master.
	void follow_master();

	/// The draft as the decision.
	SentinelDecision finish(std::string rule, std::string sentence) &&;

private:
	std::optional<DbUid> take_uid();

	const std::vector<DbUid> &fresh_;
	std::size_t taken_ = 0;
};

/// Nothing is written; the sentence says what is waited for.
SentinelDecision wait_for(std::string rule, std::string sentence,
                          std::optional<Instant> wake_at = std::nullopt);

}  // namespace stolon::core::sentinel
