// The program's loop body: observes the cluster view, plans, and gives the pgbouncers their goals.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/model/keys.h"
#include "core/plan/node_health.h"
#include "core/plan/proxy_plan.h"
#include "core/plan/read_plan.h"
#include "proxy-hook/attached.h"
#include "proxy-hook/bouncer.h"
#include "proxy-hook/pool_watch.h"
#include "proxy-hook/probe.h"
#include "proxy-hook/read_port.h"
#include "proxy-hook/read_probes.h"
#include "proxy-hook/trial.h"
#include "store/mirror.h"
#include "store/presence.h"

namespace stolon::proxy {

struct ProxyOptions {
	core::ProxyUid uid;
	std::string cluster_name;
	std::string store_prefix;
	std::string run_dir;
	std::string program;  ///< absolute path of pgbouncer
	ListenAddress listen;
	int ro_port = 0;                  ///< 0: none
	int processes = 2;                ///< 0: only attached ones
	std::vector<std::string> attach;  ///< consoles of pgbouncers that others start, DIRECTORY:PORT
	int ro_processes = 2;
	bool ro_fall_back = true;  ///< readers go to the master when no standby is fit
	PoolOptions pool;
	/// At a switchover sessions (session pooling) are ended when they have no transaction open;
	/// otherwise the switchover waits for them.
	bool ends_sessions = true;
	/// Without a view nobody listens, so that whoever balances over several proxies notices.
	bool stops_listening = false;
};

class Proxy {
public:
	Proxy(program::Loop &loop, store::Store &store, ProxyOptions options);

	/// Takes over what an earlier proxy left behind, and opens the ports: from now on clients wait
	/// instead of being refused.
	core::Status open();
	/// Does what is due; returns when it must be called again at the latest.
	core::Instant step(core::Instant now);
	/// Lets the pgbouncers read users and certificates again, and the operator's settings if all of
	/// them are right.
	void reload();
	/// For external balancers: is this keeper's server what is asked for?
	core::HealthAnswer health(core::HealthQuestion question, const core::KeeperUid &keeper) const;
	/// Stops the pgbouncers and withdraws the presence; then the loop is stopped with exit code 0.
	void stop();

private:
	void observe();
	void read_entries();
	void read_beat();
	void act(const core::ProxyDecision &decision);
	void set_read_only(const core::ProxyDecision &decision, core::Instant now);
	core::Instant publish(const core::ProxyDecision &decision, core::Instant now);
	void tell_state(core::ProxyInfo &info, const core::ProxyDecision &decision);
	void tell_condition(core::ProxyInfo &info) const;
	void note_switchover(core::Instant now);
	core::ProxyInputs inputs(core::Instant now) const;
	core::Instant step_stopping(core::Instant now);
	core::Status stop_surplus();
	core::Status first_included();
	core::Status try_included(store::Store &store);
	core::Instant step_trial(core::Instant now);
	void accept_included();
	std::vector<Bouncer *> supervised();
	std::vector<Target *> to_master();  ///< supervised and attached ones
	std::vector<Target *> all();

	program::Loop &loop_;
	ProxyOptions options_;
	core::Keys keys_;
	store::Mirror mirror_;
	store::Presence presence_;
	Probe probe_;
	store::Store &store_;
	Trial trial_;
	bool is_trying_ = false;
	Included tried_;
	std::vector<std::unique_ptr<Bouncer>> main_;
	std::vector<std::unique_ptr<Attached>> attached_;
	std::vector<std::unique_ptr<Bouncer>> read_only_;
	std::vector<std::unique_ptr<PoolWatch>> watches_;  ///< of main_
	core::ProxyInfo published_;
	core::Instant published_at_;

	std::uint64_t seen_changes_ = 0;
	std::string data_text_;
	std::optional<core::ClusterData> data_;
	std::map<core::KeeperUid, core::KeeperInfo> infos_;
	std::map<core::KeeperUid, core::NodePhase> nodes_;
	core::Lsn master_position_;
	bool master_released_ = false;
	core::Instant started_at_;
	core::ProxyState state_;
	/// Id and step of the view's switchover, and when they were first seen.
	std::string switchover_step_;
	core::Instant switchover_step_seen_at_;
	core::Reason last_reason_;
	core::ReadState read_state_;
	ReadPort read_port_;
	ReadProbes read_probes_;
	std::string read_summary_;
	bool contact_lost_ = false;
	bool stopping_ = false;
	core::Instant stop_by_;
};

}  // namespace stolon::proxy
