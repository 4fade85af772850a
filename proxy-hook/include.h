// The operator's own settings for pgbouncer (--include): read, and checked against what
// stolon-proxy sets itself. What pgbouncer thinks of a value is asked of pgbouncer (trial.h).
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace stolon::proxy {

/// One "name = value", with its place for messages.
struct IncludedLine {
	std::string name, value;
	std::string file;
	int line = 0;

	std::string place() const { return file + ":" + std::to_string(line); }
	bool operator==(const IncludedLine &) const = default;
};

struct Included {
	std::vector<IncludedLine> databases;  ///< section [databases]; connection strings without host
	std::vector<IncludedLine> users;      ///< section [users]
	std::vector<IncludedLine> settings;   ///< section [pgbouncer]

	bool sets(const std::string &setting) const;
	bool operator==(const Included &) const = default;
};

/// The text of a file in pgbouncer's format. Invalid names the place and says what is wrong: what
/// is not in that format, unknown sections, and what stolon-proxy sets itself. `file` is for
/// messages; a line "%include" needs an absolute path.
core::Result<Included> parse_included(const std::string &text, const std::string &file);

/// Reads the file and parses it.
core::Result<Included> read_included(const std::string &file);

/// The same settings as one file.
std::string to_text(const Included &included);

}  // namespace stolon::proxy
