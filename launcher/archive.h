// WAL that a former master has completed and not archived: nobody else will, since the others take
// it for archived. Before its data are rewound or follow, its own archive_command is run for it, as
// PostgreSQL's archiver would have done.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/base/types.h"

namespace stolon::launcher {

struct ArchiveJob {
	std::string bin_path;  ///< of PostgreSQL's programs
	std::string pgdata;    ///< no server runs there
	/// What the cluster's spec says now about archiving: the files in PGDATA are as old as the
	/// server's end, and the command may have been put right since.
	std::map<std::string, std::string> parameters;
	/// How long one file may take. All are of one size, so this bounds the lack of progress, and
	/// not how much there is to do.
	core::Duration bound = core::seconds(120);
	/// Files of these timelines are left alone: the archive has another line's under such names.
	std::set<core::Timeline> withheld;
};

/// The parameters that ArchiveJob takes out of a spec's.
std::map<std::string, std::string> archive_parameters(
    const std::map<std::string, std::string> &parameters);

/// The command with %p, %f and %% replaced as PostgreSQL's archiver does it; `file` is a name in
/// pg_wal.
std::string archive_command_for(const std::string &command, const std::string &file);

/// The files that are marked as waiting for the archiver and are there, in the order in which it
/// takes them: histories, then the oldest.
std::vector<std::string> files_to_archive(const std::string &pgdata);

/// Archives them, when archiving is on. Begins no further file after one that could not be archived
/// in two attempts. Gives the names of those that still wait; why is said as progress.
std::vector<std::string> archive_waiting_wal(const ArchiveJob &job);

/// Warns, when archiving is on, that what waits is not archived because the data may be another
/// line's than the one that archives now.
void tell_withheld_wal(const ArchiveJob &job);

/// Copies such files of pg_wal to "unarchived" in `directory`, with a text that says what to do.
/// For what a rewind may remove. Unavailable when there is not enough room.
core::Status keep_unarchived(const std::string &pgdata, const std::vector<std::string> &files,
                             const std::string &directory);

}  // namespace stolon::launcher
