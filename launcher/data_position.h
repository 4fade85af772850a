// Where the WAL of data at rest ends, for an operator who has to choose between the data of a
// cluster whose store was lost. pg_control tells the last checkpoint only; what a server that has
// crashed wrote since then is found by reading it, in a process of its own.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "core/base/time.h"
#include "core/base/types.h"
#include "launcher/task.h"

namespace stolon::launcher {

class DataPosition {
public:
	/// Tells what pg_control says, and begins to read the rest. No server may run there.
	void begin(const std::string &bin_path, const std::string &pgdata);
	/// The data are not at rest any more, or need not be told. What is being read is given up.
	void forget();
	/// Takes the result when it is there.
	void poll(core::Instant now);

	bool begun() const { return begun_; }
	const core::WalPosition &position() const { return position_; }
	bool is_end() const { return is_end_; }
	/// The end of this process makes poll() due.
	bool owns(pid_t pid) const { return task_ && task_->pid() == pid; }

private:
	bool begun_ = false;
	core::WalPosition position_;
	bool is_end_ = false;
	std::optional<Task> task_;
};

}  // namespace stolon::launcher
