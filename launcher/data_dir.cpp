#include "launcher/data_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>
#include <vector>

#include "launcher/entries.h"
#include "launcher/fault_point.h"
#include "launcher/replaced.h"
#include "launcher/tablespaces.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

using core::DataDir;
using core::DataKind;
using core::DataState;
using core::DbUid;
using core::Error;
using core::ErrorKind;
using core::Result;
using core::Status;

/// The incarnation in the name of a directory that a clone or an initdb made; nullopt: another
/// name.
std::optional<DbUid> made_for(const std::string &name) {
	for (const std::string_view prefix :
	     {Paths::clone_prefix, Paths::init_prefix, Paths::saving_prefix}) {
		if (name.compare(0, prefix.size(), prefix) != 0)
			continue;
		if (auto db = DbUid::parse(std::string_view(name).substr(prefix.size())); db.ok())
			return *db;
	}
	return {};
}

/// PGDATA is a directory with something in it.
DataDir inspect_content(const std::string &pgdata, const Identity &identity) {
	DataDir dir;
	dir.kind = DataKind::Foreign;
	if (!owned_by_us(pgdata)) {
		dir.problem = "\"" + pgdata + "\" does not belong to the user that runs the launcher";
		return dir;
	}
	if (!exists(pgdata + "/PG_VERSION")) {
		dir.problem = "\"" + pgdata + "\" is not empty and holds no database cluster";
		return dir;
	}
	auto text = store::read_small_file(pgdata + "/" + state_file);
	if (!text.ok()) {
		dir.problem = text.error().kind == ErrorKind::NotFound
		                  ? "\"" + pgdata + "\" holds a database cluster that stolon did not make"
		                  : text.error().message;
		return dir;
	}
	auto state = core::parse_data_state(*text);
	if (!state.ok()) {
		dir.problem =
		    "\"" + pgdata + "/" + state_file + "\" cannot be read: " + state.error().message;
		return dir;
	}
	if (state->cluster_name != identity.cluster_name || state->keeper != identity.keeper) {
		dir.problem = "\"" + pgdata + "\" belongs to keeper \"" + state->keeper.value +
		              "\" of cluster \"" + state->cluster_name + "\", and this is keeper \"" +
		              identity.keeper.value + "\" of cluster \"" + identity.cluster_name + "\"";
		return dir;
	}
	auto system_id = read_system_id(pgdata);
	if (!system_id.ok()) {
		dir.problem = system_id.error().message;
		return dir;
	}
	dir.kind = DataKind::Ours;
	dir.state = *state;
	dir.system_id = *system_id;
	dir.is_standby = is_standbys(pgdata);
	return dir;
}

/// A rewind was interrupted, or is going on: what stolon.state says may be the upstream's word. It
/// is over when our own new state has been written, which is its last step.
void take_note_of_rewind(const Paths &paths, DataDir &dir) {
	const auto text = store::read_small_file(paths.rewind_marker());
	const std::size_t end = text.ok() ? text->find('\n') : std::string::npos;
	const auto before =
	    end == std::string::npos
	        ? Result<DataState>(core::invalid("\"" + paths.rewind_marker() + "\" is damaged"))
	        : core::parse_data_state(text->substr(0, end));
	if (!before.ok()) {
		dir.kind = DataKind::Foreign;
		dir.problem = before.error().message;
		return;
	}
	if (dir.kind == DataKind::Ours && text->substr(end + 1) == dir.state.db.value + "\n")
		return;
	const auto system_id = read_system_id(paths.pgdata());
	dir.kind = DataKind::Ours;
	dir.problem.clear();
	dir.half_rewound = true;
	dir.state = *before;
	dir.system_id = system_id.ok() ? *system_id : std::string();
}

std::optional<DbUid> find_clone(const Paths &paths, const Identity &identity,
                                const std::optional<DbUid> &wanted) {
	std::optional<DbUid> found;
	for (const auto &name : entries_of(paths.root)) {
		const auto db = made_for(name);
		if (!db || name.compare(0, std::strlen(Paths::clone_prefix), Paths::clone_prefix) != 0)
			continue;
		const auto state = complete_state(paths.root + "/" + name, identity);
		if (!state.ok() || state->db != *db)
			continue;
		found = db;
		if (wanted && *wanted == *db)
			break;
	}
	return found;
}

