// Asks pgbouncer itself whether it understands a configuration: a process that serves nobody reads
// it. The ones that serve would stop reading in the middle and go on with half of it, while RELOAD
// says "ok" (LESSONS P-7).
#pragma once

#include <optional>
#include <string>

#include "proxy-hook/admin.h"
#include "proxy-hook/ini.h"
#include "proxy-hook/process.h"

namespace stolon::proxy {

class Trial {
public:
	/// `directory` is made if it is missing; it is the trial's alone.
	Trial(program::Loop &loop, std::string program, std::string directory);
	~Trial();
	Trial(const Trial &) = delete;
	Trial &operator=(const Trial &) = delete;

	/// Starts; what an earlier trial says is not waited for any more.
	void start(const PoolOptions &options);
	/// Does what is due; returns when it must be called again at the latest.
	core::Instant step(core::Instant now);
	/// nullopt: not known yet. Invalid says what pgbouncer complained about, and the included line
	/// if it is one.
	const std::optional<core::Status> &outcome() const { return outcome_; }

private:
	core::Status launch();
	void end(core::Status outcome);
	std::string complaint() const;
	std::string path(const char *file) const { return directory_ + "/" + file; }

	program::Loop &loop_;
	std::string program_;
	std::string directory_;
	PoolOptions options_;
	AdminLink console_;
	std::optional<Process> process_;
	core::Instant give_up_at_;
	std::optional<core::Status> outcome_;
};

/// What a pgbouncer that could not start has printed, as one sentence; `included` helps to name the
/// line that it means.
std::string explain(const std::string &output, const Included &included);

}  // namespace stolon::proxy
