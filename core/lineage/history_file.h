// PostgreSQL's timeline history files (pg_wal/00000002.history).
#pragma once

#include <string_view>
#include <vector>

#include "core/model/info.h"

namespace stolon::core {

/// The ancestors that such a file lists, oldest first. Lines that are not understood are left out.
std::vector<HistoryEntry> parse_history_file(std::string_view text);

}  // namespace stolon::core
