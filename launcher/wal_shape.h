// The layout of WAL on disk, as far as positions and file names depend on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/types.h"

namespace stolon::launcher {

struct WalShape {
	std::uint64_t page = 0;     ///< bytes
	std::uint64_t segment = 0;  ///< bytes of a file in pg_wal

	bool is_sane() const;
	std::uint64_t segment_of(core::Lsn at) const { return at.value / segment; }
	/// The name of the file in pg_wal that holds this place: 24 hexadecimal digits.
	std::string file_of(core::WalPosition at) const;
	/// Where a record of `length` bytes that begins at `begin` ends: each page that it goes on to
	/// begins with a header.
	core::Lsn end_of_record(core::Lsn begin, std::uint64_t length) const;
};

/// The timeline and the number of the segment in such a name; nullopt: another name.
struct WalFile {
	core::Timeline timeline;
	std::uint64_t segment = 0;
};
std::optional<WalFile> parse_wal_file(const std::string &name, const WalShape &shape);

/// "00000002.history"
std::string history_file_of(core::Timeline timeline);
/// The timeline in such a name; nullopt: another name.
std::optional<core::Timeline> timeline_of_history(const std::string &name);

}  // namespace stolon::launcher
