// Who this process is, and random names.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/model/info.h"

namespace stolon::sentinel {

/// As in program, except that the process ends when there are no random numbers.
std::string random_hex(std::size_t digits);
std::vector<core::DbUid> random_db_uids(std::size_t count);

/// Host name and process id beside the uid.
core::SentinelInfo own_identity(core::SentinelUid uid);

}  // namespace stolon::sentinel
