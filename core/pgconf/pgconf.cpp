#include "core/pgconf/pgconf.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/pgconf/quoting.h"

namespace stolon::core {
namespace {

std::string lower(std::string_view text) {
	std::string out(text);
	for (char &c : out)
		if (c >= 'A' && c <= 'Z')
			c = static_cast<char>(c - 'A' + 'a');
	return out;
}

/// Lines of `name = 'value'`; the first value that does not fit in a line is kept as the error.
class ConfText {
public:
	void comment(std::string_view line) { text_ += "# " + std::string(line) + "\n"; }

	void set(std::string_view name, std::string_view value) {
		if (!fits_in_one_line(value) && !error_)
			error_ = invalid(std::string(name) +
			                 ": the value has a newline or a NUL, which cannot be written into "
			                 "PostgreSQL's configuration");
		text_ += std::string(name) + " = " + quote_conf(value) + "\n";
	}

	void set_if_given(std::string_view name, std::string_view value) {
		if (!value.empty())
			set(name, value);
	}

	void number(std::string_view name, std::int64_t value) {
		text_ += std::string(name) + " = " + std::to_string(value) + "\n";
	}

	Result<std::string> finish() {
		if (error_)
			return *error_;
		return std::move(text_);
	}

private:
	std::string text_;
	std::optional<Error> error_;
};

/// The user's value of a parameter, whatever the case of its name.
std::optional<std::string> user_value(const ClusterSpec &spec, std::string_view name) {
	for (const auto &[key, value] : spec.pg_parameters)
		if (lower(key) == name)
			return value;
	return std::nullopt;
}

/// Parameters that the user may give and that are written with what stolon needs mixed in.
bool is_merged(std::string_view lower_name) {
	return lower_name == "shared_preload_libraries" || lower_name == "wal_level";
}

std::string trimmed(std::string_view text) {
	const auto begin = text.find_first_not_of(" \t");
	if (begin == std::string_view::npos)
		return {};
	return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

/// The items of a comma separated list in which double quotes protect commas.
std::vector<std::string> split_list(std::string_view list) {
	std::vector<std::string> items;
	std::string item;
	bool quoted = false;
	for (const char c : list) {
		if (c == '"')
			quoted = !quoted;
		if (c == ',' && !quoted) {
			items.push_back(trimmed(item));
			item.clear();
		} else {
			item += c;
		}
	}
	items.push_back(trimmed(item));
	return items;
}

/// stolon first: its hooks have to be the outermost ones.
std::string preload_libraries(const ClusterSpec &spec) {
	std::string list = "stolon";
	for (const std::string &item :
	     split_list(user_value(spec, "shared_preload_libraries").value_or("")))
		if (!item.empty() && item != "stolon" && item != "\"stolon\"")
			list += ", " + item;
	return list;
}

/// Whole seconds, at least one: what libpq's keepalive options take.
std::int64_t share_in_seconds(Duration whole, int parts) {
	return std::max<std::int64_t>(1, std::chrono::floor<seconds>(whole / parts).count());
}

/// In MiB, which is the parameter's unit, rounded up; -1: without a bound.
std::int64_t slot_bound(const ClusterSpec &spec) {
	constexpr std::uint64_t mebibyte = 1024 * 1024;
	const std::uint64_t bytes = spec.max_slot_wal_keep_size;
	return bytes == 0 ? -1 : static_cast<std::int64_t>((bytes + mebibyte - 1) / mebibyte);
}

/// At least a second: below, a busy machine would break healthy connections.
std::int64_t stream_timeout_ms(const ClusterSpec &spec) {
	return std::max<std::int64_t>(1000, to_ms(spec.fail_interval));
}

/// Says who we are and whom we trust; a half-open connection is noticed within failInterval
/// (LESSONS C-10). No password: libpq reads it from the passfile.
std::string conninfo(const NodeSettings &node, const ClusterSpec &spec, const DbUid &own,
                     const Upstream &upstream) {
	// A fifth of failInterval of silence, then two probes a fifth apart.
	const std::int64_t fifth = share_in_seconds(spec.fail_interval, 5);
	std::vector<std::pair<std::string_view, std::string>> options = {
	    {"host", upstream.host},
	    {"port", std::to_string(upstream.port)},
	    {"user", node.replication_user},
	    {"passfile", node.replication_credentials_file},
	    {"application_name", replication_name(own)},
	    {"sslmode", spec.default_sslmode.empty() ? "prefer" : spec.default_sslmode},
	    {"connect_timeout", "2"},
	    {"keepalives", "1"},
	    {"keepalives_idle", std::to_string(fifth)},
	    {"keepalives_interval", std::to_string(fifth)},
	    {"keepalives_count", "2"},
	    {"tcp_user_timeout", std::to_string(stream_timeout_ms(spec))},
	    // On the server's side. A walsender that is told to end sends a message first, and a
	    // receiver that is stopped never takes it; a checkpoint that has to invalidate its slot
	    // would wait with it.
	    {"options", "-c tcp_user_timeout=60000"},
	};
	std::string text;
	for (const auto &[name, value] : options) {
		if (value.empty())
			continue;
		text += (text.empty() ? "" : " ") + std::string(name) + "=" + quote_conninfo(value);
	}
	return text;
}

Status check(const NodeSettings &node, const Upstream &upstream, const DbUid &own) {
	if (const Status status = check_cluster_name(node.cluster_name); !status)
		return status;
	if (node.port < 1 || node.port > 65535)
		return invalid("port: " + std::to_string(node.port) +
		               " is not a port; allowed is 1 to 65535");
	if (upstream.host.empty())
		return {};
	if (own.empty())
		return invalid("primary_conninfo: the server's own db uid is missing");
	if (upstream.port < 1 || upstream.port > 65535)
		return invalid("upstream port: " + std::to_string(upstream.port) +
		               " is not a port; allowed is 1 to 65535");
	return {};
}

void write_stolon_settings(ConfText &out, const NodeSettings &node) {
	const std::pair<std::string_view, const std::string *> settings[] = {
	    {"stolon.cluster_name", &node.cluster_name},
	    {"stolon.keeper_uid", &node.keeper_uid.value},
	    {"stolon.store_endpoints", &node.store_endpoints},
	    {"stolon.store_prefix", &node.store_prefix},
	    {"stolon.store_ca_file", &node.store_ca_file},
	    {"stolon.store_cert_file", &node.store_cert_file},
	    {"stolon.store_key_file", &node.store_key_file},
	    {"stolon.store_credentials_file", &node.store_credentials_file},
	    {"stolon.advertise_host", &node.advertise_host},
	    {"stolon.replication_user", &node.replication_user},
	    {"stolon.replication_credentials_file", &node.replication_credentials_file},
	};
	for (const auto &[name, value] : settings)
		out.set_if_given(name, *value);
	if (node.advertise_port != 0)
		out.number("stolon.advertise_port", node.advertise_port);
}

void write_server_settings(ConfText &out, const NodeSettings &node, const ClusterSpec &spec) {
	out.set("shared_preload_libraries", preload_libraries(spec));
	out.set_if_given("listen_addresses", node.listen_addresses);
	out.number("port", node.port);
	out.set_if_given("unix_socket_directories", node.socket_directory);
	out.set("restart_after_crash", "on");
}

void write_replication_settings(ConfText &out, const ClusterSpec &spec, bool electing) {
	// A base backup takes two walsenders; the slots of standbys that are being replaced live on for
	// a moment beside the new ones.
	const int senders = spec.max_standbys + spec.additional_wal_senders + 2;
	out.set("hot_standby", "on");
	out.set("wal_level", user_value(spec, "wal_level").value_or("replica"));
	out.set("wal_log_hints", "on");
	out.number("max_wal_senders", senders);
	out.number("max_replication_slots", senders);
	// Slots keep nothing for a former primary, which itself removes the WAL back to where it and its
	// successor parted: then it can only be cloned.
	if (!user_value(spec, "wal_keep_size"))
		out.set("wal_keep_size", "128MB");
	if (!user_value(spec, "max_slot_wal_keep_size"))
		out.number("max_slot_wal_keep_size", slot_bound(spec));
	out.set("recovery_target_timeline", "latest");
	out.number("wal_retrieve_retry_interval", electing ? 10 : 100);
	out.number("wal_receiver_timeout", stream_timeout_ms(spec));
	out.number("wal_sender_timeout", stream_timeout_ms(spec));
}

void write_upstream(ConfText &out, const NodeSettings &node, const ClusterSpec &spec,
                    const DbUid &own, const Upstream &upstream) {
	// Empty values are written too: an older line elsewhere must not come back into force.
	const bool follows = !upstream.host.empty();
	out.set("primary_conninfo", follows ? conninfo(node, spec, own, upstream) : "");
	out.set("primary_slot_name", follows ? replication_name(own) : "");
}

void write_user_parameters(ConfText &out, const ClusterSpec &spec) {
	for (const auto &[name, value] : spec.pg_parameters)
		if (!is_merged(lower(name)) && !is_managed_pg_parameter(name))
			out.set(name, value);
}

}  // namespace

Result<std::string> render_stolon_conf(const NodeSettings &node, const ClusterSpec &spec,
                                       const DbUid &own, const Upstream &upstream, bool electing) {
	if (const Status status = check(node, upstream, own); !status)
		return status.error();
	ConfText out;
	out.comment("Written by stolon; every change made here is lost. Parameters are set in the");
	out.comment("cluster spec (pgParameters).");
	write_stolon_settings(out, node);
	write_server_settings(out, node, spec);
	write_replication_settings(out, spec, electing);
	write_upstream(out, node, spec, own, upstream);
	write_user_parameters(out, spec);
	return out.finish();
}

std::string render_pg_hba(const ClusterSpec &spec, const std::string &superuser,
                          const std::string &replication_user) {
	const std::string super = quote_hba(superuser);
	const std::string replication = quote_hba(replication_user);
	std::string text =
	    "# Written by stolon; every change made here is lost. Lines are set in the cluster\n"
	    "# spec (pgHBA).\n";
	text += "local all " + super + " peer\n";
	text += "local replication " + super + " peer\n";
	text += "local replication " + replication + " scram-sha-256\n";
	text += "host replication " + replication + " all scram-sha-256\n";
	// For pg_rewind.
	text += "host postgres " + replication + " all scram-sha-256\n";
	if (spec.pg_hba.empty())
		return text + "local all all scram-sha-256\nhost all all all scram-sha-256\n";
	for (const std::string &line : spec.pg_hba)
		text += line + "\n";
	return text;
}

}  // namespace stolon::core
