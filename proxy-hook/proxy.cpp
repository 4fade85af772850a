#include "proxy-hook/proxy.h"

#include <dirent.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <set>

namespace stolon::proxy {

namespace {

using core::Instant;
using core::seconds;

/// How long the presence outlives a proxy that crashed.
constexpr auto presence_ttl = seconds(10);
constexpr auto request_timeout = seconds(1);
constexpr int standby_connect_timeout_s = 1;
/// For SIGTERM: the store gets this long to take the presence back.
constexpr auto stop_patience = seconds(3);
/// proxyTimeout must not pass because the next look at the store was planned too late.
constexpr int probes_per_timeout = 4;

store::MirrorOptions mirror_options(const core::Keys &keys) {
	store::MirrorOptions options;
	options.prefix = keys.root();
	options.request_timeout = request_timeout;
	options.probe_interval = seconds(2);
	return options;
}

std::string text_of(const std::vector<core::Backend> &backends) {
	std::string text;
	for (const core::Backend &backend : backends) {
		text += (text.empty() ? "" : ", ") + backend.host + ":" + std::to_string(backend.port);
	}
	return text;
}

}  // namespace

Proxy::Proxy(program::Loop &loop, store::Store &store, ProxyOptions options)
    : loop_(loop),
      options_(std::move(options)),
      keys_(options_.store_prefix, options_.cluster_name),
      mirror_(store, mirror_options(keys_)),
      presence_(store, presence_ttl, request_timeout),
      probe_(loop),
      store_(store),
      trial_(loop, options_.program, options_.run_dir + "/trial"),
      started_at_(store::now()),
      read_port_(options_.ro_port == 0 ? 0 : static_cast<std::size_t>(options_.ro_processes)),
      read_probes_(loop) {
	for (int i = 0; i < options_.processes; ++i) {
		main_.push_back(std::make_unique<Bouncer>(
		    loop_, BouncerOptions{"rw-" + std::to_string(i), options_.run_dir, options_.program,
		                          options_.listen, options_.pool}));
	}
	auto file = std::make_shared<AttachedFile>(options_.run_dir + "/databases.ini");
	for (const std::string &address : options_.attach) {
		attached_.push_back(std::make_unique<Attached>(loop_, address, file));
	}
	for (const auto &bouncer : main_) {
		watches_.push_back(std::make_unique<PoolWatch>(loop_, bouncer->socket_path()));
	}
	// Attempts at a standby that is dead must not hold up the clients for long (LESSONS P-3).
	PoolOptions pool = options_.pool;
	pool.server_connect_timeout_s = standby_connect_timeout_s;
	for (std::size_t i = 0; i < read_port_.size(); ++i) {
		read_only_.push_back(std::make_unique<Bouncer>(
		    loop_, BouncerOptions{"ro-" + std::to_string(i),
		                          options_.run_dir,
		                          options_.program,
		                          {options_.listen.host, options_.ro_port},
		                          pool}));
	}
}

std::vector<Bouncer *> Proxy::supervised() {
	std::vector<Bouncer *> out;
	for (auto *group : {&main_, &read_only_}) {
		for (auto &bouncer : *group) {
			out.push_back(bouncer.get());
		}
	}
	return out;
}

std::vector<Target *> Proxy::to_master() {
	std::vector<Target *> out;
	for (auto &bouncer : main_) {
		out.push_back(bouncer.get());
	}
	for (auto &attached : attached_) {
		out.push_back(attached.get());
	}
	return out;
}

std::vector<Target *> Proxy::all() {
	std::vector<Target *> out = to_master();
	for (auto &bouncer : read_only_) {
		out.push_back(bouncer.get());
	}
	return out;
}

/// pgbouncers of an earlier proxy that had more processes, or a read-only port.
core::Status Proxy::stop_surplus() {
	std::set<std::string> ours{".", ".."};
	for (std::size_t i = 0; i < main_.size(); ++i) {
		ours.insert("rw-" + std::to_string(i));
	}
	for (std::size_t i = 0; i < read_only_.size(); ++i) {
		ours.insert("ro-" + std::to_string(i));
	}
	std::unique_ptr<DIR, int (*)(DIR *)> directory(opendir(options_.run_dir.c_str()), closedir);
	if (!directory) {
		return core::invalid("cannot read the directory " + options_.run_dir);
	}
	while (const dirent *entry = readdir(directory.get())) {
		const std::string name = entry->d_name;
		if (ours.contains(name) || !(name.starts_with("rw-") || name.starts_with("ro-"))) {
			continue;
		}
		if (auto process = Process::find(options_.run_dir + "/" + name + "/lock")) {
			spdlog::info("{}: stopping pgbouncer {}, which is one too many", name, process->pid());
			process->send_signal(SIGTERM);
			process->wait_for_end(stop_patience);
		}
	}
	return {};
}

core::Status Proxy::open() {
	if (core::Status status = first_included(); !status) {
		return status;
	}
	if (core::Status status = stop_surplus(); !status) {
		return status;
	}
	bool adopted = false;
	for (Bouncer *bouncer : supervised()) {
		bouncer->adopt();
		adopted = adopted || bouncer->is_running();
	}
	if (!adopted) {
		for (int port : {options_.listen.port, options_.ro_port}) {
			if (port == 0 || (port == options_.listen.port && main_.empty())) {
				continue;
			}
			if (core::Status status = check_port_is_free({options_.listen.host, port}); !status) {
				return status;
			}
		}
	}
	for (Bouncer *bouncer : supervised()) {
		if (options_.stops_listening && !bouncer->is_running()) {
			bouncer->set_goal({BouncerMode::Off, {}, 0});
		} else if (core::Status status = bouncer->open_sockets(); !status) {
			return status;
		}
	}
	return {};
}

void Proxy::read_entries() {
	if (const store::MirrorEntry *entry = mirror_.find(keys_.clusterdata());
	    entry != nullptr && entry->value != data_text_) {
		data_text_ = entry->value;
		core::Result<core::ClusterData> data = core::parse_clusterdata(entry->value);
		if (data) {
			data_ = std::move(*data);
		} else {
			spdlog::error("the cluster view is refused, nothing changes: {}", data.error().message);
		}
	}
	infos_.clear();
	auto [begin, end] = mirror_.with_prefix(keys_.keeper_infos());
	for (auto it = begin; it != end; ++it) {
		core::Result<core::KeeperInfo> info = core::parse_keeper_info(it->second.value);
		if (info) {
			infos_[info->uid] = std::move(*info);
		} else {
			spdlog::warn("{} is ignored: {}", it->first, info.error().message);
		}
	}
	nodes_.clear();
	auto [first, last] = mirror_.with_prefix(keys_.nodes());
	for (auto it = first; it != last; ++it) {
		if (core::Result<core::NodeInfo> node = core::parse_node_info(it->second.value)) {
			nodes_[node->uid] = node->phase;
		}
	}
	read_beat();
}

void Proxy::read_beat() {
	master_released_ = false;
	master_position_ = {};
	const core::Keeper *master = data_ ? data_->master_keeper() : nullptr;
	const store::MirrorEntry *entry =
	    master != nullptr ? mirror_.find(keys_.beat(master->uid)) : nullptr;
	if (entry == nullptr) {
		return;
	}
	core::Result<core::Beat> beat = core::parse_beat(entry->value);
	if (beat && beat->db == data_->master && beat->epoch == data_->epoch) {
		master_released_ = beat->released;
		master_position_ = beat->position.lsn;
	}
}

void Proxy::note_switchover(Instant now) {
	std::string step;
	if (data_ && data_->switchover) {
		step = data_->switchover->id + " " + core::to_string(data_->switchover->phase);
	}
	if (step != switchover_step_) {
		switchover_step_ = std::move(step);
		switchover_step_seen_at_ = now;
	}
}

void Proxy::observe() {
	if (mirror_.ready() && mirror_.changes() != seen_changes_) {
		seen_changes_ = mirror_.changes();
		read_entries();
		if (data_) {
			const core::Duration probe = std::min(data_->spec.sleep_interval,
			                                      data_->spec.proxy_timeout / probes_per_timeout);
			mirror_.set_intervals(std::min<core::Duration>(request_timeout, probe),
			                      data_->spec.sleep_interval, probe);
		}
	}
	const bool lost = mirror_.ready() && !mirror_.in_contact();
	if (lost != contact_lost_) {
		contact_lost_ = lost;
		if (lost) {
			spdlog::warn("the store does not answer: {}", mirror_.problem());
		} else {
			spdlog::info("the store answers again");
		}
	}
}

core::HealthAnswer Proxy::health(core::HealthQuestion question,
                                 const core::KeeperUid &keeper) const {
	return core::answer_health(inputs(store::now()), read_state_, question, keeper);
}

core::ProxyInputs Proxy::inputs(Instant now) const {
	core::ProxyInputs inputs;
	inputs.now = now;
	inputs.data = data_;
	inputs.infos = infos_;
	inputs.master_released = master_released_;
	inputs.master_refuses = probe_.is_refused();
	inputs.view_confirmed_at = mirror_.ready() ? mirror_.fresh_at() : started_at_;
	if (data_) {
		inputs.proxy_timeout = data_->spec.proxy_timeout;
	}
	inputs.state = state_;
	inputs.switchover_step_seen_at = switchover_step_seen_at_;
	return inputs;
}

void Proxy::act(const core::ProxyDecision &decision) {
	if (decision.reason.rule != last_reason_.rule) {
		last_reason_ = decision.reason;
		spdlog::info("{}: {}", decision.reason.rule, decision.reason.text);
	}
	BouncerGoal goal;
	switch (decision.goal) {
		case core::ProxyGoal::Keep:
			return;
		case core::ProxyGoal::Queue:
			state_.paused = true;
			goal.mode = BouncerMode::Hold;
			goal.orderly = !decision.paused_for.empty();
			goal.ends_sessions = options_.ends_sessions && goal.orderly;
			break;
		case core::ProxyGoal::Close:
			state_.paused = true;
			goal.mode = decision.without_view && options_.stops_listening ? BouncerMode::Off
			                                                              : BouncerMode::Close;
			break;
		case core::ProxyGoal::Serve:
			state_ = core::ProxyState{decision.master, decision.epoch, false};
			goal = {BouncerMode::Serve, {*decision.master}, decision.epoch.value};
			spdlog::info("clients are sent to {} (epoch {})", text_of(goal.backends),
			             decision.epoch.value);
			break;
	}
	for (Target *target : to_master()) {
		target->set_goal(goal);
	}
}

void Proxy::set_read_only(const core::ProxyDecision &decision, Instant now) {
	if (decision.readers_follow) {
		core::ReadInputs in{now,
		                    &*data_,
		                    infos_,
		                    nodes_,
		                    master_position_,
		                    options_.ro_fall_back,
		                    std::move(read_state_),
		                    read_probes_.refusing()};
		core::ReadDecision readers = core::plan_readers(std::move(in));
		read_state_ = std::move(readers.state);
		read_port_.follow(readers);
		if (!read_only_.empty()) {
			read_probes_.watch(readers.standbys);
		}
	} else if (decision.goal == core::ProxyGoal::Close && decision.without_view &&
	           options_.stops_listening) {
		read_port_.stop_listening();
	} else if (decision.goal != core::ProxyGoal::Keep) {
		read_port_.leave_master(decision.goal);
	}
	for (std::size_t i = 0; i < read_only_.size(); ++i) {
		// Until it is known where to, what there is goes on.
		if (read_port_.goal(i).mode != BouncerMode::Leave) {
			read_only_[i]->set_goal(read_port_.goal(i));
		}
	}
	if (!read_only_.empty() && read_port_.summary() != read_summary_) {
		read_summary_ = read_port_.summary();
		spdlog::info("{}", read_summary_);
	}
}

Instant Proxy::step(Instant now) {
	mirror_.poll(now);
	presence_.poll(now);
	if (stopping_) {
		return step_stopping(now);
	}
	observe();
	note_switchover(now);
	Instant wake = std::min({probe_.step(now), read_probes_.step(now), step_trial(now)});
	const core::ProxyDecision decision = core::plan_proxy(inputs(now));
	act(decision);
	set_read_only(decision, now);
	// Of interest is the server to which clients were sent, as long as it is the master.
	const bool is_master = decision.master && decision.master == state_.master;
	probe_.watch(is_master ? state_.master : std::nullopt);
	wake = std::min({wake, mirror_.wake_at(), presence_.wake_at()});
	if (decision.wake_at) {
		wake = std::min(wake, *decision.wake_at);
	}
	for (Target *target : all()) {
		wake = std::min(wake, target->step(now));
	}
	const bool waits =
	    decision.goal == core::ProxyGoal::Queue || decision.goal == core::ProxyGoal::Close;
	if (waits && decision.master) {
		// After the pause, which is urgent; the file is not.
		for (Target *target : to_master()) {
			target->prepare({*decision.master});
		}
	}
	for (std::size_t i = 0; i < watches_.size(); ++i) {
		wake = std::min(wake, watches_[i]->step(now, state_.paused && main_[i]->is_running()));
	}
	return std::min(wake, publish(decision, now));
}

void Proxy::stop() {
	if (stopping_) {
		return;
	}
	stopping_ = true;
	stop_by_ = store::now() + stop_patience;
	presence_.close();
	for (Target *target : all()) {
		target->stop();
	}
	loop_.wake();
}

Instant Proxy::step_stopping(Instant now) {
	bool stopped = true;
	Instant wake = std::min(stop_by_, presence_.wake_at());
	for (Target *target : all()) {
		wake = std::min(wake, target->step(now));
		stopped = stopped && target->is_stopped();
	}
	if (stopped && (presence_.idle() || now >= stop_by_)) {
		loop_.stop(program::ExitOk);
	}
	return wake;
}

}  // namespace stolon::proxy
