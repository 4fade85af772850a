#include "launcher/diverged.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <functional>

#include "launcher/entries.h"
#include "launcher/fault_point.h"
#include "launcher/process.h"
#include "launcher/report.h"
#include "launcher/tablespaces.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

using core::DivergedData;
using core::Error;
using core::ErrorKind;
using core::Result;
using core::Status;
namespace fs = std::filesystem;

std::string utc_time(std::time_t at) {
	std::tm parts = {};
	::gmtime_r(&at, &parts);
	char text[32];
	std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
	return text;
}

/// Whether such a file holds anything of its own segment: its first page has that place in its
/// header. One that PostgreSQL has made for later is empty, or has another segment's pages.
/// access/xlog_internal.h: xlp_pageaddr, the same from PostgreSQL 9.3 on.
bool is_begun(const fs::path &path, const WalFile &file, const WalShape &shape) {
	constexpr std::size_t address_offset = 8;
	const OwnedFd opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
	std::uint64_t address = 0;
	// What cannot be read is not left out: the copy fails then, and says so.
	if (!opened.valid() ||
	    ::pread(opened.get(), &address, sizeof address, address_offset) != sizeof address)
		return true;
	return address == file.segment * shape.segment;
}

/// The files in pg_wal that hold something behind the fork, and the histories. Where the WAL was
/// found to end does not count: what lies behind a place that could not be read is kept, too.
std::vector<fs::path> files_to_keep(const std::string &pgdata, const Examination &found) {
	const WalShape &shape = found.control.shape;
	std::vector<fs::path> files;
	std::error_code ignored;
	for (const auto &entry : fs::directory_iterator(pgdata + "/pg_wal", ignored)) {
		const std::string name = entry.path().filename().string();
		const auto wal = parse_wal_file(name, shape);
		const bool behind = wal && wal->segment >= shape.segment_of(found.back.fork.lsn) &&
		                    std::any_of(found.back.beyond.begin(), found.back.beyond.end(),
		                                [&](const auto &r) { return r.timeline == wal->timeline; });
		if ((behind && is_begun(entry.path(), *wal, shape)) || name.ends_with(".history"))
			files.push_back(entry.path());
	}
	return files;
}

std::uint64_t size_of(const std::vector<fs::path> &files) {
	std::uint64_t bytes = 0;
	for (const auto &file : files) {
		std::error_code error;
		const auto size = fs::file_size(file, error);
		bytes += error ? 0 : size;
	}
	return bytes;
}

Status copy_durably(const fs::path &from, const fs::path &to) {
	std::error_code error;
	fs::copy_file(from, to, error);
	if (error)
		return Error{ErrorKind::Unavailable, "could not copy \"" + from.string() + "\" to \"" +
		                                         to.string() + "\": " + error.message()};
	return store::sync_path(to.string());
}

Status make_kept_copy(const std::string &directory, const std::vector<fs::path> &files) {
	FAULT_POINT("saving-announced");
	const std::string wal = directory + "/pg_wal";
	for (const std::string &path : {directory, wal})
		if (::mkdir(path.c_str(), 0700) != 0)
			return Error{ErrorKind::Unavailable, "could not make \"" + path + "\""};
	for (const auto &file : files) {
		say("keeping " + file.filename().string());
		if (auto done = copy_durably(file, fs::path(wal) / file.filename()); !done.ok())
			return done;
	}
	FAULT_POINT("saving-copied");
	return store::sync_path(wal);
}

/// What an earlier attempt has kept already. It may have gone on to the crash recovery, which adds
/// a checkpoint to the WAL.
std::optional<std::string> kept_before(const Paths &paths, const DivergedData &wanted) {
	for (const auto &data : list_diverged(paths))
		if (!data.whole && data.examined && data.db == wanted.db && data.fork == wanted.fork &&
		    data.commits == wanted.commits)
			return paths.root + "/" + data.name;
	return {};
}

}  // namespace

Result<std::string> keep_diverged_wal(const Paths &paths, const Identity &identity,
                                      const core::DataState &owner, const core::DbUid &next,
                                      const Examination &found) {
	DivergedData data;
	data.time = utc_time(std::time(nullptr));
	data.db = owner.db;
	take_findings(&found, data);
	if (auto before = kept_before(paths, data))
		return *before;
	const auto files = files_to_keep(paths.pgdata(), found);
	if (auto done = check_room("the diverged WAL cannot be kept", paths.root, size_of(files));
	    !done.ok())
		return done.error();
	const std::string directory = paths.saving(next);
	for (const auto &step : {
	         std::function<Status()>([&] { return announce_directory(directory, identity); }),
	         std::function<Status()>([&] { return make_kept_copy(directory, files); }),
	         std::function<Status()>(
	             [&] { return write_report(directory, identity, data, &found); }),
	     })
		if (auto done = step(); !done.ok())
			return done.error();
	return set_aside(paths, directory);
}

