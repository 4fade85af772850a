// What has to be proven before pg_rewind may change anything. Its own trial run writes nothing, and
// so finds nothing of what would stop it half way: then the data would be neither old nor new.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "launcher/process.h"
#include "launcher/rewind.h"

namespace stolon::launcher {

/// `archive`: WAL that is not here any more may come from the archive.
Command rewind_command(const RewindJob &job, bool archive);

/// Changes nothing. Invalid: these data cannot be rewound. Unavailable: it can be tried again; also
/// when there is not enough room.
core::Status try_rewind(const RewindJob &job, bool archive);

/// Invalid when pg_rewind, which walks through PGDATA and through the links of pg_wal and of the
/// tablespaces, would come to something that it may not write to; the node's own files do not
/// count, free_node_files() is for them.
core::Status check_writable(const std::string &pgdata);

/// Invalid when anything but this database's files lies in the location of a tablespace: pg_rewind
/// would remove it, as the upstream has no such thing.
core::Status check_locations(const std::string &pgdata);

/// Unavailable when one of the file systems that PGDATA lies on has not room for what is copied:
/// which part of it goes where is not known. Only a tablespace gets no WAL, `wal_bytes` of `bytes`.
core::Status check_room_for_rewind(const std::string &pgdata, std::uint64_t bytes,
                                   std::uint64_t wal_bytes);

}  // namespace stolon::launcher
