// How this standby gets on with its upstream's WAL: core/plan/stream_health with the server's own
// state filled in.
#pragma once

#include <string>

#include "core/plan/keeper_plan.h"
#include "core/plan/stream_health.h"

namespace stolon::pg {

class Stream {
public:
	/// `local` tells positions and the upstream; stood_still and since_repoint are filled in.
	/// `published` is what the upstream has told in the store.
	void look(core::Instant now, const core::ClusterSpec &spec, core::WalPosition published,
	          core::KeeperLocal *local);
	/// The stream is being begun anew.
	void repointed(core::Instant now) { repointed_at_ = now; }

	bool is_streaming() const { return health_.streaming; }
	/// Fills in streaming, upstream, and what is wrong.
	void tell(const core::KeeperLocal &local, core::KeeperInfo *info) const;

private:
	void note_trouble();

	core::StreamWatch watch_;
	core::StreamHealth health_;
	core::FollowTarget target_;
	std::uint64_t complaints_from_ns_ = 0;  ///< older ones are about something else
	core::Instant repointed_at_;
	std::string trouble_since_;
};

}  // namespace stolon::pg
