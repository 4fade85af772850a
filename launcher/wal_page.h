// The header of a page of WAL on disk.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"

namespace stolon::launcher {

/// The position in the WAL that the page says it holds, which begins `offset` bytes behind the
/// beginning of this file. Files of WAL are used again under another name, with their old content:
/// only this tells what a page really holds. NotFound: there is no such file or page. Unavailable:
/// it cannot be read.
core::Result<std::uint64_t> page_address(const std::string &path, std::uint64_t offset);

}  // namespace stolon::launcher
