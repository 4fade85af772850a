#include "core/lineage/history_file.h"

#include <sstream>
#include <string>

namespace stolon::core {

std::vector<HistoryEntry> parse_history_file(std::string_view text) {
	std::vector<HistoryEntry> history;
	std::istringstream lines{std::string(text)};
	for (std::string line; std::getline(lines, line);) {
		std::istringstream fields(line);
		std::uint32_t ancestor = 0;
		std::string end;
		if (!(fields >> ancestor >> end))
			continue;
		if (const auto lsn = Lsn::parse(end))
			history.push_back({Timeline{ancestor}, *lsn});
	}
	return history;
}

}  // namespace stolon::core
