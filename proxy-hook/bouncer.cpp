#include "proxy-hook/bouncer.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>

#include "store/files.h"

namespace stolon::proxy {

namespace {

using core::Instant;
using core::milliseconds;
using core::seconds;

constexpr auto never = seconds(3600);
/// A process that lived shorter is not started again at once.
constexpr auto quick_death = seconds(2);
constexpr auto first_delay = milliseconds(100);
constexpr auto longest_delay = seconds(5);
constexpr auto retry_delay = milliseconds(100);
/// Between SIGTERM, at which pgbouncer exits at once, and SIGKILL.
constexpr auto stop_patience = seconds(2);

std::string text_of(const std::vector<core::Backend> &backends) {
	std::string text;
	for (const core::Backend &backend : backends) {
		text += (text.empty() ? "" : ", ") + backend.host + ":" + std::to_string(backend.port);
	}
	return text;
}

}  // namespace

Bouncer::Bouncer(program::Loop &loop, BouncerOptions options)
    : loop_(loop),
      options_(std::move(options)),
      directory_(options_.run_dir + "/" + options_.name),
      socket_path_(directory_ + "/.s.PGSQL." + std::to_string(options_.listen.port)),
      hold_back_(options_.listen.port, directory_ + "/held-back"),
      driver_(loop, options_.name, socket_path_, hooks()) {}

DriverHooks Bouncer::hooks() {
	return {
	    [this](const std::vector<core::Backend> &backends) { return write_ini(backends); },
	    [this] { marker_.clear(); },
	    [this](const ReadBack &read, const std::string &marker) {
		    return is_marked(read.config, marker)
		               ? ""
		               : "pgbouncer did not read " + path("pgbouncer.ini");
	    },
	    [this](const std::vector<ServerConnection> &which) {
		    return cut_connections(process_->pidfd(), process_->pid(), which);
	    },
	    [this](bool on) {
		    return on ? hold_back_.begin(process_->pidfd(), process_->pid())
		              : hold_back_.end(process_->pidfd(), process_->pid());
	    },
	    [this] {
		    spdlog::error("{}: killing pgbouncer {}", options_.name, process_->pid());
		    process_->send_signal(SIGKILL);
	    },
	};
}

std::string Bouncer::identity() const {
	return options_.program + " on " + options_.listen.host + ":" +
	       std::to_string(options_.listen.port);
}

void Bouncer::adopt() {
	std::optional<Process> found = Process::find(path("lock"));
	if (!found) {
		return;
	}
	if (found->identity() != identity()) {
		spdlog::info("{}: stopping the pgbouncer that runs as {}, now it is to be {}",
		             options_.name, found->identity(), identity());
		found->send_signal(SIGKILL);
		found->wait_for_end(stop_patience);
		return;
	}
	if (core::Status status = hold_back_.end(found->pidfd(), found->pid());
	    !status && hold_back_.is_marked()) {
		spdlog::error("{}: killing pgbouncer {}: what its clients send was held back, and {}",
		              options_.name, found->pid(), status.error().message);
		found->send_signal(SIGKILL);
		found->wait_for_end(stop_patience);
		hold_back_.forget();
		return;
	}
	process_ = std::move(found);
	loop_.on_readable(process_->pidfd(), [this] { loop_.wake(); });
	spdlog::info("{}: found pgbouncer {} running, taking it over", options_.name, process_->pid());
}

core::Status Bouncer::open_sockets() {
	if (process_ || !sockets_.empty()) {
		return {};
	}
	mkdir(directory_.c_str(), 0700);
	core::Result<std::vector<Fd>> tcp = listen_tcp(options_.listen);
	if (!tcp) {
		return tcp.error();
	}
	core::Result<Fd> local = listen_unix(socket_path_);
	if (!local) {
		return local.error();
	}
	sockets_ = std::move(*tcp);
	sockets_.insert(sockets_.begin(), std::move(*local));
	return {};
}

core::Result<std::string> Bouncer::write_ini(const std::vector<core::Backend> &backends) {
	if (backends == written_ && !marker_.empty()) {
		return marker_;
	}
	const std::string marker = "stolon." + std::to_string(store::now().since_boot.count());
	core::Result<std::string> text =
	    render_ini(options_.pool, {path("pgbouncer.ini"), path("pgbouncer.log")}, backends, marker);
	if (!text) {
		return text.error();
	}
	if (core::Status status = store::write_file_atomically(path("pgbouncer.ini"), *text, 0600);
	    !status) {
		return status.error();
	}
	written_ = backends;
	marker_ = marker;
	return marker_;
}

void Bouncer::prepare(const std::vector<core::Backend> &backends) {
	if (core::Result<std::string> written = write_ini(backends); !written) {
		spdlog::error("{}: {}", options_.name, written.error().message);
	}
}

void Bouncer::set_goal(BouncerGoal goal) {
	if (goal != driver_.goal()) {
		not_before_ = std::min(not_before_, store::now() + retry_delay);
		driver_.set_goal(std::move(goal));
	}
}

void Bouncer::set_included(const Included &included) {
	options_.pool.included = included;
	marker_.clear();
	reload();
}

bool Bouncer::reached() const {
	if (driver_.goal().mode == BouncerMode::Serve) {
		return process_ && driver_.reached();
	}
	return !process_ || (driver_.reached() && driver_.goal().mode != BouncerMode::Off);
}

void Bouncer::start(Instant now) {
	core::Status status;
	if (core::Result<std::string> written = write_ini(driver_.goal().backends); !written) {
		status = written.error();
	}
	if (status) {
		std::vector<int> fds;
		for (const Fd &fd : sockets_) {
			fds.push_back(fd.get());
		}
		core::Result<Process> started =
		    Process::start({options_.program, path("pgbouncer.ini"), path("lock"),
		                    path("pgbouncer.out"), identity()},
		                   fds);
		if (started) {
			process_ = std::move(*started);
		} else {
			status = started.error();
		}
	}
	if (!status) {
		spdlog::error("{}: {}", options_.name, status.error().message);
		not_before_ = now + longest_delay;
		return;
	}
	loop_.on_readable(process_->pidfd(), [this] { loop_.wake(); });
	started_at_ = now;
	driver_.started();
	spdlog::info("{}: started pgbouncer {} for {}", options_.name, process_->pid(),
	             text_of(driver_.goal().backends));
}

std::string Bouncer::last_words() const {
	for (const char *file : {"pgbouncer.out", "pgbouncer.log"}) {
		core::Result<std::string> text = store::read_small_file(path(file), 64 * 1024 * 1024);
		if (!text || text->empty()) {
			continue;
		}
		const std::size_t end = text->find_last_not_of('\n');
		const std::size_t begin = text->find_last_of('\n', end);
		return "; its last words: " + text->substr(begin + 1, end - begin);
	}
	return {};
}

void Bouncer::ended(Instant now) {
	loop_.forget_fd(process_->pidfd());
	const std::string how = process_->reap();
	process_.reset();
	hold_back_.forget();
	driver_.ended();
	if (stopping_ || is_off_) {
		spdlog::info("{}: stopped", options_.name);
		return;
	}
	spdlog::error("{}: pgbouncer {}{}", options_.name, how, last_words());
	quick_deaths_ = now - started_at_ < quick_death ? quick_deaths_ + 1 : 0;
	core::Duration delay{0};
	if (quick_deaths_ > 0) {
		delay = std::min<core::Duration>(longest_delay,
		                                 first_delay * (1 << std::min(quick_deaths_, 6)));
	}
	not_before_ = now + delay;
}

void Bouncer::stop() {
	if (!stopping_) {
		stopping_ = true;
		stop_at_ = store::now() + stop_patience;
		if (process_) {
			process_->send_signal(SIGTERM);
		}
	}
}

/// pgbouncer holds the listening sockets, too: only its end closes them.
Instant Bouncer::step_off(Instant now) {
	if (!process_) {
		sockets_.clear();
		return now + never;
	}
	if (!is_off_) {
		is_off_ = true;
		stop_at_ = now + stop_patience;
		process_->send_signal(SIGTERM);
	} else if (now >= stop_at_) {
		process_->send_signal(SIGKILL);
	}
	return std::max(stop_at_, now + retry_delay);
}

Instant Bouncer::step(Instant now) {
	if (process_ && process_->has_ended()) {
		ended(now);
	}
	if (stopping_) {
		if (process_ && now >= stop_at_) {
			process_->send_signal(SIGKILL);
		}
		return process_ ? std::max(stop_at_, now + retry_delay) : now + never;
	}
	if (driver_.goal().mode == BouncerMode::Off) {
		return step_off(now);
	}
	is_off_ = false;
	if (now < not_before_) {
		return not_before_;
	}
	if (!process_) {
		// Also those of one that an earlier stolon-proxy had started: clients wait there.
		if (core::Status status = open_sockets(); !status) {
			complaint_.error(options_.name + ": " + status.error().message);
			not_before_ = now + retry_delay;
			return not_before_;
		}
		if (driver_.goal().mode != BouncerMode::Serve) {
			return now + never;
		}
		start(now);
		return now;
	}
	return driver_.step(now);
}

}  // namespace stolon::proxy
