#include "launcher/told_wal.h"

#include <cstdint>

#include "launcher/control_file.h"
#include "launcher/wal_page.h"

namespace stolon::launcher {

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
	const auto address = page_address(pgdata + "/pg_wal/" + shape.file_of({told.timeline, last}),
	                                  page % shape.segment);
	if (!address.ok() && address.error().kind == core::ErrorKind::NotFound)
		return false;
	// The address stays when a crash cut off what is on the page, because the next WAL there is
	// written at the same one.
	return address.ok() ? core::Result<bool>(*address == page) : address.error();
}

}  // namespace stolon::launcher
