#include "launcher/replaced.h"

#include <sstream>

#include "store/files.h"

namespace stolon::launcher {

namespace {

constexpr const char *db_label = "db ";
constexpr const char *anew_line = "cloned anew";
constexpr const char *half_line = "half rewound";

}  // namespace

core::Status note_replaced(const std::string &directory, const Replaced &why) {
	std::string text = db_label + why.db.value + "\n";
	if (why.cloned_anew)
		text += std::string(anew_line) + "\n";
	if (why.half_rewound)
		text += std::string(half_line) + "\n";
	return store::write_file_atomically(directory + "/" + replaced_file, text, 0600);
}

core::Result<Replaced> why_replaced(const std::string &directory) {
	Replaced why;
	const auto text = store::read_small_file(directory + "/" + replaced_file);
	if (!text.ok() && text.error().kind == core::ErrorKind::NotFound)
		return why;
	if (!text.ok())
		return core::Error{core::ErrorKind::Unavailable, text.error().message};
	std::istringstream lines(*text);
	for (std::string line; std::getline(lines, line);) {
		if (line == anew_line)
			why.cloned_anew = true;
		else if (line == half_line)
			why.half_rewound = true;
		else if (auto db = core::DbUid::parse(
		             line.starts_with(db_label) ? line.substr(std::string(db_label).size()) : "");
		         db.ok())
			why.db = *db;
	}
	return why;
}

}  // namespace stolon::launcher
