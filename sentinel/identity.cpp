#include "sentinel/identity.h"

#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "store/program/program.h"

namespace stolon::sentinel {

namespace {

void fill_random(unsigned char *bytes, std::size_t size) {
	std::size_t done = 0;
	while (done < size) {
		const ssize_t got = getrandom(bytes + done, size - done, 0);
		if (got > 0) {
			done += static_cast<std::size_t>(got);
		} else if (errno != EINTR) {
			spdlog::error("the kernel gives no random numbers (getrandom failed)");
			std::exit(program::ExitFailed);
		}
	}
}

}  // namespace

std::string random_hex(std::size_t digits) {
	static constexpr char alphabet[] = "0123456789abcdef";
	std::vector<unsigned char> bytes(digits);
	fill_random(bytes.data(), bytes.size());
	std::string text;
	for (const unsigned char byte : bytes) {
		text += alphabet[byte & 15];
	}
	return text;
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
