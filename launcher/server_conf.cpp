#include "launcher/server_conf.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string_view>

#include "core/model/spec.h"
#include "core/model/spec_options.h"

namespace stolon::launcher {

namespace {

/// Repeated on the command line. All of them can be set at the start of a server only.
constexpr std::array<std::string_view, 5> fence = {
    "shared_preload_libraries", "stolon.cluster_name", "stolon.keeper_uid",
    "stolon.store_endpoints",   "stolon.store_prefix",
};

bool is_one_of(const auto &names, std::string_view name) {
	return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_in_name(char c) {
	return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '$';
}

/// The name that a line sets; empty for comments and blank lines. What follows it need not be a
/// blank or "=": PostgreSQL takes name'value' as well.
std::string name_in(const std::string &line) {
	const auto begin = std::find_if_not(line.begin(), line.end(),
	                                    [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
	return {begin, std::find_if_not(begin, line.end(), is_in_name)};
}

/// What the keeper writes into stolon.conf and reloads to lead a standby, and what ends recovery.
bool leads_a_standby(const std::string &name) {
	constexpr std::array<std::string_view, 7> names = {
	    "hot_standby",      "include",           "include_dir",          "include_if_exists",
	    "primary_conninfo", "primary_slot_name", "promote_trigger_file",
	};
	return name.starts_with("recovery_target") || is_one_of(names, name);
}

/// The value of a line that render_stolon_conf has written: in quotes, with quotes and backslashes
/// doubled.
std::string value_in(const std::string &line) {
	const std::size_t begin = line.find('\'');
	const std::size_t end = line.rfind('\'');
	std::string value;
	for (std::size_t i = begin + 1; begin != std::string::npos && i < end; ++i) {
		value += line[i];
		if (line[i] == '\'' || line[i] == '\\')
			++i;
	}
	return value;
}

}  // namespace

std::string without_upstream(const std::string &stolon_conf) {
	std::istringstream lines(stolon_conf);
	std::string result;
	for (std::string line; std::getline(lines, line);) {
		const std::string name = name_in(line);
		if (name != "primary_conninfo" && name != "primary_slot_name")
			result += line + "\n";
	}
	return result;
}

std::vector<std::string> fence_arguments(const std::string &stolon_conf) {
	std::vector<std::string> arguments;
	std::istringstream lines(stolon_conf);
	for (std::string line; std::getline(lines, line);) {
		if (const std::string name = name_in(line); is_one_of(fence, name)) {
			arguments.emplace_back("-c");
			arguments.push_back(name + "=" + value_in(line));
		}
	}
	return arguments;
}

core::Duration fail_interval_in(const std::string &stolon_conf) {
	constexpr const char *name = "wal_receiver_timeout = ";
	std::istringstream lines(stolon_conf);
	core::Duration found{0};
	for (std::string line; std::getline(lines, line);)
		if (line.starts_with(name))
			found = core::milliseconds(std::atoll(line.c_str() + std::strlen(name)));
	const bool sane = found > core::Duration(0) && found <= core::SpecLimits::max_fail_interval;
	return sane ? found : core::Duration(0);
}

Overrides overrides_in(const std::string &auto_conf) {
	Overrides overrides;
	std::istringstream lines(auto_conf);
	for (std::string line; std::getline(lines, line);) {
		const std::string name = name_in(line);
		const std::string lower = core::to_lower(name);
		if (name.empty() || is_one_of(fence, lower))
			continue;
		if (leads_a_standby(lower))
			overrides.upstream.push_back(name);
		else if (core::is_managed_pg_parameter(name))
			overrides.others.push_back(name);
	}
	return overrides;
}

}  // namespace stolon::launcher
