// The part of Driver that gets rid of server connections which are no longer to be used.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "proxy-hook/driver.h"
#include "store/files.h"

namespace stolon::proxy {

namespace {

using core::Instant;
using core::milliseconds;
using core::seconds;

/// After a cut it is looked whether it worked; KILL, the last resort, comes after this long.
constexpr auto look_interval = milliseconds(50);
constexpr auto kill_after = seconds(3);
/// The next look, should the answer to this one never come.
constexpr auto answer_patience = seconds(10);

}  // namespace

std::vector<ServerConnection> connections_to_cut(const AdminAnswer &servers, bool only_obsolete,
                                                 const std::vector<core::Backend> &spared) {
	std::vector<ServerConnection> out;
	for (std::size_t row = 0; row < servers.rows.size(); ++row) {
		if (only_obsolete && servers.cell(row, "close_needed") != "1") {
			continue;
		}
		const core::Backend to{servers.cell(row, "addr"),
		                       std::atoi(servers.cell(row, "port").c_str())};
		if (only_obsolete && std::find(spared.begin(), spared.end(), to) != spared.end()) {
			continue;
		}
		out.push_back(ServerConnection{servers.cell(row, "database"), to.host, to.port,
		                               std::atoi(servers.cell(row, "local_port").c_str())});
	}
	return out;
}

void Driver::look_for_stuck(Instant now) {
	if (!stuck_since_ || now < look_again_at_ || !console_.is_idle()) {
		return;
	}
	look_again_at_ = now + answer_patience;
	console_.send({"SHOW SERVERS"}, [this](core::Result<std::vector<AdminAnswer>> answers) {
		if (answers && stuck_since_) {
			cut(answers->front(), close_needed_only_);
		}
	});
}

void Driver::cut(const AdminAnswer &servers, bool only_obsolete) {
	const std::vector<ServerConnection> stuck =
	    connections_to_cut(servers, only_obsolete, goal_.spared);
	if (stuck.empty()) {
		stuck_since_.reset();
		return;
	}
	const Instant now = store::now();
	look_again_at_ = now + look_interval;
	core::Result<int> cut = hooks_.cut(stuck);
	if (cut && *cut > 0) {
		spdlog::info("{}: cut {} connections to a server that is no longer to be used", name_,
		             *cut);
	} else if (now - *stuck_since_ > kill_after) {
		spdlog::warn("{}: {} connections could not be cut{}{}", name_, stuck.size(),
		             cut ? "" : ": ", cut ? "" : cut.error().message);
		kill_databases(stuck);
	}
}

/// Drops every client of the databases that the connections belong to, and leaves the databases
/// paused, which is undone at once.
void Driver::kill_databases(const std::vector<ServerConnection> &stuck) {
	std::set<std::string> databases;
	for (const ServerConnection &one : stuck) {
		databases.insert(one.database);
	}
	std::vector<std::string> statements;
	// KILL is refused while everything is paused; a single write leaves nobody time to enter.
	const bool paused = goal_.mode == BouncerMode::Close;
	if (paused) {
		statements.push_back("RESUME");
	}
	for (const std::string &database : databases) {
		statements.push_back("KILL " + quoted(database));
		statements.push_back("RESUME " + quoted(database));
	}
	if (paused) {
		statements.push_back("PAUSE");
	}
	spdlog::warn("{}: killing the clients of {} databases", name_, databases.size());
	console_.send(std::move(statements), [](core::Result<std::vector<AdminAnswer>>) {});
	stuck_since_ = store::now();
}

}  // namespace stolon::proxy
