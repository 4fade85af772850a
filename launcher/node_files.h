// The files of PGDATA that belong to this node and not to the cluster: postgresql.conf,
// postgresql.auto.conf, keys and certificates, whatever the administrator has put there. pg_rewind
// would replace them by the upstream's, or remove them.
#pragma once

#include <string>

#include "core/base/result.h"

namespace stolon::launcher {

/// Copies them into `kept`, which is made anew.
core::Status keep_node_files(const std::string &pgdata, const std::string &kept);

/// Puts them back; all is on disk afterwards.
core::Status restore_node_files(const std::string &kept, const std::string &pgdata);

/// True when a file of this name, directly in PGDATA, is the node's own.
bool is_node_file(const std::string &name);

}  // namespace stolon::launcher
