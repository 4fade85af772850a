// One supervised pgbouncer: brings the process to a goal and keeps it there. The goal is the truth;
// what the process has been brought to is forgotten whenever that is in doubt, and then done again
// (every command that is used can be repeated).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/plan/proxy_plan.h"
#include "proxy-hook/admin.h"
#include "proxy-hook/cut.h"
#include "proxy-hook/ini.h"
#include "proxy-hook/process.h"
#include "proxy-hook/sockets.h"

namespace stolon::proxy {

struct BouncerOptions {
	std::string name;     ///< for example "rw-0"; also the name of its directory
	std::string run_dir;  ///< exists, and is private to the user that all this runs as
	std::string program;  ///< absolute path of pgbouncer
	ListenAddress listen;
	PoolOptions pool;
};

enum class BouncerMode {
	Leave,  ///< nothing is known yet: a process that was found goes on as it is
	Hold,   ///< clients queue; statements in flight may finish
	Serve,  ///< clients are sent to `backends`
	Close,  ///< clients queue, and all server connections are cut
};

struct BouncerGoal {
	BouncerMode mode = BouncerMode::Leave;
	std::vector<core::Backend> backends;
	/// Of the master's epoch. Server connections to other backends that date from an older term are
	/// cut; a mere change of address lets their transactions finish.
	std::uint64_t term = 0;
	bool operator==(const BouncerGoal &) const = default;
};

class Bouncer {
public:
	Bouncer(program::Loop &loop, BouncerOptions options);

	/// Takes over a process that an earlier stolon-proxy has left behind, if there is one.
	void adopt();
	/// Opens the sockets unless an adopted process has them.
	core::Status open_sockets();

	/// Writes the file ahead of a goal that will soon be set, which saves the disk's time then.
	void prepare(const std::vector<core::Backend> &backends);
	void set_goal(BouncerGoal goal);
	/// Lets the process read its configuration and the users again. One that holds clients back
	/// does so when it serves next.
	void reload();
	/// Does what is due; returns when it must be called again at the latest.
	core::Instant step(core::Instant now);

	/// The goal is in force. (Clients queue in Hold also when there is no process: in the kernel.)
	bool reached() const;
	/// In Hold: the last transaction has ended.
	bool is_drained() const { return !process_ || !pause_unanswered_; }
	bool is_running() const { return process_.has_value(); }
	bool is_adopted() const { return process_ && !process_->is_child(); }
	pid_t pid() const { return process_ ? process_->pid() : 0; }

	/// Ends the process, also clients' connections; step() until is_stopped().
	void stop();
	bool is_stopped() const { return stopping_ && !process_; }

private:
	void start(core::Instant now);
	void ended(core::Instant now);
	void open_links(core::Instant now);
	void reconcile(core::Instant now);
	void hold();
	void serve();
	void served(const BouncerGoal &goal, const std::vector<AdminAnswer> &answers);
	void check_file();
	void look_for_stuck(core::Instant now);
	void cut(const AdminAnswer &servers, bool only_obsolete);
	void kill_databases(const std::vector<ServerConnection> &stuck);
	void check_hung(core::Instant now);
	void retry_later(core::Instant now);
	core::Status write_ini(const std::vector<core::Backend> &backends);
	std::string path(const char *file) const { return directory_ + "/" + file; }
	std::string identity() const;
	std::string last_words() const;

	program::Loop &loop_;
	BouncerOptions options_;
	std::string directory_;
	std::string socket_path_;
	std::vector<Fd> sockets_;
	std::optional<Process> process_;
	AdminLink console_;
	/// PAUSE is answered when the last transaction ends, which a stuck statement delays for ever
	/// (LESSONS P-4): it gets a connection of its own. Its effect is immediate.
	AdminLink pause_console_;
	bool pause_unanswered_ = false;

	BouncerGoal goal_;
	std::optional<BouncerGoal> applied_;
	std::optional<std::uint64_t> served_term_;  ///< of the last Serve in this process
	std::vector<core::Backend> written_;
	std::string marker_;
	bool stopping_ = false;
	core::Instant started_at_;
	core::Instant stop_at_;
	core::Instant not_before_;  ///< back-off of starts and retries
	int quick_deaths_ = 0;
	/// Connections to cut are looked for until none is left; then nullopt.
	std::optional<core::Instant> stuck_since_;
	core::Instant look_again_at_;
	bool close_needed_only_ = true;
};

/// The rows of SHOW SERVERS that are to be cut: all, or those that an earlier configuration made.
std::vector<ServerConnection> connections_to_cut(const AdminAnswer &servers, bool only_obsolete);

}  // namespace stolon::proxy