/// True when the directory was announced by us and is certainly not complete.
Result<bool> is_half_made(const std::string &directory, const DbUid &db, const Identity &identity) {
	if (look_at(directory) == EntryKind::Other || !owned_by_us(directory))
		return false;
	auto announced = store::read_small_file(Paths::marker_of(directory));
	if (!announced.ok() || !announced->starts_with(identity.keeper.value + "\n"))
		return false;
	auto text = store::read_small_file(directory + "/" + state_file);
	if (!text.ok()) {
		if (text.error().kind == ErrorKind::NotFound)
			return true;
		return text.error();
	}
	// The state of a complete one was written atomically, so what cannot be parsed is a part of a
	// copy. A copy of the upstream's state names another db.
	const auto state = core::parse_data_state(*text);
	return !state.ok() || state->db != db || state->keeper != identity.keeper;
}

std::vector<std::string> announced_tablespaces(const std::string &directory) {
	const auto text = store::read_small_file(Paths::marker_of(directory));
	std::istringstream lines(text.ok() ? *text : std::string());
	std::vector<std::string> places;
	std::string line;
	std::getline(lines, line);
	while (std::getline(lines, line))
		places.push_back(line);
	return places;
}

Status set_signal_file(const std::string &path, bool wanted) {
	if (!wanted) {
		if (::unlink(path.c_str()) != 0 && errno != ENOENT)
			return system_error("remove \"" + path + "\"");
		return {};
	}
	return exists(path) ? Status() : store::write_file_atomically(path, "", 0600);
}

constexpr std::string_view include_line = "include_if_exists = 'stolon.conf'";

/// postgresql.conf belongs to the administrator; only the one line is ever added, at its end, where
/// it has the last word.
Status ensure_include(const std::string &pgdata) {
	const std::string path = pgdata + "/postgresql.conf";
	auto text = store::read_small_file(path);
	if (!text.ok())
		return text.error();
	std::istringstream lines(*text);
	std::string last;
	for (std::string line; std::getline(lines, line);) {
		const std::size_t begin = line.find_first_not_of(" \t\r");
		if (begin != std::string::npos && line[begin] != '#')
			last = line;
	}
	if (last == include_line)
		return {};
	std::string changed = *text;
	if (!changed.empty() && changed.back() != '\n')
		changed += '\n';
	changed += include_line;
	changed += '\n';
	return store::write_file_atomically(path, changed, 0600);
}

}  // namespace

Result<std::string> read_system_id(const std::string &pgdata) {
	const std::string path = pgdata + "/global/pg_control";
	auto bytes = store::read_small_file(path);
	if (!bytes.ok())
		return bytes.error();
	std::uint64_t id = 0;
	if (bytes->size() < sizeof id)
		return core::invalid("\"" + path + "\" is too short");
	// PostgreSQL writes it in the machine's own byte order.
	std::memcpy(&id, bytes->data(), sizeof id);
	return std::to_string(id);
}

bool is_standbys(const std::string &pgdata) {
	if (exists(pgdata + "/standby.signal") || exists(pgdata + "/" + standby_note))
		return true;
	// catalog/pg_control.h: behind the system identifier and two version numbers, the same from
	// PostgreSQL 9.5 on.
	constexpr std::size_t state_offset = 16;
	constexpr std::uint32_t shut_down_in_recovery = 2, in_archive_recovery = 5;
	const auto bytes = store::read_small_file(pgdata + "/global/pg_control");
	std::uint32_t state = 0;
	if (!bytes.ok() || bytes->size() < state_offset + sizeof state)
		return false;
	std::memcpy(&state, bytes->data() + state_offset, sizeof state);
	return state == shut_down_in_recovery || state == in_archive_recovery;
}

Status note_standby(const std::string &pgdata) {
	return store::write_file_atomically(pgdata + "/" + standby_note, "", 0600);
}

Status put_standby_signal_back(const std::string &pgdata) {
	if (auto done = set_signal_file(pgdata + "/standby.signal", true); !done.ok())
		return done;
	if (auto done = store::sync_path(pgdata); !done.ok())
		return done;
	if (::unlink((pgdata + "/" + standby_note).c_str()) != 0 && errno != ENOENT)
		return system_error("remove \"" + pgdata + "/" + standby_note + "\"");
	return {};
}

Result<DataState> complete_state(const std::string &directory, const Identity &identity) {
	const DataDir dir = look_at(directory) == EntryKind::Directory
	                        ? inspect_content(directory, identity)
	                        : DataDir();
	if (dir.kind != DataKind::Ours)
		return Error{ErrorKind::NotFound, "\"" + directory + "\" is not complete"};
	return dir.state;
}

