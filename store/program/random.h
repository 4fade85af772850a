// Random names.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace stolon::program {

/// `digits` lower-case hexadecimal digits from the kernel's random source (getrandom). Fails when
/// there is none: nothing may go on with guessable or repeated names.
core::Result<std::string> random_hex(std::size_t digits);

/// As many db uids. Fails as random_hex() does.
core::Result<std::vector<core::DbUid>> random_db_uids(std::size_t count);

}  // namespace stolon::program
