#include "store/etcd/etcd_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "store/etcd/etcd_client.h"

namespace stolon::store {

namespace {

constexpr std::size_t max_endpoints = 16;
constexpr std::size_t max_credentials_bytes = 4096;
constexpr std::string_view default_port = "2379";

std::string_view trim(std::string_view text) {
	constexpr std::string_view blank = " \t\r\n";
	const std::size_t first = text.find_first_not_of(blank);
	if (first == std::string_view::npos)
		return {};
	return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

bool is_host(std::string_view host) {
	if (host.empty() || host.size() > 253)
		return false;
	if (host.front() == '[') {
		return host.size() > 2 && host.back() == ']' &&
		       host.substr(1, host.size() - 2).find_first_not_of("0123456789abcdefABCDEF:.%") ==
		           std::string_view::npos;
	}
	for (const char c : host) {
		const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		const bool other = (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
		if (!letter && !other)
			return false;
	}
	return true;
}

bool is_port(std::string_view port) {
	int value = 0;
	const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), value);
	return problem == std::errc{} && end == port.data() + port.size() && value >= 1 &&
	       value <= 65535;
}

Result<std::string> parse_endpoint(std::string_view text) {
	const std::string shown = "store endpoint \"" + std::string(text) + "\"";
	std::string scheme = "http";
	std::string_view rest = text;
	if (const std::size_t end = text.find("://"); end != std::string_view::npos) {
		scheme = std::string(text.substr(0, end));
		rest = text.substr(end + 3);
	}
	if (scheme != "http" && scheme != "https")
		return core::invalid(shown + ": the scheme must be http or https");
	if (!rest.empty() && rest.back() == '/')
		rest.remove_suffix(1);
	if (rest.find_first_of("/?#@") != std::string_view::npos)
		return core::invalid(shown + ": only a scheme, a host and a port may be given");

	std::string_view host = rest;
	std::string_view port = default_port;
	const std::size_t bracket = rest.rfind(']');
	const std::size_t colon = rest.rfind(':');
	if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
		host = rest.substr(0, colon);
		port = rest.substr(colon + 1);
	}
	if (!is_host(host)) {
		return core::invalid(shown +
		                     ": the host must be a name, an IPv4 address, or an IPv6 "
		                     "address in brackets");
	}
	if (!is_port(port))
		return core::invalid(shown + ": the port must be a number from 1 to 65535");
	return scheme + "://" + std::string(host) + ":" + std::string(port);
}

Status check_readable(const char *what, const std::string &path) {
	if (path.empty())
		return {};
	const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return core::invalid("cannot read the store's " + std::string(what) + " file \"" + path +
		                     "\": " + std::strerror(errno));
	}
	struct stat info {};
	const bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
	close(fd);
	if (!regular) {
		return core::invalid("the store's " + std::string(what) + " file \"" + path +
		                     "\" is not a regular file");
	}
	return {};
}

Status check_options(const EtcdOptions &options) {
	if (options.cert_file.empty() != options.key_file.empty()) {
		return core::invalid(
		    "a client certificate for the store needs both a certificate file and a key file");
	}
	if (!options.password.empty() && options.user.empty())
		return core::invalid("a password for the store was given, but no user");
	if (options.max_body_bytes == 0)
		return core::invalid("the store's largest answer must be larger than 0 bytes");
	const std::pair<const char *, const std::string *> files[] = {
	    {"CA", &options.ca_file},
	    {"certificate", &options.cert_file},
	    {"key", &options.key_file},
	};
	for (const auto &[what, path] : files) {
		if (Status status = check_readable(what, *path); !status.ok())
			return status;
	}
	return {};
}

/// The whole file, or what is wrong with it.
Result<std::string> read_private_file(const std::string &path) {
	const auto problem = [&path](const std::string &text) {
		return core::invalid("credentials file \"" + path + "\": " + text);
	};
	const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return problem(std::strerror(errno));
	struct stat info {};
	const bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
	std::array<char, max_credentials_bytes> buffer;
	const ssize_t length = regular ? read(fd, buffer.data(), buffer.size()) : 0;
	close(fd);
	if (!regular)
		return problem("not a regular file");
	if ((info.st_mode & 077) != 0)
		return problem("others can read it; make it 0600");
	if (length < 0)
		return problem("cannot be read");
	if (length == static_cast<ssize_t>(buffer.size()))
		return problem("longer than " + std::to_string(max_credentials_bytes - 1) + " bytes");
	return std::string(buffer.data(), static_cast<std::size_t>(length));
}

}  // namespace

Result<std::vector<std::string>> parse_endpoints(std::string_view text) {
	std::vector<std::string> endpoints;
	while (true) {
		const std::size_t comma = text.find(',');
		const std::string_view part = trim(text.substr(0, comma));
		if (part.empty())
			return core::invalid(
			    "store endpoints: an empty one; expected for example "
			    "\"http://10.0.0.1:2379,http://10.0.0.2:2379\"");
		auto endpoint = parse_endpoint(part);
		if (!endpoint.ok())
			return endpoint.error();
		endpoints.push_back(std::move(endpoint).value());
		if (comma == std::string_view::npos)
			break;
		text.remove_prefix(comma + 1);
	}
	if (endpoints.size() > max_endpoints)
		return core::invalid("store endpoints: more than " + std::to_string(max_endpoints));
	return endpoints;
}

Result<std::pair<std::string, std::string>> read_credentials_file(const std::string &path) {
	const auto content = read_private_file(path);
	if (!content.ok())
		return content.error();
	std::string line = content->substr(0, content->find('\n'));
	if (!line.empty() && line.back() == '\r')
		line.pop_back();
	const std::size_t colon = line.find(':');
	if (colon == 0 || colon == std::string::npos) {
		return core::invalid("credentials file \"" + path +
		                     "\": its first line must be \"user:password\"");
	}
	return std::pair(line.substr(0, colon), line.substr(colon + 1));
}

Result<std::unique_ptr<Store>> make_etcd_store(EtcdOptions options) {
	std::string joined;
	for (const std::string &endpoint : options.endpoints)
		joined += (joined.empty() ? "" : ",") + endpoint;
	auto endpoints = parse_endpoints(joined);
	if (!endpoints.ok())
		return endpoints.error();
	options.endpoints = std::move(endpoints).value();
	if (const Status status = check_options(options); !status.ok())
		return status.error();

	auto http = etcd::HttpClient::create({
	    .ca_file = options.ca_file,
	    .cert_file = options.cert_file,
	    .key_file = options.key_file,
	    .block_signals = options.block_signals,
	    .max_body_bytes = options.max_body_bytes,
	});
	if (!http.ok())
		return http.error();
	return std::unique_ptr<Store>(
	    std::make_unique<etcd::EtcdClient>(std::move(options), std::move(http).value()));
}

}  // namespace stolon::store
