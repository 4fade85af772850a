// What a keeper has set aside: WAL that only it has, or a whole data directory. Told in the file
// stolon.diverged of each such directory, and by the launcher in keepers/node.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/types.h"

namespace stolon::core {

class FieldReader;

struct DivergedData {
	std::string name;            ///< of the directory, beside PGDATA
	std::string time;            ///< when it was set aside, RFC 3339
	DbUid db;                    ///< whose data these were
	bool whole = false;          ///< a whole data directory; otherwise WAL only
	bool half_rewound = false;   ///< whole, but no server may be started on it; told is what the
	                             ///< WAL holds that was kept before its rewind
	bool examined = false;       ///< the following is known
	WalPosition fork;            ///< up to here it is on the line of the db that replaced it
	WalPosition end;             ///< of its WAL
	std::uint64_t commits = 0;   ///< that lie behind `fork`
	std::uint64_t prepared = 0;  ///< transactions that were prepared there
	std::string first_commit, last_commit;  ///< when, as pg_waldump tells it (UTC)
	std::string problem;                    ///< why it was not examined, or how it came about

	bool operator==(const DivergedData &) const = default;
};

struct DivergedLimits {
	static constexpr std::size_t max_published = 20;  ///< the newest
};

Json diverged_to_json(const DivergedData &data);
DivergedData read_diverged(FieldReader &in);
Result<DivergedData> parse_diverged(std::string_view text);

}  // namespace stolon::core
