// Passwords come from files and go to files or to a child's stdin: never to a command line, the
// environment, a log, or the store.
#pragma once

#include <string>

#include "core/base/result.h"

namespace stolon::launcher {

/// The first line of a file that nobody else can read: owned by us with no permission for group and
/// others, or owned by root and at most readable for our group. Invalid says what to do.
core::Result<std::string> read_password(const std::string &path);

/// One line of a password file for libpq that fits every server and database.
std::string pgpass_line(const std::string &user, const std::string &password);

/// A text or a name as it stands in an SQL command.
std::string quote_literal(const std::string &text);
std::string quote_identifier(const std::string &name);

/// A value of a libpq connection string, in quotes.
std::string quote_conninfo(const std::string &value);

}  // namespace stolon::launcher
