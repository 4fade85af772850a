// The server process of PGDATA: started by us as a child, or found running and watched through a
// pidfd.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "launcher/postmaster_file.h"
#include "launcher/process.h"

namespace stolon::launcher {

class Postmaster {
public:
	/// Starts `postgres -D pgdata` with further arguments. Its output is appended to `log_path` (""
	/// = our own stderr).
	static core::Result<Postmaster> start(const std::string &bin_path, const std::string &pgdata,
	                                      const std::string &log_path,
	                                      const std::vector<std::string> &arguments = {});
	/// Takes over a server that already runs there; nullopt if none does.
	static std::optional<Postmaster> adopt(const std::string &pgdata);

	Postmaster(Postmaster &&) noexcept = default;
	Postmaster &operator=(Postmaster &&) noexcept = default;

	pid_t pid() const { return pid_; }
	bool adopted() const { return adopted_; }
	/// Becomes readable when the process has ended.
	int pidfd() const { return handle_.get(); }

	/// Sends SIGINT (fast stop), SIGQUIT (immediate), SIGKILL.
	void send(int signal_number) const;
	/// How it has ended, "" while it runs. A child is collected by this.
	std::string poll_end();

private:
	Postmaster(pid_t pid, Fd handle, bool adopted)
	    : pid_(pid), handle_(std::move(handle)), adopted_(adopted) {}

	pid_t pid_ = 0;
	Fd handle_;
	bool adopted_ = false;
};

/// Accepts connections, according to its postmaster.pid (as a primary, or as a hot standby).
bool accepts_connections(const std::string &pgdata, pid_t pid);

/// Why a server ended, from a log that has grown since `offset`: its last lines of a severity that
/// matters, joined; "" if there are none.
std::string tail_of_log(const std::string &path, long offset);

}  // namespace stolon::launcher
