// The tablespaces of data directories that were set aside. They must not stay in the location that
// was given to CREATE TABLESPACE: who gives it to that command again makes a standby on this host
// replay it, and PostgreSQL then empties the directory that lies there (up to version 14), or goes
// on in it (from 15 on).
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "launcher/data_dir.h"

namespace stolon::launcher {

/// The directory below a tablespace's location in which PostgreSQL has the files of this data
/// directory, as "PG_15_202209061". catalog/catalog.h: TABLESPACE_VERSION_DIRECTORY.
core::Result<std::string> version_directory(const std::string &pgdata);

/// To be called while there is no PGDATA: a data directory that may be started is never without its
/// tablespaces. Moves that directory of each tablespace of a kept data directory to a place of the
/// launcher's in the same location, as a copy has one, and lets the link lead there. Can be
/// repeated after an interruption at any point. What cannot be moved stays, and
/// tablespaces_in_the_way() tells it.
void move_tablespaces_of_kept(const Paths &paths, const Identity &identity);

/// The locations given to CREATE TABLESPACE in which a kept data directory still has its files.
std::vector<std::string> tablespaces_in_the_way(const std::string &kept);

}  // namespace stolon::launcher
