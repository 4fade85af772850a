#include "proxy-hook/access.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <utility>
#include <vector>

namespace stolon::proxy {

namespace {

/// One setting of a side, by the end of its name: client_tls_X in the ini, --client-tls-X here.
struct TlsSetting {
	const char *name;
	std::string TlsOptions::*value;
	bool is_file;
};
constexpr std::array<TlsSetting, 6> tls_settings = {{
    {"sslmode", &TlsOptions::sslmode, false},
    {"ca_file", &TlsOptions::ca_file, true},
    {"cert_file", &TlsOptions::cert_file, true},
    {"key_file", &TlsOptions::key_file, true},
    {"protocols", &TlsOptions::protocols, false},
    {"ciphers", &TlsOptions::ciphers, false},
}};

struct Side {
	const char *name;
	TlsOptions AccessOptions::*options;
};
constexpr std::array<Side, 2> sides = {{
    {"client", &AccessOptions::client},
    {"server", &AccessOptions::server},
}};

std::string option_name(const Side &side, const TlsSetting &setting) {
	std::string name = std::string("--") + side.name + "-tls-" + setting.name;
	for (char &c : name) {
		c = c == '_' ? '-' : c;
	}
	return name;
}

const char *help_of(const TlsSetting &setting) {
	if (setting.value == &TlsOptions::sslmode) {
		return "disable, allow, prefer, require, verify-ca or verify-full";
	}
	return setting.is_file ? "file, as in pgbouncer.ini" : "as in pgbouncer.ini";
}

/// With its option's name, for messages.
std::vector<std::pair<std::string, std::string *>> files_of(AccessOptions &options) {
	std::vector<std::pair<std::string, std::string *>> out{{"--auth-file", &options.auth_file}};
	for (const Side &side : sides) {
		for (const TlsSetting &setting : tls_settings) {
			if (setting.is_file) {
				out.emplace_back(option_name(side, setting),
				                 &(options.*side.options.*setting.value));
			}
		}
	}
	return out;
}

core::Status check_lines(const AccessOptions &options) {
	std::vector<std::string> texts{options.auth_type, options.auth_file, options.auth_user,
	                               options.auth_query, options.auth_dbname};
	for (const Side &side : sides) {
		for (const TlsSetting &setting : tls_settings) {
			texts.push_back(options.*side.options.*setting.value);
		}
	}
	for (const std::string &text : texts) {
		if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
			return core::invalid("an option contains a line break");
		}
	}
	return {};
}

core::Status check_users(const AccessOptions &options) {
	if (options.auth_user.empty()) {
		if (options.auth_file.empty() && options.auth_type != "pam") {
			return core::invalid(
			    "it is not said which users pgbouncer lets in: give --auth-user, and the servers "
			    "are asked, or --auth-file, a file with lines of \"user\" \"secret\"");
		}
		if (options.auth_query != default_auth_query || !options.auth_dbname.empty()) {
			return core::invalid(
			    "--auth-query and --auth-dbname need --auth-user, the role that asks the servers");
		}
		return {};
	}
	if (options.auth_type == "pam") {
		return core::invalid("with --auth-type pam nobody is asked: leave out --auth-user");
	}
	if (options.auth_query.find("$1") == std::string::npos) {
		return core::invalid("--auth-query has no $1, in place of which the user's name is put");
	}
	return {};
}

core::Status check_tls(const Side &side, const TlsOptions &options) {
	const std::string prefix = std::string("--") + side.name + "-tls-";
	for (const TlsSetting &setting : tls_settings) {
		if (!options.is_on() && setting.value != &TlsOptions::sslmode &&
		    !(options.*setting.value).empty()) {
			return core::invalid(option_name(side, setting) + " has no effect without " + prefix +
			                     "sslmode");
		}
	}
	if (options.cert_file.empty() != options.key_file.empty()) {
		return core::invalid(prefix + "cert-file and " + prefix + "key-file belong together");
	}
	if (side.options == &AccessOptions::client && options.is_on() && options.cert_file.empty()) {
		return core::invalid(prefix + "sslmode " + options.sslmode + " needs " + prefix +
		                     "cert-file and " + prefix + "key-file");
	}
	if (options.verifies() && options.ca_file.empty()) {
		return core::invalid(prefix + "sslmode " + options.sslmode + " needs " + prefix +
		                     "ca-file, the certificate of who signed");
	}
	return {};
}

/// The first "MAJOR.MINOR" in what pgbouncer --version says; 0.0 if there is none.
std::pair<int, int> version_of(std::string_view text) {
	const std::size_t at = text.find_first_of("0123456789");
	std::pair<int, int> version{0, 0};
	if (at != std::string_view::npos) {
		std::sscanf(std::string(text.substr(at, 16)).c_str(), "%d.%d", &version.first,
		            &version.second);
	}
	return version;
}

}  // namespace

