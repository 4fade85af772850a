#include "launcher/told_wal.h"

#include <cstdint>

#include "launcher/control_file.h"
#include "launcher/wal_page.h"

namespace stolon::launcher {

namespace {

using core::Result;

/// What an address that could not be read means.
Result<bool> not_there(const core::Error &error) {
	return error.kind == core::ErrorKind::NotFound ? Result<bool>(false) : error;
}

Result<bool> has_page(const std::string &pgdata, const WalShape &shape, core::WalPosition page) {
	const auto address =
	    page_address(pgdata + "/pg_wal/" + shape.file_of(page), page.lsn.value % shape.segment);
	return address.ok() ? Result<bool>(*address == page.lsn.value) : not_there(address.error());
}

/// Whether the segments from that of `from` up to, and without, that of `to` are there, whole. Who
/// brought them back may have forgotten one; recovery would end there.
Result<bool> has_segments(const std::string &pgdata, const WalShape &shape, core::WalPosition from,
                          core::Lsn to) {
	for (auto i = shape.segment_of(from.lsn); i < shape.segment_of(to); ++i) {
		const core::WalPosition begin{from.timeline, core::Lsn{i * shape.segment}};
		const auto has_begin = has_page(pgdata, shape, begin);
		if (!has_begin.ok() || !*has_begin)
			return has_begin;
		const auto end =
		    page_address(pgdata + "/pg_wal/" + shape.file_of(begin), shape.segment - shape.page);
		if (!end.ok())
			return not_there(end.error());
	}
	return true;
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
	// The address stays when a crash cut off what is on the page, because the next WAL there is
	// written at the same one.
	const auto has_last = has_page(pgdata, shape, {told.timeline, core::Lsn{page}});
	if (!has_last.ok() || !*has_last || control->checkpoint.timeline != told.timeline)
		return has_last;
	return has_segments(pgdata, shape, control->checkpoint, last);
}

}  // namespace stolon::launcher
