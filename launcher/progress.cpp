#include "launcher/progress.h"

#include <cinttypes>
#include <cstdio>

namespace stolon::launcher {

namespace {

std::string in_megabytes(double kilobytes) {
	char text[32];
	std::snprintf(text, sizeof text, "%.1f MB", kilobytes / 1024);
	return text;
}

}  // namespace

std::string Progress::text_of(const std::string &line, core::Instant now) {
	// "12345/67890 kB (18%), 0/1 tablespace", "12345/67890 kB (18%) copied"
	std::uint64_t done = 0, total = 0;
	int percent = 0;
	if (std::sscanf(line.c_str(), "%" SCNu64 "/%" SCNu64 " kB (%d%%)", &done, &total, &percent) !=
	    3) {
		marks_.clear();
		return line;
	}
	if (!marks_.empty() && done < marks_.back().kilobytes)
		marks_.clear();
	marks_.push_back({now, done});
	while (marks_.size() > 2 && now - marks_.front().at > window)
		marks_.pop_front();
	std::string text = in_megabytes(static_cast<double>(done)) + " of " +
	                   in_megabytes(static_cast<double>(total)) + ", " + std::to_string(percent) +
	                   " %";
	const std::int64_t passed_ms = core::to_ms(now - marks_.front().at);
	if (passed_ms > 0)
		text += ", " +
		        in_megabytes(static_cast<double>(done - marks_.front().kilobytes) * 1000 /
		                     static_cast<double>(passed_ms)) +
		        "/s";
	return text;
}

}  // namespace stolon::launcher
