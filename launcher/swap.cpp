// The part of data_dir.h about putting a complete directory in the place of PGDATA.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "launcher/data_dir.h"
#include "launcher/entries.h"
#include "launcher/fault_point.h"
#include "launcher/kept_tablespaces.h"
#include "launcher/postmaster_file.h"
#include "launcher/replaced.h"
#include "store/files.h"

namespace stolon::launcher {

using core::DataDir;
using core::DataKind;
using core::DbUid;
using core::Result;

namespace {

/// Moves PGDATA aside. Gives where it is then.
Result<std::string> make_place(const Paths &paths, const DataDir &there, bool clone_anew) {
	const std::string pgdata = paths.pgdata();
	// This node's own files belong to what was being rewound, and are nowhere else.
	const std::string node_files = pgdata + "/" + node_files_kept;
	if (there.half_rewound && ::rename(paths.rewind_files().c_str(), node_files.c_str()) != 0 &&
	    errno != ENOENT)
		return system_error("move \"" + paths.rewind_files() + "\" to \"" + node_files + "\"");
	FAULT_POINT("swap-node-files-moved");
	const Replaced why{there.state.db, clone_anew, there.half_rewound};
	if (auto noted = note_replaced(pgdata, why); !noted.ok())
		return noted.error();
	FAULT_POINT("swap-why-noted");
	return set_aside(paths, pgdata);
}

/// There are no data at PGDATA. Those that were being rewound may have been moved away by somebody;
/// this node's own files stayed here.
Result<std::string> keep_files_without_data(const Paths &paths) {
	if (exists(paths.rewind_marker()) && exists(paths.rewind_files()))
		return keep_files_of_rewind(paths);
	return std::string();
}

/// Where what was in the way is now.
Result<Swapped> clear_place(const Paths &paths, const DataDir &there, bool clone_anew) {
	const bool have_data = there.kind == DataKind::Ours;
	Swapped swapped;
	auto kept = have_data ? make_place(paths, there, clone_anew) : keep_files_without_data(paths);
	if (!kept.ok())
		return kept.error();
	(have_data ? swapped.aside : swapped.node_files) = std::move(*kept);
	if (have_data)
		FAULT_POINT("swap-old-aside");
	else if (::rmdir(paths.pgdata().c_str()) != 0 && errno != ENOENT)
		return system_error("remove the empty directory \"" + paths.pgdata() + "\"");
	FAULT_POINT("swap-place-free");
	return swapped;
}

}  // namespace

Result<Swapped> swap_in(const Paths &paths, const Identity &identity, const std::string &made,
                        const DbUid &db, bool clone_anew) {
	const auto state = complete_state(made, identity);
	if (!state.ok())
		return state.error();
	if (state->db != db)
		return core::invalid("\"" + made + "\" holds db " + state->db.value + ", not " + db.value);
	const std::string pgdata = paths.pgdata();
	const DataDir there = inspect(paths, identity, {});
	if (there.kind == DataKind::Foreign)
		return core::invalid(there.problem);
	if (live_postmaster(pgdata))
		return core::invalid("a server is running in \"" + pgdata + "\"");
	auto swapped = clear_place(paths, there, clone_anew);
	if (!swapped.ok())
		return swapped.error();
	// While there is no PGDATA that would be without them.
	move_tablespaces_of_kept(paths, identity);
	// While there is no PGDATA: the note must not be taken for one about what comes now.
	if (auto unmarked = unmark_rewind(paths); !unmarked.ok())
		return unmarked.error();
	FAULT_POINT("swap-note-gone");
	if (auto renamed = rename_new(made, pgdata); !renamed.ok())
		return renamed.error();
	FAULT_POINT("swap-renamed");
	if (auto synced = store::sync_path(paths.root); !synced.ok())
		return synced.error();
	FAULT_POINT("swap-synced");
	::unlink(Paths::marker_of(made).c_str());
	return swapped;
}

}  // namespace stolon::launcher
