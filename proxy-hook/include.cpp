#include "proxy-hook/include.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "store/files.h"

namespace stolon::proxy {

namespace {

constexpr std::size_t max_file_bytes = 4 * 1024 * 1024;
/// pgbouncer's own limit of files in files.
constexpr int max_depth = 10;
constexpr std::string_view blanks = " \t\r\v\f";

/// Settings that stolon-proxy needs to be as it sets them, and why; or the option that sets them.
const std::map<std::string, std::string> &managed_settings() {
	static const char *sockets = "the sockets are opened by stolon-proxy";
	static const char *log = "each pgbouncer logs into its directory below --run-dir";
	static const char *driving = "stolon-proxy needs it to be as it sets it";
	static const std::map<std::string, std::string> settings{
	    {"listen_addr", "use --listen-address"},
	    {"listen_port", "use --port"},
	    {"listen_backlog", sockets},
	    {"unix_socket_dir", sockets},
	    {"unix_socket_mode", sockets},
	    {"unix_socket_group", sockets},
	    {"so_reuseport", sockets},
	    {"logfile", log},
	    {"syslog", log},
	    {"syslog_ident", log},
	    {"syslog_facility", log},
	    {"pidfile", "stolon-proxy knows its processes"},
	    {"user", "use --run-as"},
	    {"server_login_retry", driving},
	    {"server_fast_close", driving},
	    {"suspend_timeout", driving},
	    {"auth_type", "use --auth-type"},
	    {"auth_file", "use --auth-file"},
	    {"auth_user", "use --auth-user"},
	    {"auth_query", "use --auth-query"},
	    {"auth_dbname", "use --auth-dbname"},
	    {"pool_mode", "use --pool-mode, or set it for single databases or users"},
	    {"default_pool_size", "use --default-pool-size"},
	    {"max_client_conn", "use --max-client-conn"},
	    {"query_wait_timeout", "use --query-wait-timeout"},
	    {"client_tls_sslmode", "use --client-tls-sslmode"},
	    {"client_tls_ca_file", "use --client-tls-ca-file"},
	    {"client_tls_cert_file", "use --client-tls-cert-file"},
	    {"client_tls_key_file", "use --client-tls-key-file"},
	    {"client_tls_protocols", "use --client-tls-protocols"},
	    {"client_tls_ciphers", "use --client-tls-ciphers"},
	    {"server_tls_sslmode", "use --server-tls-sslmode"},
	    {"server_tls_ca_file", "use --server-tls-ca-file"},
	    {"server_tls_cert_file", "use --server-tls-cert-file"},
	    {"server_tls_key_file", "use --server-tls-key-file"},
	    {"server_tls_protocols", "use --server-tls-protocols"},
	    {"server_tls_ciphers", "use --server-tls-ciphers"},
	};
	return settings;
}

std::string trimmed(std::string_view text) {
	const std::size_t begin = text.find_first_not_of(blanks);
	const std::size_t end = text.find_last_not_of(blanks);
	return begin == std::string_view::npos ? std::string()
	                                       : std::string(text.substr(begin, end - begin + 1));
}

/// As libpq's connection strings: words key=value, a value with blanks in single quotes, a quote in
/// it doubled. nullopt: it is none.
std::optional<std::vector<std::string>> keys_of(std::string_view text) {
	std::vector<std::string> keys;
	for (;;) {
		text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
		if (text.empty()) {
			return keys;
		}
		const std::size_t equals = text.find('=');
		if (equals == 0 || equals == std::string_view::npos) {
			return std::nullopt;
		}
		keys.push_back(trimmed(text.substr(0, equals)));
		text.remove_prefix(equals + 1);
		text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
		if (!text.starts_with('\'')) {
			text.remove_prefix(std::min(text.find(' '), text.size()));
			continue;
		}
		std::size_t end = text.find('\'', 1);
		while (end != std::string_view::npos && end + 1 < text.size() && text[end + 1] == '\'') {
			end = text.find('\'', end + 2);
		}
		if (end == std::string_view::npos) {
			return std::nullopt;
		}
		text.remove_prefix(end + 1);
	}
}

class Parser {
public:
	core::Status parse(const std::string &text, const std::string &file, int depth);
	Included take() { return std::move(out_); }

private:
	core::Status line(const IncludedLine &at, const std::string &text, int depth);
	core::Status entry(IncludedLine entry);
	core::Status include(const IncludedLine &at, const std::string &file, int depth);
	static core::Status database(const IncludedLine &entry);
	static core::Status setting(const IncludedLine &entry);

