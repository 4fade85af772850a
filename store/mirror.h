// A copy of all keys of one cluster, kept up to date by a watch from the revision of its first
// read, with a periodic re-read as a safety net (DESIGN 3). Everybody's way of observing.
#pragma once

#include <map>
#include <string>

#include "store/store.h"

namespace stolon::store {

struct MirrorEntry {
	std::string value;
	std::int64_t mod_revision = 0;
	std::int64_t create_revision = 0;
	Instant seen_at;  ///< when this process first saw this mod_revision
};

/// A store that was restored from a backup may give a revision that has been seen to another value.
bool is_same(const MirrorEntry &a, const MirrorEntry &b);

struct MirrorOptions {
	std::string prefix;  ///< all keys that begin with it
	Duration request_timeout = core::seconds(1);
	Duration resync_interval = core::seconds(5);  ///< full linearizable re-read
	Duration probe_interval =
	    core::seconds(5);  ///< a cheap linearizable read, to know that there is contact
	/// A larger value is left out and named in problem(); the entry keeps what it had before, as if
	/// the write had not been seen.
	std::size_t max_value_bytes = 512 * 1024;
	std::size_t max_keys = 4096;  ///< More are left out, and problem() says so.
};

class Mirror {
public:
	static constexpr Instant never{Duration::max()};

	Mirror(Store &store, MirrorOptions options);
	~Mirror();

	/// Sends what is due (first read, watch, probe, re-read, retry after a failure). Call after
	/// Store::process() and at wake_at().
	void poll(Instant now);
	Instant wake_at() const;

	/// The first full read is in. Until then the entries mean nothing.
	bool ready() const;
	/// Grows whenever an entry changes (and once when ready() becomes true).
	std::uint64_t changes() const;
	const std::map<std::string, MirrorEntry> &entries() const;
	const MirrorEntry *find(const std::string &key) const;
	/// Every entry whose key begins with the prefix, in order: a pair of iterators.
	std::pair<std::map<std::string, MirrorEntry>::const_iterator,
	          std::map<std::string, MirrorEntry>::const_iterator>
	with_prefix(const std::string &prefix) const;

	/// Revision up to which the copy is complete.
	std::int64_t revision() const;
	/// Since when the store has been heard of without a silence of probe_interval +
	/// 2 * request_timeout: the time of the first answer in time after the last such silence. A
	/// request that failed or was answered late does not move it by itself. While there is silence:
	/// in the far future (Mirror::never). Whoever judges a holder of beats by it wants that silence
	/// to be so much shorter than a beat is valid that another beat can still come.
	Instant contact_since() const;
	/// When the last answered linearizable read was SENT (a probe counts when the copy has reached
	/// its revision): the copy holds everything that was committed before. 0 before the first.
	Instant fresh_at() const;
	bool in_contact() const;  ///< the last read or probe was answered in time
	/// Why the last one was not, what was left out, or (until the next read) that the store has
	/// gone back; "" if nothing.
	std::string problem() const;

	/// Asks for a full linearizable re-read now. When fresh_at() has become later than the call, it
	/// is in.
	void refresh();

	void set_intervals(Duration request_timeout, Duration resync_interval, Duration probe_interval);

private:
	struct Impl;
	std::unique_ptr<Impl> impl_;
};

}  // namespace stolon::store
