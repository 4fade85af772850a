#include "launcher/wal_page.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "launcher/entries.h"
#include "launcher/process.h"

namespace stolon::launcher {

core::Result<std::uint64_t> page_address(const std::string &path, std::uint64_t offset) {
	// XLogPageHeaderData in access/xlog_internal.h: xlp_pageaddr, behind magic, info and timeline.
	// The same since PostgreSQL 9.3.
	constexpr std::uint64_t address_offset = 8;
	const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
	if (!file && errno == ENOENT)
		return core::Error{core::ErrorKind::NotFound, "there is no \"" + path + "\""};
	if (!file)
		return system_error("open \"" + path + "\"");
	std::uint64_t address = 0;
	const ssize_t got =
	    ::pread(file.get(), &address, sizeof address, static_cast<off_t>(offset + address_offset));
	if (got < 0)
		return system_error("read \"" + path + "\"");
	if (got != sizeof address)
		return core::Error{core::ErrorKind::NotFound, "\"" + path + "\" is too short"};
	return address;
}

}  // namespace stolon::launcher