	std::string section_;
	Included out_;
};

core::Error wrong(const IncludedLine &at, const std::string &what) {
	return core::invalid(at.place() + ": " + what);
}

core::Status Parser::parse(const std::string &text, const std::string &file, int depth) {
	if (text.find('\0') != std::string::npos) {
		return core::invalid(file + " contains a NUL byte");
	}
	std::istringstream lines(text);
	IncludedLine at{"", "", file, 0};
	for (std::string raw; std::getline(lines, raw);) {
		++at.line;
		const std::string one = trimmed(raw);
		if (one.empty() || one.front() == ';' || one.front() == '#') {
			continue;
		}
		if (core::Status status = line(at, one, depth); !status) {
			return status;
		}
	}
	return {};
}

core::Status Parser::line(const IncludedLine &at, const std::string &text, int depth) {
	constexpr std::string_view include_word = "%include ";
	if (text.starts_with(include_word)) {
		return include(at, trimmed(std::string_view(text).substr(include_word.size())), depth);
	}
	if (text.front() == '[') {
		section_ = text;
		if (text != "[databases]" && text != "[users]" && text != "[pgbouncer]") {
			return wrong(at, "there is no section " + text +
			                     "; known are [databases], [users] and [pgbouncer]");
		}
		return {};
	}
	const std::size_t equals = text.find('=');
	IncludedLine entry = at;
	entry.name = trimmed(std::string_view(text).substr(0, equals));
	if (equals == std::string::npos || entry.name.empty()) {
		return wrong(at, "\"" + text + "\" is neither a section nor \"name = value\"");
	}
	entry.value = trimmed(std::string_view(text).substr(equals + 1));
	return this->entry(std::move(entry));
}

core::Status Parser::include(const IncludedLine &at, const std::string &file, int depth) {
	if (!file.starts_with('/')) {
		return wrong(at, "%include needs an absolute path, not \"" + file + "\"");
	}
	if (depth >= max_depth) {
		return wrong(at, "files include each other too deeply");
	}
	core::Result<std::string> text = store::read_small_file(file, max_file_bytes);
	if (!text) {
		return wrong(at, text.error().message);
	}
	return parse(*text, file, depth + 1);
}

core::Status Parser::entry(IncludedLine entry) {
	core::Status status;
	std::vector<IncludedLine> *to = nullptr;
	if (section_ == "[databases]") {
		status = database(entry);
		to = &out_.databases;
	} else if (section_ == "[users]") {
		to = &out_.users;
	} else if (section_ == "[pgbouncer]") {
		status = setting(entry);
		to = &out_.settings;
	} else {
		status = wrong(entry, "\"" + entry.name + "\" stands before the first section");
	}
	if (status) {
		to->push_back(std::move(entry));
	}
	return status;
}

core::Status Parser::database(const IncludedLine &entry) {
	const auto keys = keys_of(entry.value);
	if (!keys) {
		return wrong(entry,
		             "the connection string of database \"" + entry.name + "\" is not understood");
	}
	for (const std::string &key : *keys) {
		if (key == "host" || key == "port") {
			return wrong(entry, "database \"" + entry.name + "\" has a " + key +
			                        "; take it out, stolon-proxy leads every database to the "
			                        "master (or to the standbys)");
		}
	}
	return {};
}

core::Status Parser::setting(const IncludedLine &entry) {
	const auto managed = managed_settings().find(entry.name);
	if (managed != managed_settings().end()) {
		return wrong(entry, "\"" + entry.name + "\" cannot be set here: " + managed->second);
	}
	return {};
}

void append(std::string &out, const std::string &section, const std::vector<IncludedLine> &lines) {
	out += section + "\n";
	for (const IncludedLine &line : lines) {
		out += line.name + " = " + line.value + "\n";
	}
}

}  // namespace

bool Included::sets(const std::string &setting) const {
	return std::any_of(settings.begin(), settings.end(),
	                   [&](const IncludedLine &line) { return line.name == setting; });
}

core::Result<Included> parse_included(const std::string &text, const std::string &file) {
	Parser parser;
	if (core::Status status = parser.parse(text, file, 0); !status) {
		return status.error();
	}
	return parser.take();
}

core::Result<Included> read_included(const std::string &file) {
	core::Result<std::string> text = store::read_small_file(file, max_file_bytes);
	if (!text) {
		return text.error();
	}
	return parse_included(*text, file);
}

std::string to_text(const Included &included) {
	std::string out;
	append(out, "[databases]", included.databases);
	append(out, "[users]", included.users);
	append(out, "[pgbouncer]", included.settings);
	return out;
}

}  // namespace stolon::proxy
