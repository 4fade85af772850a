#include "launcher/diverged.h"

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
#include "launcher/wal_page.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

using core::DivergedData;
using core::Error;
using core::ErrorKind;
using core::Result;
using core::Status;
namespace fs = std::filesystem;

/// Whether such a file holds anything of its own segment. One that PostgreSQL has made for later is
/// empty, or has another segment's pages.
bool is_begun(const fs::path &path, const WalFile &file, const WalShape &shape) {
	const auto address = page_address(path.string(), 0);
	// What cannot be read is not left out: the copy fails then, and says so.
	return !address.ok() || *address == file.segment * shape.segment;
}

/// Whatever else is missing in a list, the file is there in which what was read begins.
bool has_file_of_fork(const std::vector<fs::path> &files, const Examination &found) {
	return std::any_of(files.begin(), files.end(), [&](const fs::path &file) {
		return std::any_of(found.back.beyond.begin(), found.back.beyond.end(), [&](const auto &r) {
			return file.filename() == found.control.shape.file_of({r.timeline, r.from});
		});
	});
}

/// The files in pg_wal that hold something behind the fork, and the histories. Where the WAL was
/// found to end does not count: what lies behind a place that could not be read is kept, too.
Result<std::vector<fs::path>> files_to_keep(const std::string &pgdata, const Examination &found) {
	const WalShape &shape = found.control.shape;
	const fs::path directory = pgdata + "/pg_wal";
	const auto names = list_entries(directory.string());
	if (!names.ok())
		return names.error();
	std::vector<fs::path> files;
	for (const auto &name : *names) {
		const auto wal = parse_wal_file(name, shape);
		const bool behind = wal && wal->segment >= shape.segment_of(found.back.fork.lsn) &&
		                    std::any_of(found.back.beyond.begin(), found.back.beyond.end(),
		                                [&](const auto &r) { return r.timeline == wal->timeline; });
		if ((behind && is_begun(directory / name, *wal, shape)) || name.ends_with(".history"))
			files.push_back(directory / name);
	}
	if (found.beyond.records > 0 && !has_file_of_fork(files, found))
		return Error{ErrorKind::Unavailable,
		             "the WAL that begins at " + found.back.fork.to_string() +
		                 " was read, and is not in the list of \"" + directory.string() + "\""};
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

std::string utc_time(std::time_t at) {
	std::tm parts = {};
	::gmtime_r(&at, &parts);
	char text[32];
	std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
	return text;
}

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
	if (!files.ok())
		return files.error();
	if (auto done = check_room("the diverged WAL cannot be kept", paths.root, size_of(*files));
	    !done.ok())
		return done.error();
	const std::string directory = paths.saving(next);
	for (const auto &step : {
	         std::function<Status()>([&] { return announce_directory(directory, identity); }),
	         std::function<Status()>([&] { return make_kept_copy(directory, *files); }),
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

}  // namespace stolon::launcher
