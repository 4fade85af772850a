// What was set aside and is kept: WAL that only this keeper has, and replaced data directories.
// Each such directory has a REPORT.txt for people and a stolon.diverged for programs.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/model/diverged.h"
#include "launcher/data_dir.h"
#include "launcher/examine.h"
#include "launcher/judge.h"

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
/// to hold nothing of their own, then those without a commit or a prepared transaction, then the
/// others; of each kind the oldest first. Never the newest, and never one that was not examined:
/// nobody knows what it holds.
std::vector<std::string> removable_diverged(const std::vector<core::DivergedData> &list, int keep);

/// How many directories lie beside for which no view will ask: half removed ones, and complete
/// copies for other incarnations than `own`, which is that of PGDATA.
int count_left_over(const Paths &paths, const Identity &identity, const core::DbUid &own);

struct TidyJob {
	Paths paths;
	Identity identity;
	core::DbUid own;  ///< whose data lie at PGDATA; they are known to be good
	std::string bin_path;
	std::optional<Master> master;  ///< unless it is not known, or has no checkpoint yet
	int keep = 1;
};

/// Ends removals that were interrupted, and sets complete copies aside for which no view will ask.
/// Examines and reports what has no report yet, when there is a master to compare with. Then
/// removes what is removable; also when something else failed, which may be for lack of room. For a
/// task of its own: reading the WAL and removing a directory may take long.
core::Status tidy_diverged(const TidyJob &job);

/// As it stands in reports: "2026-11-22T02:51:07Z".
std::string utc_time(std::time_t at);

}  // namespace stolon::launcher
