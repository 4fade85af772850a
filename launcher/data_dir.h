// What lies in the data directory, and the few changes that are made to whole directories. Nothing
// here ever removes a directory that may hold the only copy of anything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/plan/launcher_plan.h"
#include "launcher/paths.h"

namespace stolon::launcher {

/// Whose data we look for.
struct Identity {
	std::string cluster_name;
	core::KeeperUid keeper;
};

constexpr const char *state_file = "stolon.state";
constexpr const char *standby_note = "stolon.was-standby";
constexpr const char *cloned_from_file = "stolon.cloned-from";
/// In a half rewound directory that was set aside: this node's own files, as they were before.
constexpr const char *node_files_kept = "stolon.node-files";

/// Looks at PGDATA, and for a complete clone beside it (for `wanted`, if there is one for it).
/// Changes nothing.
core::DataDir inspect(const Paths &paths, const Identity &identity,
                      const std::optional<core::DbUid> &wanted);

/// PostgreSQL's system identifier: the first eight bytes of global/pg_control.
core::Result<std::string> read_system_id(const std::string &pgdata);

/// The complete stolon.state of a directory that is ours and whole; NotFound when it is not.
core::Result<core::DataState> complete_state(const std::string &directory,
                                             const Identity &identity);

/// Writes the proof that `directory`, which is about to be made, is ours. Fails when something is
/// there already. `tablespaces` are directories that belong to it, and go with it.
core::Status announce_directory(const std::string &directory, const Identity &identity,
                                const std::vector<std::string> &tablespaces = {});

/// Removes what is left of interrupted clones and initdbs: directories of their names, that we
/// announced, and that are not complete. Fails, naming it, when `needed` is still there afterwards.
core::Status remove_half_made(const Paths &paths, const Identity &identity,
                              const std::string &needed);

/// Renames a complete directory to a new postgres.diverged-<time>, and gives that path. It is kept.
/// The name is later than that of all others, also when the clock was ahead once.
core::Result<std::string> set_aside(const Paths &paths, const std::string &directory);

/// The names of all directories that were set aside, newest first. Only those that set_aside()
/// gives: one that somebody has renamed is his.
std::vector<std::string> diverged_directories(const Paths &paths);

/// Renames a directory that was set aside, durably, so that nobody takes for whole what is left of
/// it when its removal, which comes next, is interrupted. Gives the new path.
core::Result<std::string> begin_removal(const Paths &paths, const std::string &name);
/// The names of directories whose removal has begun.
std::vector<std::string> half_removed_directories(const Paths &paths);

/// Moves this node's own files of a rewind that was interrupted to a new
/// postgres.node-files-<time>, durably, and gives that path. They are nowhere else, and nothing
/// removes them there.
core::Result<std::string> keep_files_of_rewind(const Paths &paths);

/// Notes, durably, that PGDATA is neither what it was nor what it is to become. `before` are the
/// data that lie there.
core::Status mark_rewind(const Paths &paths, const core::DataState &before,
                         const core::DbUid &becomes);

/// Removes that note, durably.
core::Status unmark_rewind(const Paths &paths);

/// From whom a complete copy was made; empty: nothing tells.
core::DbUid cloned_from(const std::string &directory);

/// Notes that. Another incarnation may be the master when the copy could be swapped in, and then it
/// may hold what that one does not have.
core::Status write_cloned_from(const std::string &directory, const core::DbUid &upstream);

/// Whether the data are a standby's, which must never be started as a primary: standby.signal lies
/// there, or the note that it was taken away for a while, or pg_control says that the server was in
/// archive recovery.
bool is_standbys(const std::string &pgdata);
/// The note, durably; to be written before standby.signal is removed.
core::Status note_standby(const std::string &pgdata);
/// standby.signal, durably; then the note is removed.
core::Status put_standby_signal_back(const std::string &pgdata);

/// Removes the notes of work that has come to its end, when a complete PGDATA is about to be
/// started. Nothing relies on it.
void remove_spent_notes(const Paths &paths);

/// Writes stolon.state: what makes a directory complete, so the very last step.
core::Status write_state(const std::string &directory, const core::DataState &state);

struct Swapped {
	std::string aside;       ///< where the data are now that lay there; "": there were none
	std::string node_files;  ///< where this node's own files of a rewind are now; "": nowhere
};

/// What the operator has to be told of Swapped::node_files.
std::string node_files_are_kept(const std::string &path);

/// Moves the complete directory `made` to PGDATA. What lies there is moved aside first, to
/// postgres.diverged-<time>, and is kept, with a note of why; `clone_anew` is Db's. Can be repeated
/// after an interruption at any point.
core::Result<Swapped> swap_in(const Paths &paths, const Identity &identity, const std::string &made,
                              const core::DbUid &db, bool clone_anew = false);

/// Makes PGDATA ready for a start: stolon.conf, pg_hba.conf (an empty text leaves the file as it
/// is), the include of stolon.conf, and standby.signal there or not. All is on disk afterwards.
core::Status prepare_start(const std::string &pgdata, const std::string &stolon_conf,
                           const std::string &pg_hba, bool standby);

}  // namespace stolon::launcher
