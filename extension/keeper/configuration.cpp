#include "extension/keeper/configuration.h"

#include <stdexcept>

#include "core/pgconf/pgconf.h"
#include "extension/bridge/settings.h"
#include "extension/keeper/actions.h"
#include "extension/keeper/local_state.h"

namespace stolon::pg {

namespace {

// The file names the upstream's host and port. Whoever was away for two elections may find that its
// upstream's keeper is the master again, as another db, and then the file is the same.
bool follow_another_db_there(const core::FollowTarget &target, core::KeeperLocal *local) {
	if (local->target == target)
		return false;
	local->target = target;
	// What is told of the stream from now on must be about that db.
	stop_walreceiver();
	return true;
}

}  // namespace

Configuration::Configuration() : token_(highest_known_token()) {}

bool Configuration::apply(const core::ClusterSpec &spec, const core::KeeperDecision &decision,
                          core::KeeperLocal *local) {
	const core::FollowTarget &target = *decision.target;
	const auto text =
	    core::render_stolon_conf(node_settings(), parameters_.of(spec), local->state.db,
	                             {target.host, target.port, target.db}, decision.electing);
	if (!text)
		throw std::runtime_error("stolon.conf cannot be written: " + text.error().message);
	if (local->config_known && *text == text_)
		return follow_another_db_there(target, local);
	local->config_known = false;
	token_++;
	write_configuration(*text + "stolon.config_token = " + std::to_string(token_) + "\n");
	text_ = *text;
	local->config_known = true;
	local->target = target;
	local->electing = decision.electing;
	return true;
}

}  // namespace stolon::pg
