#include "core/pgconf/quoting.h"

#include <algorithm>

namespace stolon::core {

std::string quote_conf(std::string_view value) {
	std::string out = "'";
	for (const char c : value) {
		if (c == '\'' || c == '\\')
			out += c;
		out += c;
	}
	return out + "'";
}

std::string quote_conninfo(std::string_view value) {
	std::string out = "'";
	for (const char c : value) {
		if (c == '\'' || c == '\\')
			out += '\\';
		out += c;
	}
	return out + "'";
}

std::string quote_hba(std::string_view value) {
	std::string out = "\"";
	for (const char c : value) {
		if (static_cast<unsigned char>(c) < 0x20)
			continue;
		if (c == '"')
			out += c;
		out += c;
	}
	return out + "\"";
}

bool fits_in_one_line(std::string_view value) {
	return std::none_of(value.begin(), value.end(),
	                    [](char c) { return c == '\n' || c == '\r' || c == '\0'; });
}

}  // namespace stolon::core
