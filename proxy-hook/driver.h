// Brings one pgbouncer to a goal by its admin console and keeps it there. The goal is the truth;
// what the pgbouncer has been brought to is forgotten whenever that is in doubt, and then done
// again (every command that is used can be repeated). Knows nothing about where the process comes
// from.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/plan/proxy_plan.h"
#include "proxy-hook/admin.h"
#include "proxy-hook/complaint.h"
#include "proxy-hook/cut.h"
#include "proxy-hook/pauser.h"

namespace stolon::proxy {

enum class BouncerMode {
	Leave,  ///< nothing is known yet: a process that was found goes on as it is
	Hold,   ///< clients queue; statements in flight may finish
	Serve,  ///< clients are sent to `backends`
	Close,  ///< clients queue, and all server connections are cut
	Off,    ///< there is no process, and nobody listens
};

struct BouncerGoal {
	BouncerMode mode = BouncerMode::Leave;
	std::vector<core::Backend> backends;
	/// Of the master's epoch. Server connections to other backends that date from an older term are
	/// cut; a mere change of address lets their transactions finish.
	std::uint64_t term = 0;
	/// Serve: other backends that are alive, from whose connections of older terms nothing is cut.
	std::vector<core::Backend> spared = {};
	/// Hold: the servers are well, so there is time for logins that are under way.
	bool orderly = false;
	/// Hold: sessions of session pooling end as soon as they have no transaction open, since a
	/// pause waits for them otherwise.
	bool ends_sessions = false;
	bool operator==(const BouncerGoal &) const = default;
};

/// What a pgbouncer says about itself after a RELOAD.
struct ReadBack {
	AdminAnswer config;     ///< SHOW CONFIG
	AdminAnswer databases;  ///< SHOW DATABASES
};

/// What a driver needs from the owner of the process.
struct DriverHooks {
	/// Makes the file that RELOAD reads say that clients belong there; returns its marker.
	std::function<core::Result<std::string>(const std::vector<core::Backend> &)> write_file;
	/// The file was not read although RELOAD said "ok": it will be written anew.
	std::function<void()> forget_file;
	/// What speaks against the file with this marker having been read; "": nothing.
	std::function<std::string(const ReadBack &, const std::string &marker)> misread;
	/// Cuts server connections; returns how many. Denied: this system does not let us.
	std::function<core::Result<int>(const std::vector<ServerConnection> &)> cut;
	/// Keeps what clients send from now on in the kernel (true), or lets it pass (false).
	std::function<core::Status(bool)> hold_back;
	/// The console has not answered, or the file has not been read, for long.
	std::function<void()> useless;
	/// One that has never read the file is stopped from serving all the same.
	bool pauses_unknown = true;
};

class Driver {
public:
	/// `name` is for the log.
	Driver(program::Loop &loop, std::string name, const std::string &socket_path,
	       DriverHooks hooks);

	void set_goal(BouncerGoal goal);
	const BouncerGoal &goal() const { return goal_; }
	/// Lets the process read its files again. One that holds clients back does so when it serves
	/// next.
	void reload();
	/// The process was started just now, and has read the file for the present goal, which is
	/// Serve.
	void started();
	/// The process has ended.
	void ended();
	/// Does what is due; for a process that runs. Returns when it must be called again at the
	/// latest.
	core::Instant step(core::Instant now);

	/// The goal is in force in the process.
	bool reached() const;
	bool is_connected() const { return console_.is_open(); }
	/// Of the process that the console belongs to; 0: not known.
	int peer_pid() const { return console_.peer_pid(); }
	/// In Hold: the last transaction has ended.
	bool is_drained() const { return pauser_.is_drained(); }

private:
	core::Status open_links();
	void reconcile(core::Instant now);
	void hold();
	bool is_calm(core::Instant now);
	void end_sessions(core::Instant now);
	void serve();
	void reloaded(const BouncerGoal &goal, const std::string &marker,
	              std::vector<AdminAnswer> answers);
	void served(const BouncerGoal &goal, const AdminAnswer &servers);
	void not_read(const BouncerGoal &goal, const std::string &problem);
	void resume_databases(const AdminAnswer &databases);
	void look_for_stuck(core::Instant now);
	void cut(const AdminAnswer &servers, bool only_obsolete);
	void kill_databases(const std::vector<ServerConnection> &stuck);
	void hold_back();
	void let_pass();
	void end_long_hold_back(core::Instant now);
	core::Instant drive(core::Instant now);
	void look_for_logins(core::Instant now);
	core::Instant retry_later(core::Instant now);

	program::Loop &loop_;
	std::string name_;
	DriverHooks hooks_;
	AdminLink console_;
	Pauser pauser_;

	BouncerGoal goal_;
	std::optional<BouncerGoal> applied_;
	std::optional<std::uint64_t> served_term_;  ///< of the last Serve in this process
	std::vector<core::Backend> in_force_;       ///< what the process is known to have read last
	core::Instant not_before_;                  ///< of retries
	/// The file could not be read, since then: RELOAD comes alone, and RESUME once it was read.
	std::optional<core::Instant> misread_since_;
	Complaint complaint_;
	std::optional<core::Instant> end_sessions_at_;
	/// Connections to cut are looked for until none is left; then nullopt.
	std::optional<core::Instant> stuck_since_;
	core::Instant look_again_at_;
	bool close_needed_only_ = true;
	/// Clients' requests are held back since then.
	std::optional<core::Instant> held_back_since_;
	core::Instant let_pass_at_;  ///< whatever has become of the logins
	core::Instant look_for_logins_at_;
	/// An orderly Hold waits for logins since then; that none is under way any more.
	std::optional<core::Instant> calming_since_;
	bool calm_ = false;
};

/// Whether each pool with waiting clients has a connection to a server of the present
/// configuration, and no other one is needed any more. From SHOW POOLS and SHOW SERVERS.
bool are_logged_in(const AdminAnswer &pools, const AdminAnswer &servers);
/// Whether a login at a server is under way, or will be for clients that wait. From SHOW POOLS.
bool is_unsettled(const AdminAnswer &pools);
/// A name in a statement of the console.
std::string quoted(const std::string &name);

/// The rows of SHOW SERVERS that are to be cut: all, or those that an earlier configuration made,
/// but for those to the `spared` ones (numeric addresses).
std::vector<ServerConnection> connections_to_cut(const AdminAnswer &servers, bool only_obsolete,
                                                 const std::vector<core::Backend> &spared = {});

}  // namespace stolon::proxy
