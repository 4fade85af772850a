#include "core/model/spec_options.h"

#include <algorithm>
#include <array>

#include "core/model/spec.h"

namespace stolon::core {
namespace {

bool nothing(const Json &) {
	return false;
}

bool is_false(const Json &value) {
	return value.is_boolean() && !value.as_boolean();
}

bool is_true(const Json &value) {
	return value.is_boolean() && value.as_boolean();
}

/// Kept for the day when synchronousReplication is switched on.
bool is_count(const Json &value) {
	return value.is_integer() && value.as_integer() >= 0;
}

bool is_sync_mode(const Json &value) {
	return value.as_string() == "all" || value.as_string() == "quorum";
}

bool is_master(const Json &value) {
	return value.as_string() == "master";
}

bool is_all(const Json &value) {
	return value.as_string() == "all";
}

bool is_empty_list(const Json &value) {
	return value.is_array() && value.size() == 0;
}

struct Unsupported {
	std::string_view name;
	bool (*acceptable)(const Json &);
	std::string_view advice;
};

constexpr std::string_view leave_out = "leave it out";

constexpr auto unsupported = std::to_array<Unsupported>({
    {"synchronousReplication", is_false, "leave it out or set it to false (asynchronous)"},
    {"minSynchronousStandbys", is_count, "allowed is an integer of at least 0"},
    {"maxSynchronousStandbys", is_count, "allowed is an integer of at least 0"},
    {"synchronousMode", is_sync_mode, "allowed is \"all\" or \"quorum\""},
    {"additionalMasterReplicationSlots", is_empty_list, leave_out},
    {"mergePgParameters", is_true,
     "leave it out or set it to true (initdb's postgresql.conf stays in effect)"},
    {"role", is_master, "leave it out or set it to \"master\""},
    {"pitrConfig", nothing, leave_out},
    {"existingConfig", nothing, leave_out},
    {"standbyConfig", nothing, leave_out},
    {"defaultSUReplAccessMode", is_all, "leave it out or set it to \"all\""},
    {"automaticPgRestart", is_false, "leave it out or set it to false"},
    {"maxStandbysPerSender", nothing, "leave it out (all standbys stream from the master)"},
    {"convergenceTimeout", nothing, leave_out},
    {"initTimeout", nothing, leave_out},
    {"dbWaitReadyTimeout", nothing, leave_out},
    {"deadKeeperRemovalInterval", nothing, "leave it out (keepers are never removed)"},
    {"proxyCheckInterval", nothing, "leave it out (proxies follow changes at once)"},
    {"ackMode", nothing, leave_out},
    {"strictReads", is_false, "leave it out or set it to false"},
    {"replicaCreateCommand", nothing, leave_out},
});

/// Sorted, lower case. What begins with "stolon." or "recovery_target" is managed as well.
constexpr auto managed = std::to_array<std::string_view>({
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "hot_standby",
    "ident_file",
    "include",
    "include_dir",
    "include_if_exists",
    "listen_addresses",
    "max_replication_slots",
    "max_wal_senders",
    "port",
    "primary_conninfo",
    "primary_slot_name",
    "promote_trigger_file",
    "restart_after_crash",
    "synchronous_standby_names",
    "unix_socket_directories",
    "wal_log_hints",
    "wal_receiver_timeout",
    "wal_retrieve_retry_interval",
    "wal_sender_timeout",
});

}  // namespace

std::string to_lower(std::string_view text) {
	std::string lower(text);
	for (char &c : lower)
		if (c >= 'A' && c <= 'Z')
			c = static_cast<char>(c - 'A' + 'a');
	return lower;
}

Result<OptionMap> OptionMap::of(const Json &object, std::string_view what) {
	if (!object.is_object())
		return invalid(std::string(what) + ": must be an object");
	OptionMap map;
	std::map<std::string, std::string> spelled;
	for (const std::string &key : object.keys()) {
		const std::string lower = to_lower(key);
		const auto [other, is_new] = spelled.emplace(lower, key);
		if (!is_new)
			return invalid(std::string(what) + ": \"" + other->second + "\" and \"" + key +
			               "\" are the same option; remove one");
		map.values_[lower] = object.get(key);
	}
	return map;
}

Json OptionMap::get(std::string_view name) const {
	const auto found = values_.find(to_lower(name));
	return found == values_.end() || found->second.is_null() ? Json{} : found->second;
}

Status check_unsupported(const OptionMap &options) {
	for (const Unsupported &option : unsupported) {
		const Json value = options.get(option.name);
		if (value.is_missing() || option.acceptable(value))
			continue;
		std::string shown = value.dump();
		if (shown.size() > 80)
			shown = shown.substr(0, 77) + "...";
		return invalid(std::string(option.name) + ": " + shown +
		               " is not supported by this version; " + std::string(option.advice));
	}
	return {};
}

bool is_stolon_option(std::string_view name) {
	const std::string lower = to_lower(name);
	return std::any_of(unsupported.begin(), unsupported.end(),
	                   [&](const Unsupported &option) { return to_lower(option.name) == lower; });
}

bool is_managed_pg_parameter(std::string_view name) {
	const std::string lower = to_lower(name);
	return lower.starts_with("stolon.") || lower.starts_with("recovery_target") ||
	       std::find(managed.begin(), managed.end(), lower) != managed.end();
}

}  // namespace stolon::core
