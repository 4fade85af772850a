// Where the tablespaces of a copy lie. What has been replaced keeps its own, so a copy cannot take
// the places that they have at the upstream: each incarnation has directories of its own in them.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "launcher/data_dir.h"
#include "launcher/upstream.h"

namespace stolon::launcher {

struct Tablespace {
	std::string upstream;  ///< where it lies there
	std::string here;      ///< where it is copied to
	bool operator==(const Tablespace &) const = default;
};

/// "<location>/stolon-<db>", for the location that was given to CREATE TABLESPACE, be `upstream` it
/// or itself a place of a copy.
std::string tablespace_of_copy(const std::string &upstream, const core::DbUid &db);

/// Whether a directory has a name that tablespace_of_copy() gives, with or without a number.
bool is_place_of_copy(const std::string &place);

/// Asks the upstream which ones it has. Where something of that name lies already, a number is
/// added to it. Fails as ask() does.
core::Result<std::vector<Tablespace>> tablespaces_for_copy(const UpstreamServer &upstream,
                                                           const std::string &bin_path,
                                                           const core::DbUid &db);

/// The numbers of the tablespaces that the upstream has and PGDATA has not. Fails as ask() does.
core::Result<std::vector<std::string>> tablespaces_missing(const UpstreamServer &upstream,
                                                           const std::string &bin_path,
                                                           const std::string &pgdata);

/// The directories of tablespaces that PGDATA or a copy of it refers to; none when `directory` is
/// no such thing.
core::Result<std::vector<std::string>> tablespaces_in(const std::string &directory);

/// Removes directories that were made for the copy `db`, and nothing that has another name.
core::Status remove_tablespaces(const std::vector<std::string> &places, const core::DbUid &db);

/// The directories of tablespaces that PGDATA or anything else beside it but `kept` refers to.
/// Fails when something there cannot be read.
core::Result<std::set<std::string>> tablespaces_of_others(const Paths &paths,
                                                          const std::string &kept);

/// Before the data directory `kept`, which was set aside, is removed: removes the tablespaces that
/// were made for it and that neither PGDATA nor another kept directory refers to. The others are
/// told, and left.
core::Status remove_tablespaces_of_kept(const Paths &paths, const std::string &kept);

}  // namespace stolon::launcher
