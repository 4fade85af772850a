#include "core/plan/node_health.h"

namespace stolon::core {

namespace {

HealthAnswer yes(std::string text) {
	return {200, std::move(text)};
}

HealthAnswer no(std::string text) {
	return {503, std::move(text)};
}

const KeeperInfo *info_of(const ProxyInputs &inputs, const Keeper &keeper) {
	const auto found = inputs.infos.find(keeper.uid);
	return found != inputs.infos.end() && found->second.db == keeper.db ? &found->second : nullptr;
}

HealthAnswer about_primary(const ProxyInputs &inputs, const Keeper &keeper) {
	const ClusterData &data = *inputs.data;
	if (data.election || data.master.empty())
		return no("there is no master");
	if (data.master != keeper.db)
		return no("another one is the master");
	if (inputs.master_released || inputs.master_refuses)
		return no("it is the master, and does not run");
	const std::string epoch = std::to_string(data.epoch.value);
	const KeeperInfo *info = info_of(inputs, keeper);
	if (info && info->writable && info->writable_epoch == data.epoch)
		return yes("master of epoch " + epoch);
	// A keeper that is not heard for a moment changes nothing for those who are there already.
	if (!info && inputs.state.master && !inputs.state.paused && inputs.state.epoch == data.epoch)
		return yes("master of epoch " + epoch + ", as last heard");
	return no("it is the master, and is not writable yet");
}

HealthAnswer about_replica(const ProxyInputs &inputs, const ReadState &readers,
                           const Keeper &keeper) {
	const KeeperInfo *info = info_of(inputs, keeper);
	if (!info)
		return no("its keeper does not report");
	if (info->role != PgRole::Standby)
		return no("it is not a standby");
	const auto seen = readers.standbys.find(keeper.uid);
	if (seen == readers.standbys.end() || seen->second.db != keeper.db)
		return no("a standby that is not up");
	if (!seen->second.fit)
		return no(seen->second.lagging ? "a standby that lags too much"
		                               : "a standby that does not stream from the master");
	return yes("standby");
}

}  // namespace

HealthAnswer answer_health(const ProxyInputs &inputs, const ReadState &readers,
                           HealthQuestion question, const KeeperUid &uid) {
	if (!inputs.data || inputs.now - inputs.view_confirmed_at >= inputs.proxy_timeout)
		return no("the view of the cluster is not known, or too old");
	const Keeper *keeper = inputs.data->find_keeper(uid);
	if (!keeper)
		return {404, "there is no keeper \"" + uid.value + "\" in this cluster"};
	if (question == HealthQuestion::Replica)
		return about_replica(inputs, readers, *keeper);
	HealthAnswer answer = about_primary(inputs, *keeper);
	if (question == HealthQuestion::Health && answer.status != 200 &&
	    inputs.data->master != keeper->db)
		answer = about_replica(inputs, readers, *keeper);
	return answer;
}

}  // namespace stolon::core
