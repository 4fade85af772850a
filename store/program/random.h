// Random names.
#pragma once

#include <cstddef>
#include <string>

#include "core/base/result.h"

namespace stolon::program {

/// `digits` lower-case hexadecimal digits from the kernel's random source (getrandom). Fails when
/// there is none: nothing may go on with guessable or repeated names.
core::Result<std::string> random_hex(std::size_t digits);

}  // namespace stolon::program
