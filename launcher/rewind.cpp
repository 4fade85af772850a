#include "launcher/rewind.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "launcher/archive.h"
#include "launcher/common_wal.h"
#include "launcher/diverged.h"
#include "launcher/entries.h"
#include "launcher/examine.h"
#include "launcher/fault_point.h"
#include "launcher/node_files.h"
#include "launcher/postmaster_file.h"
#include "launcher/process.h"
#include "launcher/rewind_trial.h"
#include "launcher/server_setting.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

using core::Error;
using core::ErrorKind;
using core::Result;
using core::Status;

/// Of what a failed step means once nothing of what lies here can be relied upon.
Status unusable(const std::string &what, const Status &why) {
	return core::invalid(what + ": " + why.error().message);
}

Status remove_file(const std::string &path) {
	if (::unlink(path.c_str()) != 0 && errno != ENOENT)
		return Error{ErrorKind::Unavailable, "could not remove \"" + path + "\""};
	return {};
}

/// A single-user server replays what lies here and accepts no connection; the incarnation that it
/// belongs to is not in the view any more. Other than in pg_rewind's own recovery no WAL is
/// removed: pg_rewind needs it back to the last common checkpoint.
Status run_single_user(const RewindJob &job) {
	Command command;
	command.argv = {job.bin_path + "/postgres",
	                "--single",
	                "-D",
	                job.paths.pgdata(),
	                "-c",
	                "wal_keep_size=1000000",
	                "-c",
	                "max_slot_wal_keep_size=-1",
	                "template1"};
	command.discard_output = true;
	return run_command(command);
}

/// pg_rewind wants a server that was shut down. A standby's data stay a standby's: without a note a
/// directory whose recovery was interrupted, or that is not rewound after all, would be taken for a
/// primary's and go on on its predecessor's timeline.
Status recover(const RewindJob &job, const Examination &found) {
	if (found.control.clean)
		return {};
	say("recovering, as the server was not shut down");
	const std::string pgdata = job.paths.pgdata();
	const bool standby = is_standbys(pgdata);
	if (auto done = standby ? note_standby(pgdata) : Status(); !done.ok())
		return done;
	if (auto done = remove_file(pgdata + "/standby.signal"); !done.ok())
		return done;
	FAULT_POINT("rewind-signal-gone");
	const Status recovered = run_single_user(job);
	if (auto done = standby ? put_standby_signal_back(pgdata) : Status(); !done.ok())
		return done;
	return recovered;
}

/// Whether the archive can give back WAL that is not here any more.
bool has_restore_command(const RewindJob &job) {
	const auto text =
	    server_setting(job.bin_path, job.paths.pgdata(), "restore_command", {}, Errors::Tell);
	return text.ok() && text->find_first_not_of(' ') != std::string::npos;
}

/// The first file that recovery will ask for, as backup_label names it: it has to be here, unless
/// the archive may have it. Without a backup_label recovery would begin anywhere.
Status check_first_file(const std::string &pgdata, bool archive) {
	const auto label = store::read_small_file(pgdata + "/backup_label");
	if (!label.ok())
		return core::invalid("pg_rewind left no backup_label");
	constexpr std::string_view before = "(file ";
	const std::size_t at = label->find(before);
	const std::size_t end = label->find(')', at);
	if (at == std::string::npos || end == std::string::npos)
		return core::invalid("the backup_label that pg_rewind left is not understood");
	const std::string name = label->substr(at + before.size(), end - at - before.size());
	if (!archive && ::access((pgdata + "/pg_wal/" + name).c_str(), R_OK) != 0)
		return core::invalid(
		    "the upstream did not have the WAL any more with which recovery has "
		    "to begin, " +
		    name);
	return {};
}

/// What pg_rewind has brought from the upstream and is not ours. stolon.state is replaced in the
/// very end.
Status put_right(const RewindJob &job) {
	const std::string pgdata = job.paths.pgdata();
	for (const char *name : {"postmaster.pid", "postmaster.opts", "recovery.signal"})
		if (auto done = remove_file(pgdata + "/" + name); !done.ok())
			return done;
	if (auto done = restore_node_files(job.paths.rewind_files(), pgdata); !done.ok())
		return done;
	FAULT_POINT("rewind-files-back");
	return prepare_start(pgdata, "", "", true);
}

/// From the note on the data are neither old nor new.
Status rewind_noted(const RewindJob &job, bool archive) {
	const std::string pgdata = job.paths.pgdata();
	if (auto done = free_node_files(pgdata, job.paths.rewind_files()); !done.ok())
		return done;
	FAULT_POINT("rewind-files-free");
	if (auto done = run_command(rewind_command(job, archive)); !done.ok())
		return done;
	FAULT_POINT("rewind-rewound");
	if (auto done = check_first_file(pgdata, archive); !done.ok())
		return done;
	if (auto done = put_right(job); !done.ok())
		return done;
	FAULT_POINT("rewind-ready");
	return write_state(pgdata, job.state);
}

using Files = std::vector<std::string>;

ArchiveJob archive_job(const RewindJob &job) {
	ArchiveJob archive;
	archive.bin_path = job.bin_path;
	archive.pgdata = job.paths.pgdata();
	archive.parameters = job.archiving;
	return archive;
}

