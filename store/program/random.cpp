#include "store/program/random.h"

#include <sys/random.h>

#include <cerrno>
#include <vector>

namespace stolon::program {

namespace {

bool fill_random(unsigned char *bytes, std::size_t size) {
	std::size_t done = 0;
	while (done < size) {
		const ssize_t got = getrandom(bytes + done, size - done, 0);
		if (got > 0)
			done += static_cast<std::size_t>(got);
		else if (errno != EINTR)
			return false;
	}
	return true;
}

}  // namespace

core::Result<std::string> random_hex(std::size_t digits) {
	static constexpr char alphabet[] = "0123456789abcdef";
	std::vector<unsigned char> bytes(digits);
	if (!fill_random(bytes.data(), bytes.size()))
		return core::invalid("the kernel gives no random numbers (getrandom failed)");
	std::string text;
	for (const unsigned char byte : bytes)
		text += alphabet[byte & 15];
	return text;
}

core::Result<std::vector<core::DbUid>> random_db_uids(std::size_t count) {
	constexpr std::size_t digits_of_uid = 8;
	const auto digits = random_hex(count * digits_of_uid);
	if (!digits)
		return digits.error();
	std::vector<core::DbUid> uids;
	for (std::size_t i = 0; i < count; ++i)
		uids.push_back(core::DbUid{digits->substr(i * digits_of_uid, digits_of_uid)});
	return uids;
}

}  // namespace stolon::program
