// Whether a standby gets on with the WAL of its upstream: judged by its keeper worker from looks at
// its own server. "It runs, and has a walreceiver" says little: a standby whose WAL is gone asks
// for it for ever (LESSONS C-7).
#pragma once

#include <optional>
#include <string>

#include "core/base/time.h"
#include "core/base/types.h"

namespace stolon::core {

/// One look at the server.
struct StreamSample {
	bool has_upstream = false;  ///< stolon.conf names one
	bool connected = false;     ///< the walreceiver streams from it, as the server sees it
	int receiver = 0;           ///< its pid; 0: there is none
	std::string astray;         ///< it streams from this address, which is another; empty: no
	bool heard = false;         ///< it has received a message from the upstream
	WalPosition position;       ///< the higher of received and replayed
	Lsn received;               ///< on disk; invalid: nothing since the start
	Lsn replayed;
	Lsn upstream_end;          ///< of the upstream's WAL, as the upstream has told last in any way
	bool replay_held = false;  ///< somebody has paused the replay, or wants it delayed
	bool asking = false;       ///< a walreceiver runs, or has failed a moment ago
	/// What the walreceiver (or the startup process) has complained about last, and whether that
	/// was that nobody answers at the upstream's address, or lets it in.
	std::string complaint;
	bool unreachable = false;
};

struct StreamLimits {
	Duration receive_stall{0};   ///< connected, the upstream has more, and nothing arrives
	Duration replay_stall{0};    ///< WAL is here and is not replayed
	std::uint64_t close = 0;     ///< bytes; further behind is "catching up"
	Duration repeat_trouble{0};  ///< another text of the same trouble is told so seldom
};

struct StreamHealth {
	/// It streams from the upstream, and what the upstream has arrives.
	bool streaming = false;
	/// It streams, and is further behind than `close`.
	bool catching_up = false;
	/// Its replay waits: for somebody's pause, a delay or a query. Until it has replayed what is
	/// here it asks for no stream, and no clone would do it good.
	bool held = false;
	std::string trouble;  ///< why it is not well, for people; empty: it is, or not for long
	/// It does not stream, because the upstream cannot be reached: a clone could not, either.
	bool unreachable = false;
	Duration stood_still{0};  ///< neither streamed nor got further, or by another upstream only
	bool operator==(const StreamHealth &) const = default;
};

class StreamWatch {
public:
	/// Not streaming for less than this is no trouble yet: the upstream has just changed.
	static constexpr Duration patience = seconds(2);
	/// A walreceiver counts as streaming from its start on, although it may not get beyond asking
	/// for WAL, again and again. One that has lived for so long is past that.
	static constexpr Duration settled = seconds(1);

	StreamHealth look(Instant now, const StreamSample &given, const StreamLimits &limits);

private:
	Duration standing_still(Instant now, const StreamSample &sample);
	bool is_connected(Instant now, const StreamSample &sample);
	bool receives(Instant now, const StreamSample &sample, Duration bound);
	bool replays(Instant now, const StreamSample &sample, Duration bound);
	static std::string find_trouble(const StreamSample &sample, const StreamHealth &health,
	                                bool replaying);
	void tell(Instant now, std::string trouble, Duration repeat);

	std::optional<Instant> got_on_at_;     ///< streamed, or got further
	std::optional<Instant> astray_since_;  ///< its keeper has to lead it back
	WalPosition furthest_;
	Lsn furthest_replayed_;
	std::optional<Instant> receive_stuck_since_, replay_stuck_since_;
	Lsn stuck_received_, stuck_replayed_;
	int receiver_ = 0;
	Instant receiver_since_;
	bool catching_up_ = false;
	std::string told_;
	Instant told_at_;
};

}  // namespace stolon::core
