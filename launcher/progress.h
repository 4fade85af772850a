// How far a copy is, for the node's message: pg_basebackup and pg_rewind tell how many kB of how
// many are there; how fast it goes is what has come in the last seconds.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "core/base/time.h"

namespace stolon::launcher {

class Progress {
public:
	/// The newest line of a task's output in a form for people; any other line as it is.
	std::string text_of(const std::string &line, core::Instant now);

private:
	struct Mark {
		core::Instant at;
		std::uint64_t kilobytes = 0;
	};
	static constexpr core::Duration window = core::seconds(15);

	std::deque<Mark> marks_;
};

}  // namespace stolon::launcher
