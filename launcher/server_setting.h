// What PostgreSQL itself makes of a parameter: `postgres -C` reads the configuration and ends.
#pragma once

#include <map>
#include <string>

#include "core/base/result.h"

namespace stolon::launcher {

enum class Errors { Tell, Discard };

/// The value of a parameter for the data directory `pgdata`, with `parameters` on the command line.
/// Fails when PostgreSQL does not know the name or refuses its configuration; its own words go to
/// stderr, unless they are discarded.
core::Result<std::string> server_setting(const std::string &bin_path, const std::string &pgdata,
                                         const std::string &name,
                                         const std::map<std::string, std::string> &parameters,
                                         Errors errors);

}  // namespace stolon::launcher
