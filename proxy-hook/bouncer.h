// One supervised pgbouncer: its sockets, its file and its process; a Driver brings it to the goal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/plan/proxy_plan.h"
#include "proxy-hook/hold_back.h"
#include "proxy-hook/ini.h"
#include "proxy-hook/process.h"
#include "proxy-hook/sockets.h"
#include "proxy-hook/target.h"

namespace stolon::proxy {

struct BouncerOptions {
	std::string name;     ///< for example "rw-0"; also the name of its directory
	std::string run_dir;  ///< exists, and is private to the user that all this runs as
	std::string program;  ///< absolute path of pgbouncer
	ListenAddress listen;
	PoolOptions pool;
};

class Bouncer : public Target {
public:
	Bouncer(program::Loop &loop, BouncerOptions options);

	/// Takes over a process that an earlier stolon-proxy has left behind, if there is one.
	void adopt();
	/// Opens the sockets unless an adopted process has them.
	core::Status open_sockets();

	void prepare(const std::vector<core::Backend> &backends) override;
	void set_goal(BouncerGoal goal) override;
	void reload() override { driver_.reload(); }
	void set_included(const Included &included) override;
	core::Instant step(core::Instant now) override;
	bool reached() const override;
	bool is_drained() const override { return !process_ || driver_.is_drained(); }
	/// Ends the process, also clients' connections.
	void stop() override;
	bool is_stopped() const override { return stopping_ && !process_; }

	/// One that an earlier stolon-proxy has started runs, whether or not it was taken over.
	bool is_left_running() const { return Process::find(path("lock")).has_value(); }
	bool is_running() const { return process_.has_value(); }
	bool is_adopted() const { return process_ && !process_->is_child(); }
	const std::string &socket_path() const { return socket_path_; }
	pid_t pid() const { return process_ ? process_->pid() : 0; }

private:
	void start(core::Instant now);
	void ended(core::Instant now);
	core::Instant step_off(core::Instant now);
	DriverHooks hooks();
	/// Returns the marker that stands in the file.
	core::Result<std::string> write_ini(const std::vector<core::Backend> &backends);
	std::string path(const char *file) const { return directory_ + "/" + file; }
	std::string identity() const;
	std::string last_words() const;

	program::Loop &loop_;
	BouncerOptions options_;
	std::string directory_;
	std::string socket_path_;
	std::vector<Fd> sockets_;
	std::optional<Process> process_;
	HoldBack hold_back_;
	Driver driver_;
	std::vector<core::Backend> written_;
	std::string marker_;
	bool stopping_ = false;
	core::Instant started_at_;
	core::Instant stop_at_;
	bool is_off_ = false;       ///< Off: SIGTERM was sent, or the sockets are closed
	core::Instant not_before_;  ///< back-off of starts
	int quick_deaths_ = 0;
	Complaint complaint_;
};

}  // namespace stolon::proxy
