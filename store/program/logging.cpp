#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "store/program/program.h"

namespace stolon::program {

namespace {

/// spdlog's own names have up to eight letters; these keep the columns straight.
class LevelFlag : public spdlog::custom_flag_formatter {
public:
	void format(const spdlog::details::log_msg &message, const std::tm &,
	            spdlog::memory_buf_t &out) override {
		const std::string_view text = name(message.level);
		out.append(text.data(), text.data() + text.size());
	}
	std::unique_ptr<custom_flag_formatter> clone() const override {
		return std::make_unique<LevelFlag>();
	}

private:
	static std::string_view name(spdlog::level::level_enum level) {
		switch (level) {
			case spdlog::level::trace:
			case spdlog::level::debug:
				return "debug";
			case spdlog::level::info:
				return "info ";
			case spdlog::level::warn:
				return "warn ";
			default:
				return "error";
		}
	}
};

spdlog::level::level_enum parse_level(const std::string &level) {
	if (level == "error") {
		return spdlog::level::err;
	}
	if (level == "warn") {
		return spdlog::level::warn;
	}
	if (level == "debug") {
		return spdlog::level::debug;
	}
	return spdlog::level::info;
}

}  // namespace

void init_logging(const std::string &program, const std::string &level) {
	auto logger = std::make_shared<spdlog::logger>(
	    program, std::make_shared<spdlog::sinks::stderr_sink_st>());
	auto formatter =
	    std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc, "\n");
	formatter->add_flag<LevelFlag>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %* %n: %v");
	logger->set_formatter(std::move(formatter));
	logger->set_level(parse_level(level));
	logger->flush_on(spdlog::level::trace);
	spdlog::set_default_logger(std::move(logger));
}

}  // namespace stolon::program
