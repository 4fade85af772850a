#include "launcher/secrets.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "store/files.h"

namespace stolon::launcher {

namespace {

constexpr std::size_t max_password = 1024;

std::string doubled(const std::string &text, char special) {
	std::string result(1, special);
	for (const char c : text) {
		if (c == special)
			result += c;
		result += c;
	}
	return result + special;
}

std::string with_backslashes(const std::string &text, const char *special) {
	std::string result;
	for (const char c : text) {
		if (std::strchr(special, c) != nullptr)
			result += '\\';
		result += c;
	}
	return result;
}

}  // namespace

core::Result<std::string> read_password(const std::string &path) {
	struct stat status = {};
	if (::stat(path.c_str(), &status) != 0)
		return core::invalid("the password file \"" + path +
		                     "\" cannot be read: " + std::strerror(errno));
	const bool private_to_us = status.st_uid == ::geteuid() && (status.st_mode & 077) == 0;
	const bool given_by_root = status.st_uid == 0 && (status.st_mode & 037) == 0;
	if (!private_to_us && !given_by_root)
		return core::invalid("the password file \"" + path +
		                     "\" can be read by others: chmod 0600 it, owned by the user that "
		                     "runs the launcher");
	auto text = store::read_small_file(path, max_password);
	if (!text.ok())
		return text.error();
	std::string password = text->substr(0, text->find('\n'));
	if (!password.empty() && password.back() == '\r')
		password.pop_back();
	if (password.empty())
		return core::invalid("the password file \"" + path + "\" has an empty first line");
	for (const char c : password) {
		if (static_cast<unsigned char>(c) < ' ')
			return core::invalid("the password in \"" + path + "\" contains a control character");
	}
	return password;
}

std::string pgpass_line(const std::string &user, const std::string &password) {
	return "*:*:*:" + with_backslashes(user, ":\\") + ":" + with_backslashes(password, ":\\") +
	       "\n";
}

std::string quote_literal(const std::string &text) {
	if (text.find('\\') == std::string::npos)
		return doubled(text, '\'');
	std::string escaped;
	for (const char c : text) {
		if (c == '\\')
			escaped += c;
		escaped += c;
	}
	return " E" + doubled(escaped, '\'');
}

std::string quote_identifier(const std::string &name) {
	return doubled(name, '"');
}

std::string quote_conninfo(const std::string &value) {
	return "'" + with_backslashes(value, "'\\") + "'";
}

}  // namespace stolon::launcher
