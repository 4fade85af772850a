// The entries of a Mirror: how reads and events change them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/mirror.h"

namespace stolon::store {

class MirrorCopy {
public:
	MirrorCopy(std::size_t max_value_bytes, std::size_t max_keys)
	    : max_value_bytes_(max_value_bytes), max_keys_(max_keys) {}

	/// Makes the copy what a full read found. Entries whose mod_revision stays keep their seen_at.
	/// Returns the newest mod_revision that was not known before, 0 if there is none.
	std::int64_t replace(RangeResponse response, Instant now);
	/// Applies what is newer than the copy.
	void apply(std::vector<WatchEvent> events, Instant now);

	void count_change() { changes_++; }
	std::uint64_t changes() const { return changes_; }
	std::int64_t revision() const { return revision_; }
	const std::map<std::string, MirrorEntry> &entries() const { return entries_; }
	std::string problem() const;

private:
	/// Whether the entry is another one now.
	bool take(KeyValue kv, Instant now);

	std::size_t max_value_bytes_;
	std::size_t max_keys_;
	std::map<std::string, MirrorEntry> entries_;
	std::set<std::string> oversized_;
	bool too_many_ = false;
	std::int64_t revision_ = 0;
	std::uint64_t changes_ = 0;
};

}  // namespace stolon::store
