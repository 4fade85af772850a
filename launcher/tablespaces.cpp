#include "launcher/tablespaces.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>

#include "launcher/entries.h"
#include "launcher/process.h"

namespace stolon::launcher {

namespace {

using core::DbUid;
using core::Result;
using core::Status;
namespace fs = std::filesystem;

constexpr std::string_view copy_prefix = "stolon-";

/// The incarnation in the name of a directory that was made for a copy.
std::optional<DbUid> copy_in(const std::string &place) {
	const std::string name = fs::path(place).filename().string();
	if (!name.starts_with(copy_prefix))
		return {};
	const std::size_t dot = name.find('.');
	const auto db = DbUid::parse(std::string_view(name).substr(
	    copy_prefix.size(), dot == std::string::npos ? dot : dot - copy_prefix.size()));
	return db.ok() ? std::optional<DbUid>(*db) : std::nullopt;
}

Result<std::string> from_hexadecimal(std::string_view text) {
	std::string bytes;
	for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
		const auto digit = [&](std::size_t at) {
			return std::string_view("0123456789abcdef").find(text[at]);
		};
		if (digit(i) == std::string_view::npos || digit(i + 1) == std::string_view::npos)
			return core::invalid("the upstream's answer is not hexadecimal");
		bytes += static_cast<char>(digit(i) * 16 + digit(i + 1));
	}
	return bytes;
}

/// An earlier copy for the same incarnation may have been complete and is kept.
std::string unused(const std::string &place) {
	std::string name = place;
	for (int i = 2; exists(name); ++i)
		name = place + "." + std::to_string(i);
	return name;
}

// Hexadecimal, because a path may hold anything. In-place tablespaces have relative paths, and are
// a part of the data directory.
constexpr const char *query =
    "SELECT coalesce(string_agg(encode(convert_to(place, 'UTF8'), 'hex'), ' ' ORDER BY oid), '') "
    "FROM (SELECT oid, pg_catalog.pg_tablespace_location(oid) AS place "
    "FROM pg_catalog.pg_tablespace) AS tablespaces WHERE place LIKE '/%'";

Status remove_place(const std::string &place) {
	std::error_code error;
	fs::remove_all(place, error);
	return error ? Status(core::Error{core::ErrorKind::Unavailable,
	                                  "could not remove \"" + place + "\": " + error.message()})
	             : Status();
}

}  // namespace

std::string tablespace_of_copy(const std::string &upstream, const DbUid &db) {
	const fs::path given = upstream;
	const fs::path place = copy_in(upstream) ? given.parent_path() : given;
	return (place / (std::string(copy_prefix) + db.value)).string();
}

bool is_place_of_copy(const std::string &place) {
	return copy_in(place).has_value();
}

Result<std::vector<Tablespace>> tablespaces_for_copy(const UpstreamServer &upstream,
                                                     const std::string &bin_path, const DbUid &db) {
	const auto answer = ask(upstream, bin_path, query);
	if (!answer.ok())
		return answer.error();
	std::vector<Tablespace> tablespaces;
	for (std::size_t at = 0; at < answer->size();) {
		const std::size_t end = std::min(answer->find(' ', at), answer->size());
		auto place = from_hexadecimal(std::string_view(*answer).substr(at, end - at));
		if (!place.ok())
			return place.error();
		tablespaces.push_back({*place, unused(tablespace_of_copy(*place, db))});
		at = end + 1;
	}
	return tablespaces;
}

Result<std::vector<std::string>> tablespaces_missing(const UpstreamServer &upstream,
                                                     const std::string &bin_path,
                                                     const std::string &pgdata) {
	const auto answer = ask(upstream, bin_path,
	                        "SELECT coalesce(string_agg(oid::text, ' ' ORDER BY oid), '') FROM "
	                        "pg_catalog.pg_tablespace WHERE "
	                        "pg_catalog.pg_tablespace_location(oid) LIKE '/%'");
	if (!answer.ok())
		return answer.error();
	std::vector<std::string> missing;
	std::istringstream numbers(*answer);
	for (std::string number; numbers >> number;)
		if (!exists(pgdata + "/pg_tblspc/" + number))
			missing.push_back(number);
	return missing;
}

Result<std::vector<std::string>> tablespaces_in(const std::string &directory) {
	std::vector<std::string> places;
	const std::string links = directory + "/pg_tblspc";
	std::error_code error;
	fs::directory_iterator entry(links, error);
	if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
		return places;
	for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
		if (!entry->is_symlink(error))
			continue;
		places.push_back(fs::read_symlink(entry->path(), error).string());
		if (error)
			break;
	}
	if (error)
		return core::Error{core::ErrorKind::Unavailable,
		                   "could not read \"" + links + "\": " + error.message()};
	std::sort(places.begin(), places.end());
	return places;
}

Status remove_tablespaces(const std::vector<std::string> &places, const DbUid &db) {
	for (const auto &place : places)
		if (copy_in(place) == db && owned_by_us(place))
			if (auto done = remove_place(place); !done.ok())
				return done;
	return {};
}

Result<std::set<std::string>> tablespaces_of_others(const Paths &paths, const std::string &kept) {
	const auto names = list_entries(paths.root);
	if (!names.ok())
		return names.error();
	std::set<std::string> others;
	for (const auto &name : *names) {
		const std::string directory = paths.root + "/" + name;
		if (directory == kept)
			continue;
		const auto places = tablespaces_in(directory);
		if (!places.ok())
			return places.error();
		others.insert(places->begin(), places->end());
	}
	return others;
}

Status remove_tablespaces_of_kept(const Paths &paths, const std::string &kept) {
	// What cannot be read may be needed.
	const auto needed = tablespaces_of_others(paths, kept);
	if (!needed.ok())
		return needed.error();
	const auto own = tablespaces_in(kept);
	if (!own.ok())
		return own.error();
	for (const auto &place : *own) {
		if (needed->count(place) > 0)
			continue;
		if (!copy_in(place) || !owned_by_us(place)) {
			say("\"" + place + "\" is left: it was a tablespace of \"" + kept +
			    "\", and was not made by the launcher");
			continue;
		}
		if (auto done = remove_place(place); !done.ok())
			return done;
	}
	return {};
}

}  // namespace stolon::launcher
