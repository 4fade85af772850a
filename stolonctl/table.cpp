#include "stolonctl/table.h"

#include <algorithm>
#include <cstdint>

namespace stolon::ctl {

Table::Table(std::vector<std::string> header) {
	rows_.push_back({std::move(header), {}});
}

void Table::add(std::vector<std::string> row) {
	for (std::string &cell : row) {
		cell = cell.empty() ? "-" : printable(cell);
	}
	row.resize(rows_.front().cells.size(), "-");
	rows_.push_back({std::move(row), {}});
}

void Table::add_note(std::string note) {
	rows_.back().notes.push_back(printable(note));
}

std::string Table::text() const {
	if (rows_.size() == 1) {
		return "";
	}
	std::vector<std::size_t> widths(rows_.front().cells.size());
	for (const Row &row : rows_) {
		for (std::size_t i = 0; i < widths.size(); ++i) {
			widths[i] = std::max(widths[i], row.cells[i].size());
		}
	}
	std::string out;
	for (const Row &row : rows_) {
		std::string line;
		for (std::size_t i = 0; i < widths.size(); ++i) {
			line += "  " + row.cells[i];
			if (i + 1 < widths.size()) {
				line.append(widths[i] - row.cells[i].size(), ' ');
			}
		}
		out += line + "\n";
		for (const std::string &note : row.notes) {
			out += "      " + note + "\n";
		}
	}
	return out;
}

std::string printable(std::string_view text) {
	std::string out(text);
	for (char &c : out) {
		if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
			c = '?';
		}
	}
	return out;
}

std::string format_bytes(std::uint64_t bytes) {
	static constexpr const char *units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	std::size_t unit = 0;
	std::uint64_t tenths = 0;
	while (bytes >= 1024) {
		tenths = (bytes % 1024) * 10 / 1024;
		bytes /= 1024;
		++unit;
	}
	std::string text = std::to_string(bytes);
	if (bytes < 10 && tenths != 0) {
		text += "." + std::to_string(tenths);
	}
	return text + " " + units[unit];
}

}  // namespace stolon::ctl