std::vector<DivergedData> list_diverged(const Paths &paths) {
	std::vector<DivergedData> list;
	for (const std::string &name : diverged_directories(paths)) {
		const std::string directory = paths.root + "/" + name;
		const auto text = store::read_small_file(directory + "/" + findings_file);
		auto data = text.ok() ? core::parse_diverged(*text) : Result<DivergedData>(text.error());
		if (!data.ok()) {
			data = DivergedData();
			data->whole = ::access((directory + "/PG_VERSION").c_str(), F_OK) == 0;
		}
		data->name = name;
		list.push_back(std::move(*data));
	}
	return list;
}

bool lacks_report(const DivergedData &data) {
	return data.time.empty();
}

namespace {

/// All of it was found to lie on the master's line.
bool holds_nothing(const DivergedData &data) {
	return data.commits == 0 && data.end.lsn.valid() && data.fork == data.end;
}

}  // namespace

std::vector<std::string> removable_diverged(const std::vector<DivergedData> &list, int keep) {
	const auto bound = static_cast<std::size_t>(std::max(keep, 1));
	std::vector<std::string> names;
	std::size_t kept = 0;
	// First all that have something of their own, then what still fits in.
	for (const bool worthless : {false, true}) {
		std::vector<std::string> beyond;
		for (std::size_t i = 0; i < list.size(); ++i) {
			if (!list[i].examined || holds_nothing(list[i]) != worthless)
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

/// Data that have only ever been a standby's, on the very timeline that the master is on, and not
/// beyond it: all of them came from there. way_back() does not compare such lines, because what was
/// promoted may have taken the same number; this was not.
bool is_part_of(const core::DataState &state, const std::string &directory,
                const core::Lineage &upstream, const Examination &found) {
	return !state.was_primary && found.control.standby &&
	       look_at(directory + "/standby.signal") != EntryKind::Absent &&
	       found.line.position.timeline == upstream.position.timeline &&
	       found.line.history == upstream.history;
}

/// Reports a whole data directory that was moved aside. When it was moved is told by the time of
/// the last change of its entry.
Status report_now(const Paths &paths, const Identity &identity, const std::string &bin_path,
                  const core::Lineage &upstream, DivergedData data) {
	const std::string directory = paths.root + "/" + data.name;
	struct stat status = {};
	data.time =
	    utc_time(::stat(directory.c_str(), &status) == 0 ? status.st_ctime : std::time(nullptr));
	const auto state = complete_state(directory, identity);
	if (state.ok())
		data.db = state->db;
	auto found = examine(bin_path, directory, upstream);
	// It is examined again.
	if (!found.ok() && found.error().kind == ErrorKind::Unavailable)
		return found.error();
	if (!found.ok())
		data.problem = found.error().message;
	if (found.ok() && state.ok() && found->back.way == core::Way::Clone &&
	    is_part_of(*state, directory, upstream, *found)) {
		const auto end = end_of_wal(bin_path, directory);
		if (end.ok() && end->lsn <= upstream.position.lsn) {
			found->line.position = *end;
			found->back = core::WayBack();
			found->back.way = core::Way::Follow;
			found->back.fork = *end;
		}
	}
	take_findings(found.ok() ? &*found : nullptr, data);
	return write_report(directory, identity, data, found.ok() ? &*found : nullptr);
}

Status remove_kept(const Paths &paths, const std::string &name) {
	const std::string directory = paths.root + "/" + name;
	say("removing \"" + directory + "\": there are more than keepDiverged");
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

}  // namespace

Status tidy_diverged(const Paths &paths, const Identity &identity, const std::string &bin_path,
                     const std::optional<core::Lineage> &upstream, int keep) {
	// A report for which there is no room must not keep from making room.
	Status first_failure;
	const auto note = [&first_failure](Status done) {
		if (first_failure.ok() && !done.ok())
			first_failure = std::move(done);
	};
	for (const auto &data : list_diverged(paths)) {
		if (!upstream || !lacks_report(data))
			continue;
		FAULT_POINT("tidy-reporting");
		note(report_now(paths, identity, bin_path, *upstream, data));
	}
	for (const auto &name : removable_diverged(list_diverged(paths), keep))
		note(remove_kept(paths, name));
	return first_failure;
}

}  // namespace stolon::launcher
