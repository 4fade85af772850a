// The keeper worker's side of SQL switchovers: puts what a session asks for into clusterdata, by
// compare-and-swap, and shows the sessions what stands there.
#pragma once

#include <optional>
#include <string>

#include "core/model/clusterdata.h"
#include "core/model/keys.h"
#include "extension/switchover/mailbox.h"
#include "store/mirror.h"

namespace stolon::pg {

/// What the keeper worker knows, as of now.
struct DeskView {
	const std::optional<core::ClusterData> *data = nullptr;
	std::int64_t revision = 0;  ///< of the clusterdata that `data` was read from
	std::string cluster_uid;    ///< of the data directory
};

class SwitchoverDesk {
public:
	SwitchoverDesk(store::Store &store, store::Mirror &mirror, core::Keys keys);

	/// Call after Store::process() and at wake_at(). Never throws: what goes wrong is the answer.
	void poll(core::Instant now, const DeskView &view);
	core::Instant wake_at() const;

private:
	enum class State {
		Idle,
		Sent,        ///< a transaction is under way
		WaitingFor,  ///< the copy to become newer than what the last attempt was made from
		Reading,     ///< after a write without an answer
	};

	void look(core::Instant now, const DeskView &view);
	void attempt(core::Instant now, const DeskView &view);
	void put(core::Instant now, const core::ClusterData &data);
	void put_answered(const core::Result<store::TxnResponse> &result);
	std::string why_nothing_newer() const;
	void conclude_read(core::Instant now, const DeskView &view);
	void answer(SwitchoverVerdict verdict, const std::string &reason);
	void show(const DeskView &view) const;

	store::Store &store_;
	store::Mirror &mirror_;
	core::Keys keys_;

	State state_ = State::Idle;
	SwitchoverOrder order_ = {};
	core::Switchover wanted_;  ///< what was to stand in clusterdata
	std::string instead_of_;   ///< id of the operation that stood there before
	int attempts_ = 0;
	std::int64_t tried_revision_ = 0;
	core::Instant since_;  ///< of the present state
	std::string problem_;  ///< why nobody answered
};

}  // namespace stolon::pg
