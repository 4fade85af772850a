#include "sentinel/identity.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>

#include "store/program/program.h"
#include "store/program/random.h"

namespace stolon::sentinel {

namespace {

template <typename T>
T or_exit(core::Result<T> random) {
	if (!random) {
		spdlog::error("{}", random.error().message);
		std::exit(program::ExitFailed);
	}
	return *std::move(random);
}

}  // namespace

std::string random_hex(std::size_t digits) {
	return or_exit(program::random_hex(digits));
}

std::vector<core::DbUid> random_db_uids(std::size_t count) {
	return or_exit(program::random_db_uids(count));
}

core::SentinelInfo own_identity(core::SentinelUid uid) {
	char host[256] = "";
	gethostname(host, sizeof host - 1);
	return core::SentinelInfo{std::move(uid), host, getpid()};
}

}  // namespace stolon::sentinel
