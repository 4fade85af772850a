// What the launcher reads in PostgreSQL's configuration files before a start.
#pragma once

#include <string>
#include <vector>

#include "core/base/time.h"

namespace stolon::launcher {

/// stolon.conf without its upstream, for a start without knowledge of the cluster.
std::string without_upstream(const std::string &stolon_conf);

/// failInterval of the cluster spec by which stolon.conf was made (wal_receiver_timeout follows it,
/// from a second on); 0: it cannot be told.
core::Duration fail_interval_in(const std::string &stolon_conf);

/// Arguments for `postgres` that repeat what stolon.conf says and the fence rests on: which
/// libraries are loaded, whose server this is, and which store grants its lease.
/// postgresql.auto.conf, which is read after stolon.conf, could otherwise take the fence away; the
/// command line has the last word.
std::vector<std::string> fence_arguments(const std::string &stolon_conf);

/// Lines of postgresql.auto.conf, which has the last word over stolon.conf, that set what stolon
/// manages. The extension refuses ALTER SYSTEM for them, but the file can be edited, and base
/// backups and restore tools write into it. Names as they are spelled there.
struct Overrides {
	/// What makes a standby follow somebody else, stop following, or be promoted by itself.
	std::vector<std::string> upstream;
	/// What only makes a parameter other than stolon sets it.
	std::vector<std::string> others;
};

/// `auto_conf` is the text of that file. "include" counts as `upstream`, because anything may stand
/// in the other file. What fence_arguments repeats counts for nothing: it has no effect there.
Overrides overrides_in(const std::string &auto_conf);

}  // namespace stolon::launcher
