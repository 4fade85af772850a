// Where the launcher's things lie: all in one data directory that belongs to it alone.
#pragma once

#include <string>

#include "core/base/types.h"

namespace stolon::launcher {

struct Paths {
	std::string root;  ///< --data-dir, absolute, without a trailing slash

	std::string pgdata() const { return root + "/postgres"; }
	std::string lock() const { return root + "/launcher.lock"; }
	/// Held by tasks (initdb, clone) and by what they start, which may outlive a killed launcher.
	std::string task_lock() const { return root + "/task.lock"; }
	std::string server_log() const { return root + "/postgres.log"; }
	std::string replication_pgpass() const { return root + "/replication.pgpass"; }

	/// Where a clone or an initdb for this incarnation is made, beside PGDATA.
	std::string clone(const core::DbUid &db) const { return root + "/" + clone_prefix + db.value; }
	std::string init(const core::DbUid &db) const { return root + "/" + init_prefix + db.value; }
	/// Where WAL is copied to that is to be kept, before this incarnation replaces what has it.
	std::string saving(const core::DbUid &db) const {
		return root + "/" + saving_prefix + db.value;
	}
	/// There while PGDATA is being rewound, and neither the old data nor the new ones.
	std::string rewind_marker() const { return root + "/postgres.rewinding"; }
	/// This node's own files of PGDATA, during a rewind.
	std::string rewind_files() const { return root + "/postgres.rewind-files"; }
	/// Beside such a directory, written before it is made: the proof that we made it, without which
	/// it is never removed.
	static std::string marker_of(const std::string &directory) { return directory + ".stolon"; }

	static constexpr const char *clone_prefix = "postgres.clone-";
	static constexpr const char *init_prefix = "postgres.init-";
	static constexpr const char *saving_prefix = "postgres.saving-";
	static constexpr const char *diverged_prefix = "postgres.diverged-";
	/// What such a directory is called from when it is being removed on: it is not whole any more.
	static constexpr const char *removing_prefix = "postgres.removing-";
	/// This node's own files, of data whose rewind was interrupted and that somebody moved away.
	static constexpr const char *node_files_prefix = "postgres.node-files-";
};

}  // namespace stolon::launcher
