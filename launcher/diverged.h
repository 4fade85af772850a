// What was set aside and is kept: WAL that only this keeper has, and replaced data directories.
// Each such directory has a REPORT.txt for people and a stolon.diverged for programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/model/diverged.h"
#include "launcher/data_dir.h"
#include "launcher/examine.h"

namespace stolon::launcher {

/// Copies the WAL that lies behind the fork, with the files that say how the timelines hang
/// together, into a new directory beside PGDATA, and reports it there. Gives the directory's path;
/// what was kept before is not copied again. Unavailable when there is not enough room: nothing was
/// changed.
core::Result<std::string> keep_diverged_wal(const Paths &paths, const Identity &identity,
                                            const core::DataState &owner, const core::DbUid &next,
                                            const Examination &found);

/// All that is kept, newest first. One without a stolon.diverged has only its name.
std::vector<core::DivergedData> list_diverged(const Paths &paths);

/// True when this one still has to be examined and reported.
bool lacks_report(const core::DivergedData &data);

/// Which of them are more than `keep`, in the order in which they go: first those that were found
/// to hold nothing of their own, then the others, the oldest first. Never the newest, and never one
/// that was not examined: nobody knows what it holds.
std::vector<std::string> removable_diverged(const std::vector<core::DivergedData> &list, int keep);

/// Examines and reports what has no report yet, when the master's line is known. Then removes what
/// is removable; also when a report failed, which may be for lack of room. For a task of its own:
/// reading the WAL and removing a directory may take long.
core::Status tidy_diverged(const Paths &paths, const Identity &identity,
                           const std::string &bin_path,
                           const std::optional<core::Lineage> &upstream, int keep);

}  // namespace stolon::launcher
