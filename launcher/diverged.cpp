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

/// The files in pg_wal that hold something behind the fork, and the histories.
std::vector<fs::path> files_to_keep(const std::string &pgdata, const Examination &found) {
	const WalShape &shape = found.control.shape;
	std::vector<fs::path> files;
	std::error_code ignored;
	for (const auto &entry : fs::directory_iterator(pgdata + "/pg_wal", ignored)) {
		const std::string name = entry.path().filename().string();
		const auto wal = parse_wal_file(name, shape);
		// Files of later numbers are empty ones that are ready for use.
		const bool behind = wal && wal->segment >= shape.segment_of(found.back.fork.lsn) &&
		                    wal->segment <= shape.segment_of(found.line.position.lsn) &&
		                    std::any_of(found.back.beyond.begin(), found.back.beyond.end(),
		                                [&](const auto &r) { return r.timeline == wal->timeline; });
		if (behind || name.ends_with(".history"))
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

/// Reports a whole data directory that was moved aside. When it was moved is told by the time of
/// the last change of its entry.
Status report_now(const Paths &paths, const Identity &identity, const std::string &bin_path,
                  const core::Lineage &upstream, DivergedData data) {
	const std::string directory = paths.root + "/" + data.name;
	struct stat status = {};
	data.time =
	    utc_time(::stat(directory.c_str(), &status) == 0 ? status.st_ctime : std::time(nullptr));
	if (const auto state = complete_state(directory, identity); state.ok())
		data.db = state->db;
	const auto found = examine(bin_path, directory, upstream);
	if (!found.ok())
		data.problem = found.error().message;
	take_findings(found.ok() ? &*found : nullptr, data);
	return write_report(directory, identity, data, found.ok() ? &*found : nullptr);
}

}  // namespace

Status tidy_diverged(const Paths &paths, const Identity &identity, const std::string &bin_path,
                     const std::optional<core::Lineage> &upstream, int keep) {
	const auto list = list_diverged(paths);
	for (const auto &data : list) {
		if (!upstream || !lacks_report(data))
			continue;
		FAULT_POINT("tidy-reporting");
		if (auto done = report_now(paths, identity, bin_path, *upstream, data); !done.ok())
			return done;
	}
	for (std::size_t i = static_cast<std::size_t>(std::max(keep, 1)); i < list.size(); ++i) {
		const std::string directory = paths.root + "/" + list[i].name;
		say("removing \"" + directory + "\": there are more than keepDiverged, " +
		    std::to_string(keep));
		if (auto done = remove_tablespaces_of_kept(paths, directory); !done.ok())
			return done;
		std::error_code error;
		fs::remove_all(directory, error);
		if (error)
			return Error{ErrorKind::Unavailable,
			             "could not remove \"" + directory + "\": " + error.message()};
		FAULT_POINT("tidy-removed");
	}
	return {};
}

}  // namespace stolon::launcher
