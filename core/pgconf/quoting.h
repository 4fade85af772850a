// Quoting for the three notations that PostgreSQL's files mix: postgresql.conf, conninfo strings
// and pg_hba.conf. Used by pgconf.cpp only.
#pragma once

#include <string>
#include <string_view>

namespace stolon::core {

/// 'value' for postgresql.conf: quotes and backslashes doubled. The caller has made sure that there
/// is no newline and no NUL, which the notation cannot carry.
std::string quote_conf(std::string_view value);

/// 'value' for a conninfo string: quotes and backslashes behind a backslash.
std::string quote_conninfo(std::string_view value);

/// "value" for pg_hba.conf: double quotes doubled, which also takes keywords and prefixes ("all",
/// "+", "@") their meaning. Control characters are dropped: the line then matches nobody.
std::string quote_hba(std::string_view value);

/// True if the text can stand in one line of a PostgreSQL file.
bool fits_in_one_line(std::string_view value);

}  // namespace stolon::core
