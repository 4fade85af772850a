#include "launcher/clone.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "launcher/fault_point.h"
#include "launcher/process.h"
#include "launcher/tablespaces.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

using core::Status;

std::vector<Tablespace> find_tablespaces(const CloneJob &job) {
	auto found = tablespaces_for_copy(job.upstream, job.bin_path, job.state.db);
	if (found.ok())
		return std::move(*found);
	// Most clusters have none, so that this is no reason to make no copy.
	say("the upstream's tablespaces are not known: " + found.error().message);
	return {};
}

/// "=" separates the two.
std::string escaped(const std::string &path) {
	std::string text;
	for (const char c : path)
		text += c == '=' ? std::string("\\=") : std::string(1, c);
	return text;
}

Status copy(const CloneJob &job, const std::string &directory,
            const std::vector<Tablespace> &tablespaces) {
	Command command;
	command.argv = {
	    job.bin_path + "/pg_basebackup", "--pgdata=" + directory,
	    // The name is not that of the incarnation: only a standby may ever confirm
	    // commits (LESSONS A-5).
	    "--dbname=" + connection_string(job.upstream, "clone_" + job.state.db.value, ""),
	    "--wal-method=stream", "--checkpoint=fast", "--no-password", "--progress", "--verbose"};
	for (const auto &tablespace : tablespaces)
		command.argv.push_back("--tablespace-mapping=" + escaped(tablespace.upstream) + "=" +
		                       escaped(tablespace.here));
	if (!job.slot.empty())
		command.argv.push_back("--slot=" + job.slot);
	connect_only_there(job.upstream, command);
	return run_command(command);
}

/// The upstream's own files that must not be taken for ours. Its stolon.state is replaced by ours
/// in the very end; until then the copy is not complete.
Status make_ours(const CloneJob &job, const std::string &directory) {
	for (const char *name : {"postmaster.pid", "postmaster.opts", "recovery.signal"}) {
		const std::string path = directory + "/" + name;
		if (::unlink(path.c_str()) != 0 && errno != ENOENT)
			return core::Error{core::ErrorKind::Unavailable,
			                   "could not remove \"" + path + "\": " + std::strerror(errno)};
	}
	const auto system_id = read_system_id(directory);
	if (!system_id.ok())
		return system_id.error();
	if (!job.system_id.empty() && *system_id != job.system_id)
		return core::invalid("the upstream " + job.upstream.address() +
		                     " has the system identifier " + *system_id + ", the cluster's is " +
		                     job.system_id + ": another server answers at that address");
	FAULT_POINT("clone-checked");
	// The upstream's stolon.conf names the upstream; ours is written before the start.
	if (auto done = prepare_start(directory, "", "", true); !done.ok())
		return done;
	FAULT_POINT("clone-ours");
	if (auto done = write_cloned_from(directory, job.upstream_db); !done.ok())
		return done;
	return write_state(directory, job.state);
}

/// An earlier attempt may have come to its end. A copy of somebody else than who is to be followed
/// now is kept: it may have what nobody else has.
std::optional<Status> use_or_keep(const CloneJob &job, const std::string &directory) {
	if (!complete_state(directory, job.identity).ok())
		return {};
	if (cloned_from(directory) == job.upstream_db)
		return Status();
	const auto aside = set_aside(job.paths, directory);
	if (!aside.ok())
		return Status(aside.error());
	say("the complete copy of another upstream is kept in \"" + *aside + "\"");
	return {};
}

}  // namespace

Status run_clone(const CloneJob &job) {
	::umask(077);
	const std::string directory = job.paths.clone(job.state.db);
	if (auto made = use_or_keep(job, directory))
		return *made;
	if (auto done = remove_half_made(job.paths, job.identity, directory); !done.ok())
		return done;
	const auto tablespaces = find_tablespaces(job);
	std::vector<std::string> places;
	for (const auto &tablespace : tablespaces)
		places.push_back(tablespace.here);
	if (auto done = announce_directory(directory, job.identity, places); !done.ok())
		return done;
	FAULT_POINT("clone-announced");
	if (auto done = copy(job, directory, tablespaces); !done.ok()) {
		// It may have failed because the disk is full: what is half made only takes up room. The
		// next attempt tries again what cannot be removed now.
		if (auto removed = remove_half_made(job.paths, job.identity, directory); !removed.ok())
			say(removed.error().message);
		return done;
	}
	FAULT_POINT("clone-copied");
	auto done = make_ours(job, directory);
	FAULT_POINT("clone-whole");
	return done;
}

}  // namespace stolon::launcher
