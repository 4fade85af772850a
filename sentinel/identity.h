// Who this process is, and random names.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/model/info.h"

namespace stolon::sentinel {

/// `digits` lower-case hexadecimal digits from the kernel's random source (getrandom). Ends the
/// process when there is none: nothing here may go on with guessable or repeated names.
std::string random_hex(std::size_t digits);

std::vector<core::DbUid> random_db_uids(std::size_t count);

/// Host name and process id beside the uid.
core::SentinelInfo own_identity(core::SentinelUid uid);

}  // namespace stolon::sentinel