/// What lies behind the fork on a timeline whose number the upstream's line has, too, would take
/// the place of what that line has archived.
Files archive_waiting(const RewindJob &job, const Examination &found) {
	ArchiveJob archive = archive_job(job);
	for (const auto &entry : job.upstream_line.history)
		archive.withheld.insert(entry.timeline);
	archive.withheld.insert(job.upstream_line.position.timeline);
	archive.withheld.erase(archive.withheld.begin(),
	                       archive.withheld.upper_bound(found.back.fork.timeline));
	return archive_waiting_wal(archive);
}

/// These data are not known to be of the upstream's line: a clone replaces them, and they are kept.
core::Error replace(const RewindJob &job, const core::Error &why) {
	if (why.kind == ErrorKind::Invalid)
		tell_withheld_wal(archive_job(job));
	return why;
}

/// Not archived is not lost, and so no reason to go without a standby: the others have what is in
/// common, and the WAL itself is kept as long as there is room.
void keep_from_rewind(const RewindJob &job, const Files &unarchived, const std::string &kept) {
	if (unarchived.empty())
		return;
	const auto done = keep_unarchived(job.paths.pgdata(), unarchived, kept);
	warn("WAL that is not archived is " +
	     (done.ok() ? "kept in \"" + kept + "/unarchived\"" : "not kept: " + done.error().message));
}

Status rewind(const RewindJob &job, const core::DataState &before, const Examination &found,
              Files unarchived) {
	const auto kept = keep_diverged_wal(job.paths, job.identity, before, job.state.db, found);
	if (!kept.ok())
		return kept.error();
	FAULT_POINT("rewind-kept");
	if (auto done = recover(job, found); !done.ok())
		return unusable("the server cannot be recovered", done);
	FAULT_POINT("rewind-recovered");
	// Recovery may have completed another file.
	if (unarchived.empty() && !found.control.clean)
		unarchived = archive_waiting(job, found);
	keep_from_rewind(job, unarchived, *kept);
	const bool archive = has_restore_command(job);
	if (auto done = try_rewind(job, archive); !done.ok())
		return done;
	FAULT_POINT("rewind-tried");
	if (auto done = keep_node_files(job.paths.pgdata(), job.paths.rewind_files()); !done.ok())
		return done;
	FAULT_POINT("rewind-files-kept");
	if (auto done = mark_rewind(job.paths, before, job.state.db); !done.ok())
		return done;
	FAULT_POINT("rewind-noted");
	if (auto done = rewind_noted(job, archive); !done.ok())
		return unusable("the rewind failed", done);
	FAULT_POINT("rewind-whole");
	if (auto done = unmark_rewind(job.paths); !done.ok())
		return done;
	FAULT_POINT("rewind-unmarked");
	std::error_code ignored;
	std::filesystem::remove_all(job.paths.rewind_files(), ignored);
	say("rewound to " + found.back.fork.to_string() + "; " + std::to_string(found.beyond.commits) +
	    " commits that only this server had are kept in \"" + *kept + "\"");
	return {};
}

/// All that lies here is a part of the upstream's line: it only gets its new name.
Status follow(const RewindJob &job, const Examination &found) {
	if (auto done = prepare_start(job.paths.pgdata(), "", "", true); !done.ok())
		return done;
	FAULT_POINT("follow-ready");
	if (auto done = write_state(job.paths.pgdata(), job.state); !done.ok())
		return done;
	FAULT_POINT("follow-whole");
	say("nothing has diverged, the WAL ends at " + found.back.fork.to_string() +
	    "; the data go on as they are");
	return {};
}

}  // namespace

Status run_rewind(const RewindJob &job) {
	::umask(077);
	const std::string pgdata = job.paths.pgdata();
	const core::DataDir there = inspect(job.paths, job.identity, {});
	if (there.kind != core::DataKind::Ours || there.half_rewound)
		return core::invalid("what lies in \"" + pgdata + "\" cannot be rewound");
	if (there.state.db == job.state.db)
		return {};
	// One of a rewind that had come to its end.
	if (auto done = unmark_rewind(job.paths); !done.ok())
		return done;
	if (live_postmaster(pgdata))
		return Error{ErrorKind::Unavailable, "a server is running in \"" + pgdata + "\""};
	// What an interrupted attempt has left of its copies.
	if (auto done = remove_half_made(job.paths, job.identity, job.paths.saving(job.state.db));
	    !done.ok())
		return done;
	say("looking where the WAL has diverged");
	const auto found = examine(job.bin_path, pgdata, job.upstream_line);
	if (!found.ok())
		return replace(job, found.error());
	if (found->back.way == core::Way::Clone)
		return replace(job, core::invalid(found->back.reason));
	const auto common =
	    compare_common_wal(job.upstream, job.upstream_line, job.bin_path, pgdata, *found);
	if (!common.ok())
		return replace(job, common.error());
	if (common->is_another_line)
		return replace(job, core::invalid(common->reason));
	const Files unarchived = archive_waiting(job, *found);
	if (!common->reason.empty())
		return core::invalid(common->reason);
	return found->back.way == core::Way::Follow ? follow(job, *found)
	                                            : rewind(job, there.state, *found, unarchived);
}

}  // namespace stolon::launcher
