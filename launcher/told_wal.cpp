#include "launcher/told_wal.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>

#include "launcher/control_file.h"
#include "launcher/entries.h"

namespace stolon::launcher {

namespace {

// XLogPageHeaderData in access/xlog_internal.h: the address of the page, behind magic, info and
// timeline. The same since PostgreSQL 9.3.
constexpr std::uint64_t address_offset = 8;

/// Files of WAL are used again under another name, with their old content: only the address in its
/// header tells that a page was written where it lies. It stays when a crash cut off what is on
/// the page, because the next WAL there is written at the same address.
core::Result<bool> page_was_written(const std::string &path, std::uint64_t offset,
                                    std::uint64_t address) {
	if (look_at(path) == EntryKind::Absent)
		return false;
	std::ifstream file(path, std::ios::binary);
	std::uint64_t found = 0;
	file.seekg(static_cast<std::streamoff>(offset + address_offset));
	if (file.read(reinterpret_cast<char *>(&found), sizeof found))
		return found == address;
	// A shorter file than one of WAL; an error of the disk says nothing.
	if (file.eof())
		return false;
	return core::Error{core::ErrorKind::Unavailable,
	                   "\"" + path + "\" cannot be read: " + std::strerror(errno)};
}

}  // namespace

core::Result<bool> has_wal_up_to(const std::string &bin_path, const std::string &pgdata,
                                 core::WalPosition told) {
	const auto control = read_control_file(bin_path, pgdata);
	if (!control.ok())
		return control.error();
	if (control->timeline > told.timeline)
		return true;
	if (control->checkpoint.timeline == told.timeline && control->checkpoint.lsn >= told.lsn)
		return true;
	const WalShape &shape = control->shape;
	const core::Lsn last{told.lsn.value - 1};
	const std::uint64_t page = last.value / shape.page * shape.page;
	return page_was_written(pgdata + "/pg_wal/" + shape.file_of({told.timeline, last}),
	                        page % shape.segment, page);
}

}  // namespace stolon::launcher
