// Text for a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stolon::ctl {

/// Columns padded to their widest cell, two spaces apart, each line indented by two. Empty rows
/// (besides `header`) give "".
class Table {
public:
	explicit Table(std::vector<std::string> header);
	void add(std::vector<std::string> row);
	/// A line below the last row, over all columns.
	void add_note(std::string note);
	std::string text() const;

private:
	struct Row {
		std::vector<std::string> cells;
		std::vector<std::string> notes;
	};
	std::vector<Row> rows_;
};

/// What came from the store may hold anything; control characters are shown as '?'.
std::string printable(std::string_view text);

/// "0 B", "12 kB", "3.4 MB"
std::string format_bytes(std::uint64_t bytes);

}  // namespace stolon::ctl
