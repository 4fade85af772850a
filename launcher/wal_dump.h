// What lies in WAL files, by PostgreSQL's pg_waldump.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "core/lineage/way_back.h"
#include "launcher/wal_shape.h"

namespace stolon::launcher {

struct WalSummary {
	std::uint64_t records = 0;
	std::uint64_t commits = 0;
	std::uint64_t prepared = 0;             ///< transactions that were prepared
	core::Lsn end;                          ///< of the last record; not valid: there is none
	std::string first_commit, last_commit;  ///< when, in UTC
};

/// Takes a line of pg_waldump's output into the summary.
void add_record(const std::string &line, const WalShape &shape, WalSummary &summary);

/// Reads the whole records of `range`, which begins with a record, from the files in
/// `wal_directory` into the summary. NotFound: the file where it begins is not there. Unavailable:
/// the reading itself failed, so that the summary tells too little.
core::Status read_wal(const std::string &bin_path, const std::string &wal_directory,
                      const WalShape &shape, const core::WalRange &range, WalSummary &summary);

/// The command line that shows the range, to be run in `directory`, where pg_wal lies.
std::string dump_command(const std::string &directory, const WalShape &shape,
                         const core::WalRange &range);

}  // namespace stolon::launcher
