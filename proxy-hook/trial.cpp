#include "proxy-hook/trial.h"

#include <sys/stat.h>

#include <csignal>
#include <sstream>

#include "proxy-hook/sockets.h"
#include "store/files.h"

namespace stolon::proxy {

namespace {

using core::Instant;
using core::seconds;

constexpr auto patience = seconds(5);
constexpr auto never = seconds(3600);
constexpr std::string_view trial_marker = "stolon.trial";
constexpr std::size_t max_output_bytes = 1024 * 1024;
/// Nobody asks for a connection to it.
const core::Backend nowhere{"127.0.0.1", 1};

/// The entry that a message is about: `invalid value "..." for parameter NAME in configuration`.
const IncludedLine *find_line(const std::string &message, const Included &included) {
	for (const auto *lines : {&included.databases, &included.users, &included.settings}) {
		for (auto line = lines->rbegin(); line != lines->rend(); ++line) {
			if (message.find("\" for parameter " + line->name + " in ") != std::string::npos) {
				return &*line;
			}
		}
	}
	return nullptr;
}

}  // namespace

std::string explain(const std::string &output, const Included &included) {
	std::istringstream lines(output);
	std::string text;
	const IncludedLine *place = nullptr;
	for (std::string line; std::getline(lines, line);) {
		std::size_t begin = std::string::npos;
		for (std::string_view level : {" ERROR ", " FATAL ", " WARNING "}) {
			const std::size_t at = line.find(level);
			begin = at == std::string::npos ? begin : at + level.size();
		}
		if (begin == std::string::npos) {
			continue;
		}
		place = place == nullptr ? find_line(line, included) : place;
		// Where it stands in the file that was made from the operator's helps nobody.
		const std::size_t end = line.find(" in configuration (");
		text += (text.empty() ? "" : "; ") + line.substr(begin, end - begin);
	}
	if (text.empty()) {
		text = "it does not start";
	}
	return (place == nullptr ? "" : place->place() + ": ") + "pgbouncer refuses it: " + text;
}

Trial::Trial(program::Loop &loop, std::string program, std::string directory)
    : loop_(loop),
      program_(std::move(program)),
      directory_(std::move(directory)),
      console_(loop, path("s")) {}

Trial::~Trial() {
	end({});
}

void Trial::start(const PoolOptions &options) {
	end({});
	outcome_.reset();
	options_ = options;
	give_up_at_ = store::now() + patience;
	if (core::Status status = launch(); !status) {
		end(status);
	}
}

core::Status Trial::launch() {
	mkdir(directory_.c_str(), 0700);
	core::Result<std::string> text =
	    render_ini(options_, {path("pgbouncer.ini"), path("pgbouncer.log")}, {nowhere},
	               std::string(trial_marker));
	if (!text) {
		return text.error();
	}
	if (core::Status status = store::write_file_atomically(path("pgbouncer.ini"), *text, 0600);
	    !status) {
		return status;
	}
	core::Result<Fd> socket = listen_unix(path("s"));
	if (!socket) {
		return socket.error();
	}
	ProcessSpec spec{program_, path("pgbouncer.ini"), path("lock"), path("pgbouncer.out"), "trial"};
	spec.is_loud = true;
	core::Result<Process> started = Process::start(spec, {socket->get()});
	if (!started) {
		return started.error();
	}
	process_ = std::move(*started);
	loop_.on_readable(process_->pidfd(), [this] { loop_.wake(); });
	if (core::Status status = console_.open(); !status) {
		return status;
	}
	console_.send({"SHOW CONFIG"}, [this](core::Result<std::vector<AdminAnswer>> answers) {
		if (answers) {
			end(is_marked(answers->front(), std::string(trial_marker))
			        ? core::Status{}
			        : core::Status(core::invalid(complaint())));
		}
	});
	return {};
}

std::string Trial::complaint() const {
	core::Result<std::string> output =
	    store::read_small_file(path("pgbouncer.out"), max_output_bytes);
	return explain(output ? *output : std::string(), options_.included);
}

Instant Trial::step(Instant now) {
	if (process_ && process_->has_ended()) {
		end(core::invalid(complaint()));
	} else if (process_ && now >= give_up_at_) {
		end(core::invalid("pgbouncer does not answer when it is given these settings"));
	}
	return process_ ? give_up_at_ : now + never;
}

void Trial::end(core::Status outcome) {
	console_.close();
	if (process_) {
		loop_.forget_fd(process_->pidfd());
		process_->send_signal(SIGKILL);
		process_->wait_for_end(patience);
		process_->reap();
		process_.reset();
	}
	if (!outcome_) {
		outcome_ = std::move(outcome);
	}
	loop_.wake();
}

}  // namespace stolon::proxy
