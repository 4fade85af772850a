// The files of PGDATA that belong to this node and not to the cluster: postgresql.conf,
// postgresql.auto.conf, keys and certificates, whatever the administrator has put there. pg_rewind
// would replace them by the upstream's, or remove them.
#pragma once

#include <string>

#include "core/base/result.h"

namespace stolon::launcher {

/// Copies them into `kept`, which is made anew; those of another user are only moved there by
/// free_node_files(), because a copy would be ours, and PostgreSQL refuses such a key.
core::Status keep_node_files(const std::string &pgdata, const std::string &kept);

/// After that: lets them be written to, which pg_rewind does, also where they are read-only.
core::Status free_node_files(const std::string &pgdata, const std::string &kept);

/// Puts them back, as they were; all is on disk afterwards.
core::Status restore_node_files(const std::string &kept, const std::string &pgdata);

/// True when a file of this name, directly in PGDATA, is the node's own.
bool is_node_file(const std::string &name);

}  // namespace stolon::launcher
