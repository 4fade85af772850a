#include "core/model/spec.h"

#include <algorithm>
#include <functional>

#include "core/model/fields.h"
#include "core/model/health.h"
#include "core/model/spec_options.h"

namespace stolon::core {
namespace {

/// Where an option stands: its value, the name by which messages call it, and the spec to fill.
struct Given {
	Json value;
	std::string name;
};

std::string quoted(const Json &value) {
	const std::string text = value.dump();
	return text.size() <= 80 ? text : text.substr(0, 77) + "...";
}

Error refuse(const Given &given, const std::string &what) {
	return invalid(given.name + ": " + what);
}

Status read_duration(const Given &given, Duration low, Duration high, Duration &out) {
	if (!given.value.is_string())
		return refuse(given, quoted(given.value) +
		                         " is not a duration; write for example \"5s\" or \"1m30s\"");
	const auto parsed = parse_duration(given.value.as_string());
	if (!parsed)
		return refuse(given, parsed.error().message);
	if (*parsed < low || *parsed > high)
		return refuse(given, quoted(given.value) + " is out of range; allowed is " +
		                         format_duration(low) + " to " + format_duration(high));
	out = *parsed;
	return {};
}

Status read_integer(const Given &given, std::int64_t low, std::int64_t high, std::int64_t &out) {
	if (!given.value.is_integer() || given.value.as_integer() < low ||
	    given.value.as_integer() > high)
		return refuse(given,
		              quoted(given.value) + " is not acceptable; allowed is an integer " +
		                  (high == std::numeric_limits<std::int64_t>::max()
		                       ? "of at least " + std::to_string(low)
		                       : "from " + std::to_string(low) + " to " + std::to_string(high)));
	out = given.value.as_integer();
	return {};
}

Status read_init_mode(const Given &given, ClusterSpec &spec) {
	const std::string mode = given.value.as_string();
	if (mode == "new") {
		spec.init_mode = InitMode::New;
		return {};
	}
	if (mode == "existing" || mode == "pitr")
		return refuse(given, "\"" + mode + "\" is not supported by this version; only \"new\" is");
	return refuse(given, quoted(given.value) + " is not known; allowed is \"new\"");
}

Status read_on_master_crash(const Given &given, ClusterSpec &spec) {
	const std::string what = given.value.as_string();
	if (what != "failover" && what != "restart")
		return refuse(
		    given, quoted(given.value) + " is not known; allowed is \"failover\" or \"restart\"");
	spec.on_master_crash = what == "restart" ? OnMasterCrash::Restart : OnMasterCrash::Failover;
	return {};
}

Json on_master_crash_to_json(const ClusterSpec &spec) {
	return Json::string(spec.on_master_crash == OnMasterCrash::Restart ? "restart" : "failover");
}

Status read_sslmode(const Given &given, ClusterSpec &spec) {
	static constexpr std::array<std::string_view, 7> modes = {
	    "", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
	const std::string mode = given.value.as_string();
	if (!given.value.is_string() || std::find(modes.begin(), modes.end(), mode) == modes.end())
		return refuse(given, quoted(given.value) +
		                         " is not an sslmode; allowed is \"disable\", \"allow\", "
		                         "\"prefer\", \"require\", \"verify-ca\" or \"verify-full\"");
	spec.default_sslmode = mode;
	return {};
}

/// A line of a PostgreSQL file: nothing that ends it.
bool is_one_line(std::string_view text) {
	return std::none_of(text.begin(), text.end(),
	                    [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
}

bool is_pg_parameter_name(std::string_view name) {
	const auto starts = [](char c) {
		return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
	};
	if (name.empty() || name.size() > 128 || !starts(name.front()) || name.back() == '.')
		return false;
	return std::all_of(name.begin(), name.end(), [&](char c) {
		return starts(c) || (c >= '0' && c <= '9') || c == '.' || c == '$';
	});
}

Status read_pg_parameter(const Given &given, const std::string &name, ClusterSpec &spec) {
	const std::string lower = to_lower(name);
	if (!is_pg_parameter_name(name))
		return refuse(given, quoted(Json::string(name)) + " is not a parameter's name");
	if (is_managed_pg_parameter(name))
		return refuse(given, "\"" + name + "\" is set by stolon itself; remove it");
	if (!given.value.is_string())
		return refuse(given, "\"" + name + "\": " + quoted(given.value) +
		                         " must be a string; put it in double quotes");
	const std::string value = given.value.as_string();
	if (value.size() > SpecLimits::max_pg_value_bytes || !is_one_line(value))
		return refuse(given, "\"" + name + "\": the value must be one line of at most " +
		                         std::to_string(SpecLimits::max_pg_value_bytes) + " bytes");
	if (lower == "wal_level" && value != "replica" && value != "logical")
		return refuse(given, "\"" + name + "\": " + quoted(given.value) +
		                         " does not allow standbys; allowed is \"replica\" or \"logical\"");
	for (const auto &[other, ignored] : spec.pg_parameters)
		if (to_lower(other) == lower)
			return refuse(
			    given, "\"" + other + "\" and \"" + name + "\" are the same parameter; remove one");
	spec.pg_parameters[name] = value;
	return {};
}

Status read_pg_parameters(const Given &given, ClusterSpec &spec) {
	if (!given.value.is_object())
		return refuse(given, "must be an object of strings");
	if (given.value.size() > SpecLimits::max_pg_parameters)
		return refuse(given, "has " + std::to_string(given.value.size()) + " entries; " +
		                         std::to_string(SpecLimits::max_pg_parameters) + " are allowed");
	spec.pg_parameters.clear();
	for (const std::string &name : given.value.keys())
		if (const Status status =
		        read_pg_parameter(Given{given.value.get(name), given.name}, name, spec);
		    !status)
			return status;
	return {};
}

Status read_keepers(const Given &given, ClusterSpec &spec) {
	auto options = parse_keeper_options(given.value, given.name);
	if (!options)
		return options.error();
	spec.keepers = std::move(*options);
	return {};
}

Status read_pg_hba(const Given &given, ClusterSpec &spec) {
	if (!given.value.is_array())
		return refuse(given, "must be an array of lines");
	if (given.value.size() > SpecLimits::max_pg_hba)
		return refuse(given, "has " + std::to_string(given.value.size()) + " lines; " +
		                         std::to_string(SpecLimits::max_pg_hba) + " are allowed");
	spec.pg_hba.clear();
	for (std::size_t i = 0; i < given.value.size(); i++) {
		const Json line = given.value.at(i);
		const std::string text = line.as_string();
		if (!line.is_string() || text.size() > SpecLimits::max_pg_value_bytes || !is_one_line(text))
			return refuse(
			    given, "entry " + std::to_string(i + 1) + " must be a string that holds one line");
		spec.pg_hba.push_back(text);
	}
	return {};
}

/// A locale or an encoding: it becomes an argument of initdb.
Status read_initdb_word(const Given &given, std::string_view flag, ClusterSpec &spec) {
	const std::string word = given.value.as_string();
	const bool good = given.value.is_string() && word.size() <= 64 &&
	                  std::all_of(word.begin(), word.end(), [](char c) {
		                  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		                         (c >= '0' && c <= '9') ||
		                         std::string_view("._-@").find(c) != std::string_view::npos;
	                  });
	if (!good)
		return refuse(given,
		              quoted(given.value) +
		                  " is not acceptable; write a name such as \"C.UTF-8\" or \"UTF8\"");
	if (!word.empty())
		spec.new_config_initdb.push_back(std::string(flag) + "=" + word);
	return {};
}

Status read_new_config(const Given &given, ClusterSpec &spec) {
	const auto options = OptionMap::of(given.value, given.name);
	if (!options)
		return options.error();
	spec.new_config_initdb.clear();
	const auto inner = [&](std::string_view name) {
		return Given{options->get(name), given.name + "." + std::string(name)};
	};
	for (const auto &[name, flag] : {std::pair{"locale", "--locale"}, {"encoding", "--encoding"}}) {
		const Given word = inner(name);
		if (word.value.is_missing())
			continue;
		if (const Status status = read_initdb_word(word, flag, spec); !status)
			return status;
	}
	const Given checksums = inner("dataChecksums");
	if (!checksums.value.is_missing() && !checksums.value.is_boolean())
		return refuse(checksums, quoted(checksums.value) + " must be true or false");
	if (checksums.value.as_boolean(true))
		spec.new_config_initdb.emplace_back("--data-checksums");
	return {};
}

/// What newConfig was, from the initdb options.
Json new_config_to_json(const ClusterSpec &spec) {
	Json object = Json::object();
	bool checksums = false;
	for (const std::string &option : spec.new_config_initdb) {
		if (option.starts_with("--locale="))
			object.set("locale", Json::string(option.substr(9)));
		else if (option.starts_with("--encoding="))
			object.set("encoding", Json::string(option.substr(11)));
		else if (option == "--data-checksums")
			checksums = true;
	}
	object.set("dataChecksums", Json::boolean(checksums));
	return object;
}

Json parameters_to_json(const ClusterSpec &spec) {
	Json object = Json::object();
	for (const auto &[name, value] : spec.pg_parameters)
		object.set(name, Json::string(value));
	return object;
}

Json hba_to_json(const ClusterSpec &spec) {
	Json list = Json::array();
	for (const std::string &line : spec.pg_hba)
		list.push(Json::string(line));
	return list;
}

/// One option: its name, how it is read, and how it is written.
struct Option {
	std::string_view name;
	std::function<Status(const Given &, ClusterSpec &)> read;
	std::function<Json(const ClusterSpec &)> write;
};

Option duration_option(std::string_view name, Duration ClusterSpec::*field, Duration low,
                       Duration high) {
	return {name,
	        [=](const Given &given, ClusterSpec &spec) {
		        return read_duration(given, low, high, spec.*field);
	        },
	        [=](const ClusterSpec &spec) { return Json::string(format_duration(spec.*field)); }};
}

template <typename Int>
Option integer_option(std::string_view name, Int ClusterSpec::*field, std::int64_t low,
                      std::int64_t high) {
	return {name,
	        [=](const Given &given, ClusterSpec &spec) {
		        std::int64_t value = 0;
		        const Status status = read_integer(given, low, high, value);
		        if (status)
			        spec.*field = static_cast<Int>(value);
		        return status;
	        },
	        [=](const ClusterSpec &spec) {
		        return Json::integer(static_cast<std::int64_t>(spec.*field));
	        }};
}

Option flag_option(std::string_view name, bool ClusterSpec::*field) {
	return {name,
	        [=](const Given &given, ClusterSpec &spec) {
		        if (!given.value.is_boolean())
			        return Status(refuse(given, quoted(given.value) + " must be true or false"));
		        spec.*field = given.value.as_boolean();
		        return Status();
	        },
	        [=](const ClusterSpec &spec) { return Json::boolean(spec.*field); }};
}

/// All options, in the order in which a spec is written. Built at each call: there are no static
/// objects with destructors in what PostgreSQL loads.
std::vector<Option> all_options() {
	constexpr std::int64_t no_bound = std::numeric_limits<std::int64_t>::max();
	constexpr Duration month = std::chrono::hours(24 * 30);
	return {
	    {"initMode", read_init_mode, [](const ClusterSpec &) { return Json::string("new"); }},
	    duration_option("failInterval", &ClusterSpec::fail_interval, SpecLimits::min_fail_interval,
	                    SpecLimits::max_fail_interval),
	    duration_option("sleepInterval", &ClusterSpec::sleep_interval, milliseconds(100),
	                    seconds(3600)),
	    duration_option("requestTimeout", &ClusterSpec::request_timeout, Duration(0),
	                    SpecLimits::max_fail_interval),
	    duration_option("proxyTimeout", &ClusterSpec::proxy_timeout, milliseconds(100),
	                    seconds(3600)),
	    duration_option("syncTimeout", &ClusterSpec::sync_timeout, Duration(0), month),
	    duration_option("electionPatience", &ClusterSpec::election_patience, Duration(0),
	                    seconds(60)),
	    duration_option("keeperStallTimeout", &ClusterSpec::keeper_stall_timeout, Duration(0),
	                    month),
	    duration_option("recoveryTimeout", &ClusterSpec::recovery_timeout, Duration(0), month),
	    duration_option("walStallTimeout", &ClusterSpec::wal_stall_timeout, Duration(0), month),
	    integer_option("minWalFreeSpace", &ClusterSpec::min_wal_free_space, 0, no_bound),
	    duration_option("standbyRepairTimeout", &ClusterSpec::standby_repair_timeout, Duration(0),
	                    month),
	    // What max_slot_wal_keep_size can say, in bytes.
	    integer_option("maxSlotWalKeepSize", &ClusterSpec::max_slot_wal_keep_size, 0,
	                   std::int64_t{std::numeric_limits<std::int32_t>::max()} * 1024 * 1024),
	    integer_option("maxStandbyLag", &ClusterSpec::max_standby_lag, 0, no_bound),
	    integer_option("maxReadLag", &ClusterSpec::max_read_lag, 0, no_bound),
	    {"onMasterCrash", read_on_master_crash, on_master_crash_to_json},
	    integer_option("maxStandbys", &ClusterSpec::max_standbys, 1, 100),
	    integer_option("additionalWalSenders", &ClusterSpec::additional_wal_senders, 0, 1000),
	    flag_option("usePgrewind", &ClusterSpec::use_pgrewind),
	    integer_option("keepDiverged", &ClusterSpec::keep_diverged, 1, 1000),
	    {"defaultSSLMode", read_sslmode,
	     [](const ClusterSpec &spec) { return Json::string(spec.default_sslmode); }},
	    {"keepers", read_keepers,
	     [](const ClusterSpec &spec) { return keeper_options_to_json(spec.keepers); }},
	    {"newConfig", read_new_config, new_config_to_json},
	    {"pgParameters", read_pg_parameters, parameters_to_json},
	    {"pgHBA", read_pg_hba, hba_to_json},
	};
}

Status check_request_timeout(const ClusterSpec &spec) {
	if (spec.request_timeout == Duration(0))
		return {};
	if (spec.request_timeout >= spec.fail_interval / 3)
		return invalid("requestTimeout: \"" + format_duration(spec.request_timeout) +
		               "\" is too long; it must be below a third of failInterval (\"" +
		               format_duration(spec.fail_interval) + "\"), or \"0s\" for a fifth of it");
	if (spec.request_timeout < milliseconds(10))
		return invalid("requestTimeout: \"" + format_duration(spec.request_timeout) +
		               "\" is too short; write at least \"10ms\", or \"0s\" for a fifth of "
		               "failInterval");
	return {};
}

/// What the bounds of a single option do not say.
Status check_together(const ClusterSpec &spec) {
	const Status status = check_request_timeout(spec);
	return status ? check_health_options(spec) : status;
}

/// A spec that is accepted here has to be readable again as a part of clusterdata.
Status check_size(const Json &object) {
	const auto again = Json::parse(object.dump(), {SpecLimits::max_bytes, SpecLimits::max_depth});
	if (!again)
		return invalid("cluster spec: " + again.error().message);
	return {};
}

/// `raw` as a spec; a default one if there is none.
ClusterSpec spec_of_raw(const Json &raw) {
	auto parsed = parse_spec(raw.is_missing() ? Json::object() : raw);
	return parsed ? std::move(*parsed) : ClusterSpec{};
}

void erase_any_case(Json &object, std::string_view name) {
	const std::string lower = to_lower(name);
	for (const std::string &key : object.keys())
		if (to_lower(key) == lower)
			object.erase(key);
}

}  // namespace

Result<ClusterSpec> parse_spec(const Json &object) {
	const auto options = OptionMap::of(object, "cluster spec");
	if (!options)
		return options.error();
	if (const Status status = check_size(object); !status)
		return status.error();
	if (const Status status = check_unsupported(*options); !status)
		return status.error();

	ClusterSpec spec;
	for (const Option &option : all_options()) {
		const Given given{options->get(option.name), std::string(option.name)};
		if (given.value.is_missing())
			continue;
		if (const Status status = option.read(given, spec); !status)
			return status.error();
	}
	if (const Status status = check_together(spec); !status)
		return status.error();
	if (object.size() > 0)
		spec.raw = object;
	return spec;
}

Json spec_to_json(const ClusterSpec &spec) {
	Json object = Json::object();
	Json rest = spec.raw;
	for (const Option &option : all_options()) {
		erase_any_case(rest, option.name);
		object.set(option.name, option.write(spec));
	}
	put_unknown(object, rest);
	return object;
}

Json spec_to_stored_json(const ClusterSpec &spec) {
	const ClusterSpec before = spec_of_raw(spec.raw);
	Json object = spec.raw.is_object() ? spec.raw : Json::object();
	for (const Option &option : all_options()) {
		const Json now = option.write(spec);
		if (now == option.write(before))
			continue;
		erase_any_case(object, option.name);
		object.set(option.name, now);
	}
	return object;
}

std::vector<std::string> unknown_spec_options(const ClusterSpec &spec) {
	std::vector<std::string> unknown;
	const std::vector<Option> options = all_options();
	for (const std::string &key : spec.raw.keys()) {
		const std::string lower = to_lower(key);
		const bool known = std::any_of(options.begin(), options.end(), [&](const Option &option) {
			return to_lower(option.name) == lower;
		});
		if (!known && !is_stolon_option(key))
			unknown.push_back(key);
	}
	return unknown;
}

int ClusterSpec::failover_priority_of(const KeeperUid &uid) const {
	const auto found = keepers.find(uid);
	return found == keepers.end() ? KeeperOptions::usual_priority : found->second.failover_priority;
}

}  // namespace stolon::core