void add_access_options(CLI::App &app, AccessOptions &to) {
	app.add_option("--auth-type", to.auth_type, "how clients authenticate")
	    ->check(CLI::IsMember({"scram-sha-256", "md5", "plain", "trust", "pam"}))
	    ->capture_default_str();
	app.add_option("--auth-file", to.auth_file, "pgbouncer's auth_file: users and secrets");
	app.add_option("--auth-user", to.auth_user,
	               "role that asks the servers for the secrets of users who are not in the "
	               "auth_file");
	app.add_option("--auth-query", to.auth_query, "what it asks")->capture_default_str();
	app.add_option("--auth-dbname", to.auth_dbname,
	               "database in which it asks (pgbouncer 1.19 or later)");
	for (const Side &side : sides) {
		for (const TlsSetting &setting : tls_settings) {
			auto *option = app.add_option(option_name(side, setting),
			                              to.*side.options.*setting.value, help_of(setting));
			if (setting.value == &TlsOptions::sslmode) {
				option->check(CLI::IsMember(
				    {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}));
			}
		}
	}
}

core::Status complete_access(AccessOptions &options) {
	if (core::Status status = check_lines(options); !status) {
		return status;
	}
	if (core::Status status = check_users(options); !status) {
		return status;
	}
	for (const Side &side : sides) {
		if (core::Status status = check_tls(side, options.*side.options); !status) {
			return status;
		}
	}
	for (auto &[name, path] : files_of(options)) {
		if (!path->empty()) {
			*path = std::filesystem::absolute(*path);
		}
	}
	return {};
}

core::Status check_access(const AccessOptions &options, std::string_view pgbouncer_version) {
	AccessOptions copy = options;
	for (const auto &[name, path] : files_of(copy)) {
		if (!path->empty() && access(path->c_str(), R_OK) != 0) {
			return core::invalid(name + ": cannot read " + *path + ": " + std::strerror(errno));
		}
	}
	if (!options.auth_dbname.empty() && version_of(pgbouncer_version) < std::pair{1, 19}) {
		return core::invalid("--auth-dbname needs pgbouncer 1.19 or later, and this one is \"" +
		                     std::string(pgbouncer_version) +
		                     "\"; leave it out, and create the extension stolon in each database");
	}
	return {};
}

std::string render_access(const AccessOptions &options) {
	std::ostringstream out;
	const auto set = [&out](const std::string &name, const std::string &value) {
		if (!value.empty()) {
			out << name << " = " << value << "\n";
		}
	};
	set("auth_type", options.auth_type);
	set("auth_file", options.auth_file);
	if (!options.auth_user.empty()) {
		set("auth_user", options.auth_user);
		set("auth_query", options.auth_query);
		set("auth_dbname", options.auth_dbname);
	}
	for (const Side &side : sides) {
		for (const TlsSetting &setting : tls_settings) {
			set(std::string(side.name) + "_tls_" + setting.name,
			    options.*side.options.*setting.value);
		}
	}
	return out.str();
}

}  // namespace stolon::proxy
