#include "proxy-hook/attached.h"

#include <spdlog/spdlog.h>

#include <cstdlib>

#include "proxy-hook/ini.h"
#include "store/files.h"
#include "store/program/pidfd.h"

namespace stolon::proxy {

namespace {

using core::Instant;

/// Nobody connects to it: the name of its database is the marker.
constexpr std::string_view marker_database = "stolon-proxy-marker";

std::string hosts_of(const std::vector<core::Backend> &backends) {
	std::string hosts;
	for (const core::Backend &backend : backends) {
		hosts += (hosts.empty() ? "" : ",") + backend.host;
	}
	return hosts;
}

std::string value_of(const AdminAnswer &config, std::string_view key) {
	for (std::size_t row = 0; row < config.rows.size(); ++row) {
		if (config.cell(row, "key") == key) {
			return config.cell(row, "value");
		}
	}
	return {};
}

}  // namespace

core::Result<std::string> AttachedFile::write(const std::vector<core::Backend> &backends) {
	if (backends == written_ && !marker_.empty()) {
		return marker_;
	}
	core::Result<std::string> databases = render_databases(included_, backends);
	if (!databases) {
		return databases.error();
	}
	const std::string marker = "stolon." + std::to_string(store::now().since_boot.count());
	const std::string text = "; Written by stolon-proxy. Changes are overwritten.\n" + *databases +
	                         std::string(marker_database) + " = host=" + hosts_of(backends) +
	                         " port=" + std::to_string(backends.front().port) +
	                         " dbname=" + marker + "\n";
	if (core::Status status = store::write_file_atomically(path_, text, 0600); !status) {
		return status.error();
	}
	written_ = backends;
	marker_ = marker;
	text_ = text;
	return marker_;
}

void AttachedFile::set_included(const Included &included) {
	included_ = included;
	marker_.clear();
}

void AttachedFile::check() {
	core::Result<std::string> text = store::read_small_file(path_, text_.size() + 1);
	if (!text || *text != text_) {
		marker_.clear();
	}
}

core::Result<std::string> console_path(const std::string &address) {
	const std::size_t colon = address.rfind(':');
	char *end = nullptr;
	const long port =
	    colon == std::string::npos ? 0 : std::strtol(address.c_str() + colon + 1, &end, 10);
	if (!address.starts_with('/') || port < 1 || port > 65535 || *end != '\0') {
		return core::invalid(
		    "--attach needs DIRECTORY:PORT of a pgbouncer (its unix_socket_dir and "
		    "listen_port), not \"" +
		    address + "\"");
	}
	return address.substr(0, colon) + "/.s.PGSQL." + std::to_string(port);
}

std::string misread_databases(const AdminAnswer &databases, const AttachedFile &file,
                              const std::string &marker) {
	const std::string port = std::to_string(file.backends().front().port);
	bool is_read = false;
	for (std::size_t row = 0; row < databases.rows.size(); ++row) {
		is_read = is_read || (databases.cell(row, "name") == marker_database &&
		                      databases.cell(row, "database") == marker);
	}
	if (!is_read) {
		return "it has not read " + file.path() + ": its configuration needs the line \"%include " +
		       file.path() + "\" where a section begins, and no error (see its log)";
	}
	for (const IncludedLine &line : file.included().databases) {
		for (std::size_t row = 0; row < databases.rows.size(); ++row) {
			if (databases.cell(row, "name") == line.name &&
			    (databases.cell(row, "host") != hosts_of(file.backends()) ||
			     databases.cell(row, "port") != port)) {
				return "its database \"" + line.name +
				       "\" leads elsewhere: a line behind the one with %include sets it anew";
			}
		}
	}
	return {};
}

Attached::Attached(program::Loop &loop, const std::string &address,
                   std::shared_ptr<AttachedFile> file)
    : name_("attached " + address),
      file_(std::move(file)),
      driver_(loop, name_, *console_path(address), hooks()) {}

DriverHooks Attached::hooks() {
	return {
	    [this](const std::vector<core::Backend> &backends) { return file_->write(backends); },
	    [this] { file_->check(); },
	    [this](const ReadBack &read, const std::string &marker) {
		    give_advice(read.config);
		    return misread_databases(read.databases, *file_, marker);
	    },
	    [this](const std::vector<ServerConnection> &which) { return cut(which); },
	    // Should this program die meanwhile, nobody could let it pass with certainty.
	    [](bool) {
		    return core::Status(core::Error{core::ErrorKind::Denied, "it is not ours"});
	    },
	    [this] { driver_.ended(); },  // Connected anew; there is nothing else to be done here.
	    false,
	};
}

/// Settings of theirs that make a failover worse than it has to be.
void Attached::give_advice(const AdminAnswer &config) {
	if (has_advised_) {
		return;
	}
	has_advised_ = true;
	if (std::atof(value_of(config, "server_login_retry").c_str()) > 1) {
		spdlog::warn(
		    "{}: server_login_retry should be 0.1 or less: after a failed connection clients "
		    "get errors for so long",
		    name_);
	}
	if (value_of(config, "server_fast_close") == "0") {
		spdlog::warn(
		    "{}: server_fast_close should be 1: sessions of session pooling are not ended "
		    "by a switchover otherwise",
		    name_);
	}
}

core::Result<int> Attached::cut(const std::vector<ServerConnection> &which) {
	const int pid = driver_.peer_pid();
	Fd pidfd = pid > 0 ? program::open_pidfd(pid) : Fd();
	if (!pidfd) {
		return core::Error{core::ErrorKind::Denied, "its process is not known"};
	}
	return cut_connections(pidfd.get(), pid, which);
}

void Attached::prepare(const std::vector<core::Backend> &backends) {
	if (core::Result<std::string> written = file_->write(backends); !written) {
		spdlog::error("{}: {}", name_, written.error().message);
	}
}

void Attached::set_goal(BouncerGoal goal) {
	if (goal.mode == BouncerMode::Off) {
		goal.mode = BouncerMode::Close;  // Its sockets are not ours.
	}
	// Also when it does not run: it reads the file when it starts.
	if (goal != driver_.goal() && goal.mode == BouncerMode::Serve) {
		prepare(goal.backends);
	}
	driver_.set_goal(std::move(goal));
}

void Attached::set_included(const Included &included) {
	file_->set_included(included);
	reload();
}

Instant Attached::step(Instant now) {
	if (!driver_.is_connected()) {
		driver_.ended();  // Perhaps it is another process now.
	}
	const Instant wake = driver_.step(now);
	if (is_down_ != !driver_.is_connected()) {
		is_down_ = !is_down_;
		has_advised_ = has_advised_ && is_down_;
		spdlog::info("{}: {}", name_, is_down_ ? "it does not run" : "connected to its console");
	}
	return wake;
}

}  // namespace stolon::proxy
