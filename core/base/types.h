// The small types that the whole project speaks in: WAL positions, epochs, generations and
// identifiers.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace stolon::core {

/// A WAL location in bytes from the beginning of the log ("0/16B3740" in PostgreSQL's text form).
struct Lsn {
	std::uint64_t value = 0;

	auto operator<=>(const Lsn &) const = default;
	static Result<Lsn> parse(std::string_view text);
	std::string to_string() const;
	bool valid() const { return value != 0; }
};

/// A PostgreSQL timeline id; 0 means unknown. A higher number is NOT a descendant: see
/// core/lineage.
struct Timeline {
	std::uint32_t value = 0;

	auto operator<=>(const Timeline &) const = default;
	bool valid() const { return value != 0; }
};

/// A place in the WAL of one timeline.
struct WalPosition {
	Timeline timeline;
	Lsn lsn;

	bool operator==(const WalPosition &) const = default;
	std::string to_string() const;  ///< "timeline 3 at 0/5000060"
};

/// The one to which a single server comes later: it goes forward on a timeline, and from one to a
/// later one. Says nothing of positions of two servers.
WalPosition further(WalPosition a, WalPosition b);

/// Counts elections. Grows, never repeats.
struct Epoch {
	std::uint64_t value = 0;

	auto operator<=>(const Epoch &) const = default;
	Epoch next() const { return Epoch{value + 1}; }
};

/// Names are distinct types, so that a keeper cannot be passed for a db.
template <typename Tag>
struct Uid {
	std::string value;

	auto operator<=>(const Uid &) const = default;
	bool empty() const { return value.empty(); }
	/// Checks the characters and the length (see Tag); Invalid says what is allowed.
	static Result<Uid> parse(std::string_view text);
};

struct KeeperTag;    // lower-case letters, digits and '_', 1..40 characters (as stolon)
struct DbTag;        // 8 lower-case hexadecimal digits (as stolon)
struct SentinelTag;  // as a keeper's
struct ProxyTag;     // as a keeper's
using KeeperUid = Uid<KeeperTag>;
using DbUid = Uid<DbTag>;
using SentinelUid = Uid<SentinelTag>;
using ProxyUid = Uid<ProxyTag>;

/// "stolon_<db>": the application_name and the slot name of a standby's incarnation. Only it can
/// confirm for it.
std::string replication_name(const DbUid &db);

/// Cluster names are 1..63 of letters, digits, '_', '-' and '.', not starting with '.'.
Status check_cluster_name(std::string_view name);

}  // namespace stolon::core
