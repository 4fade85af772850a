#include "launcher/kept_tablespaces.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>

#include "launcher/entries.h"
#include "launcher/fault_point.h"
#include "launcher/tablespaces.h"
#include "store/files.h"

namespace stolon::launcher {

namespace {

using core::DbUid;
using core::Result;
using core::Status;
namespace fs = std::filesystem;

/// One tablespace that lies where CREATE TABLESPACE has put it.
struct Given {
	std::string link;      ///< in pg_tblspc of the kept directory
	std::string location;  ///< where that leads
};

std::vector<Given> given_in(const std::string &directory) {
	std::vector<Given> found;
	const std::string links = directory + "/pg_tblspc";
	for (const auto &name : entries_of(links)) {
		std::error_code error;
		const std::string link = links + "/" + name;
		const fs::path place = fs::read_symlink(link, error);
		if (!error && place.is_absolute() && !is_place_of_copy(place.string()))
			found.push_back({link, place.string()});
	}
	return found;
}

/// "<location>/stolon-<db>", with a number where something lies already; also the one to which an
/// interrupted attempt has moved the files. "": there is nothing to be moved.
std::string place_for(const Given &given, const DbUid &db, const std::string &version,
                      const std::set<std::string> &others) {
	const bool is_here = exists(given.location + "/" + version);
	const std::string base = tablespace_of_copy(given.location, db);
	std::string place = base;
	for (int i = 2; exists(place); ++i) {
		const bool free = others.count(place) == 0 && owned_by_us(place);
		if (free && is_here && look_at(place) == EntryKind::EmptyDirectory)
			return place;
		if (free && !is_here && exists(place + "/" + version))
			return place;
		place = base + "." + std::to_string(i);
	}
	return is_here ? place : "";
}

Status move_files(const Given &given, const std::string &place, const std::string &version) {
	const std::string from = given.location + "/" + version;
	if (!exists(from))
		return {};
	if (::mkdir(place.c_str(), 0700) != 0 && errno != EEXIST)
		return system_error("make \"" + place + "\"");
	if (auto done = rename_new(from, place + "/" + version); !done.ok())
		return done;
	FAULT_POINT("aside-tablespace-moved");
	if (auto done = store::sync_path(place); !done.ok())
		return done;
	return store::sync_path(given.location);
}

/// Atomically: the link never leads nowhere.
Status let_link_lead_to(const std::string &link, const std::string &place) {
	const std::string fresh = link + ".stolon";
	::unlink(fresh.c_str());
	if (::symlink(place.c_str(), fresh.c_str()) != 0)
		return system_error("make \"" + fresh + "\"");
	if (std::rename(fresh.c_str(), link.c_str()) != 0)
		return system_error("rename \"" + fresh + "\"");
	FAULT_POINT("aside-tablespace-linked");
	return store::sync_path(fs::path(link).parent_path().string());
}

/// What a rewind had not brought to its end may call itself the upstream's.
DbUid db_of(const std::string &kept, const Identity &identity) {
	const auto state = complete_state(kept, identity);
	return state.ok() ? state->db : DbUid{"00000000"};
}

}  // namespace

Result<std::string> version_directory(const std::string &pgdata) {
	// catalog/pg_control.h: behind the system identifier and pg_control's own version, the same
	// from PostgreSQL 8.3 on.
	constexpr std::size_t catalog_offset = 12;
	const auto version = store::read_small_file(pgdata + "/PG_VERSION");
	if (!version.ok())
		return version.error();
	const auto control = store::read_small_file(pgdata + "/global/pg_control");
	if (!control.ok())
		return control.error();
	std::uint32_t catalog = 0;
	if (control->size() < catalog_offset + sizeof catalog)
		return core::invalid("\"" + pgdata + "/global/pg_control\" is too short");
	std::memcpy(&catalog, control->data() + catalog_offset, sizeof catalog);
	return "PG_" + version->substr(0, version->find('\n')) + "_" + std::to_string(catalog);
}

void move_tablespaces_of_kept(const Paths &paths, const Identity &identity) {
	for (const auto &name : diverged_directories(paths)) {
		const std::string kept = paths.root + "/" + name;
		const auto tablespaces = given_in(kept);
		if (tablespaces.empty())
			continue;
		const auto version = version_directory(kept);
		const auto others = tablespaces_of_others(paths, kept);
		if (!version.ok() || !others.ok())
			continue;
		for (const auto &given : tablespaces) {
			// Whose the files are that lie in a location of two cannot be told.
			if (others->count(given.location) > 0)
				continue;
			const std::string place = place_for(given, db_of(kept, identity), *version, *others);
			if (!place.empty() && move_files(given, place, *version).ok())
				(void)let_link_lead_to(given.link, place);
		}
	}
}

std::vector<std::string> tablespaces_in_the_way(const std::string &kept) {
	std::vector<std::string> locations;
	for (const auto &given : given_in(kept))
		locations.push_back(given.location);
	return locations;
}

}  // namespace stolon::launcher
