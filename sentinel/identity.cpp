#include "sentinel/identity.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>

#include "store/program/program.h"
#include "store/program/random.h"

namespace stolon::sentinel {

std::string random_hex(std::size_t digits) {
	auto text = program::random_hex(digits);
	if (!text) {
		spdlog::error("{}", text.error().message);
		std::exit(program::ExitFailed);
	}
	return *std::move(text);
}

std::vector<core::DbUid> random_db_uids(std::size_t count) {
	std::vector<core::DbUid> uids;
	const std::string digits = random_hex(count * 8);
	for (std::size_t i = 0; i < count; ++i) {
		uids.push_back(core::DbUid{digits.substr(i * 8, 8)});
	}
	return uids;
}

core::SentinelInfo own_identity(core::SentinelUid uid) {
	char host[256] = "";
	gethostname(host, sizeof host - 1);
	return core::SentinelInfo{std::move(uid), host, getpid()};
}

}  // namespace stolon::sentinel
