// The part of diverged.h about what is done with whatever was set aside: reports, and removals.
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "launcher/diverged.h"
#include "launcher/entries.h"
#include "launcher/fault_point.h"
#include "launcher/process.h"
#include "launcher/replaced.h"
#include "launcher/report.h"
#include "launcher/tablespaces.h"

namespace stolon::launcher {

namespace {

using core::DivergedData;
using core::Error;
using core::ErrorKind;
using core::Status;
namespace fs = std::filesystem;

/// What would be lost with it; greater is more.
enum class Worth { Nothing, Records, Commits };

/// An old master nearly always has a few records behind the fork, also when no commit was lost. The
/// WAL of a half rewound directory is kept in another one, so that it is not the only copy.
Worth worth_of(const DivergedData &data) {
	const bool on_the_line = data.end.lsn.valid() && data.fork == data.end;
	const bool lost = data.commits > 0 || data.prepared > 0;
	if (data.half_rewound || (on_the_line && !lost))
		return Worth::Nothing;
	return lost ? Worth::Commits : Worth::Records;
}

}  // namespace

bool lacks_report(const DivergedData &data) {
	return data.time.empty();
}

std::vector<std::string> removable_diverged(const std::vector<DivergedData> &list, int keep) {
	const auto bound = static_cast<std::size_t>(std::max(keep, 1));
	std::vector<std::string> names;
	std::size_t kept = 0;
	// First all that matter most, then what still fits in.
	for (const Worth worth : {Worth::Commits, Worth::Records, Worth::Nothing}) {
		std::vector<std::string> beyond;
		for (std::size_t i = 0; i < list.size(); ++i) {
			if (!list[i].examined || worth_of(list[i]) != worth)
				continue;
			if (kept < bound || i == 0)
				++kept;
			else
				beyond.push_back(list[i].name);
		}
		names.insert(names.begin(), beyond.rbegin(), beyond.rend());
	}
	return names;
}

namespace {

/// The complete copies beside PGDATA that were not made for the incarnation that lies there.
std::vector<core::DbUid> forgotten_clones(const Paths &paths, const Identity &identity,
                                          const core::DbUid &own) {
	const std::string prefix = Paths::clone_prefix;
	std::vector<core::DbUid> clones;
	for (const auto &name : entries_of(paths.root)) {
		if (!name.starts_with(prefix))
			continue;
		const auto db = core::DbUid::parse(name.substr(prefix.size()));
		const auto state = complete_state(paths.root + "/" + name, identity);
		if (db.ok() && *db != own && state.ok() && state->db == *db)
			clones.push_back(*db);
	}
	return clones;
}

/// They are set aside to be examined and counted like everything else: such a copy may have been
/// made of a master that is lost, and have what nobody else has.
Status set_clones_aside(const TidyJob &job) {
	for (const auto &db : forgotten_clones(job.paths, job.identity, job.own)) {
		const auto aside = set_aside(job.paths, job.paths.clone(db));
		if (!aside.ok())
			return aside.error();
		say("the copy for db " + db.value + ", which nobody asks for any more, is kept in \"" +
		    *aside + "\"");
	}
	return {};
}

/// The name says that nobody can use any more what is left there.
Status finish_removal(const Paths &paths, const std::string &directory) {
	if (auto done = remove_tablespaces_of_kept(paths, directory); !done.ok())
		return done;
	std::error_code error;
	fs::remove_all(directory, error);
	if (error)
		return Error{ErrorKind::Unavailable,
		             "could not remove \"" + directory + "\": " + error.message()};
	FAULT_POINT("tidy-removed");
	return {};
}

Status finish_removals(const Paths &paths) {
	for (const auto &name : half_removed_directories(paths))
		if (auto done = finish_removal(paths, paths.root + "/" + name); !done.ok())
			return done;
	return {};
}

Status remove_kept(const Paths &paths, const std::string &name) {
	say("removing \"" + paths.root + "/" + name + "\": there are more than keepDiverged");
	const auto removing = begin_removal(paths, name);
	return removing.ok() ? finish_removal(paths, *removing) : Status(removing.error());
}

/// When it was moved aside is told by the time of the last change of its entry.
std::string moved_at(const std::string &directory) {
	struct stat status = {};
	return utc_time(::stat(directory.c_str(), &status) == 0 ? status.st_ctime : std::time(nullptr));
}

/// What was found out before the rewind began holds for what is left of the data, too.
Status report_half_rewound(const TidyJob &job, const std::string &directory, DivergedData data) {
	data.half_rewound = true;
	data.problem = "a rewind of it was interrupted";
	const auto list = list_diverged(job.paths);
	const auto wal = std::find_if(list.begin(), list.end(), [&](const DivergedData &other) {
		return !other.whole && other.examined && other.db == data.db;
	});
	if (wal != list.end()) {
		data.examined = true;
		data.fork = wal->fork;
		data.end = wal->end;
		data.commits = wal->commits;
		data.prepared = wal->prepared;
		data.first_commit = wal->first_commit;
		data.last_commit = wal->last_commit;
		data.problem += "; the WAL that only it had was copied to " + wal->name + " before";
	} else {
		data.problem += "; the WAL that only it had was copied before, and is not here any more";
	}
	return write_report(directory, job.identity, data, nullptr);
}

/// Reports a whole data directory that was moved aside.
Status report_now(const TidyJob &job, DivergedData data) {
	const std::string directory = job.paths.root + "/" + data.name;
	const auto why = why_replaced(directory);
	if (!why.ok())
		return why.error();
	data.time = moved_at(directory);
	data.db = why->db;
	if (why->half_rewound)
		return report_half_rewound(job, directory, std::move(data));
	const auto state = complete_state(directory, job.identity);
	if (state.ok())
		data.db = state->db;
	// Without a state nobody knows that it never was a primary's.
	const bool was_primary = !state.ok() || state->was_primary;
	const auto found = judge(job.bin_path, directory, *why, was_primary, *job.master);
	// It is examined again.
	if (!found.ok() && found.error().kind == ErrorKind::Unavailable)
		return found.error();
	if (!found.ok())
		data.problem = found.error().message;
	take_findings(found.ok() ? &*found : nullptr, data);
	return write_report(directory, job.identity, data, found.ok() ? &*found : nullptr);
}

}  // namespace

int count_left_over(const Paths &paths, const Identity &identity, const core::DbUid &own) {
	return static_cast<int>(half_removed_directories(paths).size() +
	                        forgotten_clones(paths, identity, own).size());
}

Status tidy_diverged(const TidyJob &job) {
	// What cannot be done, for lack of room perhaps, must not keep from making room.
	Status first_failure;
	const auto note = [&first_failure](Status done) {
		if (first_failure.ok() && !done.ok())
			first_failure = std::move(done);
	};
	note(finish_removals(job.paths));
	note(set_clones_aside(job));
	for (const auto &data : list_diverged(job.paths)) {
		if (!job.master || !lacks_report(data))
			continue;
		FAULT_POINT("tidy-reporting");
		note(report_now(job, data));
	}
	for (const auto &name : removable_diverged(list_diverged(job.paths), job.keep))
		note(remove_kept(job.paths, name));
	return first_failure;
}

}  // namespace stolon::launcher