DataDir inspect(const Paths &paths, const Identity &identity, const std::optional<DbUid> &wanted) {
	const std::string pgdata = paths.pgdata();
	DataDir dir;
	switch (look_at(pgdata)) {
		case EntryKind::Absent:
		case EntryKind::EmptyDirectory:
			break;
		case EntryKind::Directory:
			dir = inspect_content(pgdata, identity);
			if (exists(paths.rewind_marker()))
				take_note_of_rewind(paths, dir);
			break;
		case EntryKind::Other:
			dir.kind = DataKind::Foreign;
			dir.problem = "\"" + pgdata + "\" is not a directory (a symbolic link is not followed)";
			break;
		case EntryKind::Unreadable:
			dir.kind = DataKind::Foreign;
			dir.problem = "\"" + pgdata + "\" cannot be read";
			break;
	}
	dir.clone_ready = find_clone(paths, identity, wanted);
	if (dir.clone_ready)
		dir.clone_of = cloned_from(paths.clone(*dir.clone_ready));
	return dir;
}

Status announce_directory(const std::string &directory, const Identity &identity,
                          const std::vector<std::string> &tablespaces) {
	if (exists(directory))
		return core::invalid("\"" + directory + "\" is already there");
	std::string text = identity.keeper.value + "\n";
	for (const auto &place : tablespaces)
		text += place + "\n";
	return store::write_file_atomically(Paths::marker_of(directory), text, 0600);
}

Status remove_half_made(const Paths &paths, const Identity &identity, const std::string &needed) {
	for (const auto &name : entries_of(paths.root)) {
		const auto db = made_for(name);
		if (!db)
			continue;
		const std::string directory = paths.root + "/" + name;
		const auto half = is_half_made(directory, *db, identity);
		if (!half.ok())
			return half.error();
		if (!*half)
			continue;
		if (auto done = remove_tablespaces(announced_tablespaces(directory), *db); !done.ok())
			return done;
		std::error_code error;
		std::filesystem::remove_all(directory, error);
		if (error)
			return Error{ErrorKind::Unavailable, "could not remove the interrupted copy \"" +
			                                         directory + "\": " + error.message()};
		FAULT_POINT("half-made-removed");
		if (auto synced = store::sync_path(paths.root); !synced.ok())
			return synced;
		::unlink(Paths::marker_of(directory).c_str());
		FAULT_POINT("half-made-forgotten");
	}
	if (exists(needed))
		return core::invalid("\"" + needed +
		                     "\" is in the way, and it is not an interrupted copy of this "
		                     "launcher: move it away");
	return {};
}

DbUid cloned_from(const std::string &directory) {
	const auto text = store::read_small_file(directory + "/" + cloned_from_file);
	const auto db =
	    text.ok() ? DbUid::parse(text->substr(0, text->find('\n'))) : Result<DbUid>(text.error());
	return db.ok() ? *db : DbUid();
}

Status write_cloned_from(const std::string &directory, const DbUid &upstream) {
	return store::write_file_atomically(directory + "/" + cloned_from_file, upstream.value + "\n",
	                                    0600);
}

Status write_state(const std::string &directory, const DataState &state) {
	return store::write_file_atomically(directory + "/" + state_file,
	                                    core::data_state_to_text(state), 0600);
}

Status prepare_start(const std::string &pgdata, const std::string &stolon_conf,
                     const std::string &pg_hba, bool standby) {
	if (auto done = ensure_include(pgdata); !done.ok())
		return done;
	FAULT_POINT("start-include");
	if (auto done = store::write_file_atomically(pgdata + "/stolon.conf", stolon_conf, 0600);
	    !done.ok())
		return done;
	FAULT_POINT("start-conf");
	if (!pg_hba.empty()) {
		if (auto done = store::write_file_atomically(pgdata + "/pg_hba.conf", pg_hba, 0600);
		    !done.ok())
			return done;
	}
	FAULT_POINT("start-hba");
	if (auto done = set_signal_file(pgdata + "/standby.signal", standby); !done.ok())
		return done;
	FAULT_POINT("start-signal");
	if (auto done = store::sync_path(pgdata); !done.ok())
		return done;
	// It has been taken into account by whoever decided as what to start.
	::unlink((pgdata + "/" + standby_note).c_str());
	// The upstream's, or of a swap that was not to be after all.
	::unlink((pgdata + "/" + replaced_file).c_str());
	return {};
}

}  // namespace stolon::launcher
