// Switchovers in shared memory: the one request that a session hands to the keeper worker, with its
// answer, and what the keeper worker sees of the present operation, which every session may follow.
#pragma once

#include "core/model/switchover.h"
#include "extension/bridge/pg.h"

namespace stolon::pg {

struct SwitchoverTexts {
	static constexpr std::size_t id = core::SwitchoverLimits::id_digits + 1;
	static constexpr std::size_t keeper = NAMEDATALEN;
	static constexpr std::size_t sentence = 1025;  ///< as long as clusterdata allows
};

enum class SwitchoverAsk : uint32 { Begin, Cancel };

/// What a session wants. Begin: a new operation of this id. Cancel: the present one, if it is of
/// this id or the id is empty.
struct SwitchoverOrder {
	SwitchoverAsk ask;
	char id[SwitchoverTexts::id];
	char to[SwitchoverTexts::keeper];  ///< "": the sentinel chooses
	int64 timeout_ms;
	bool scheduled;
	int64 at_unix_ms;
};

/// What became of an order.
enum class SwitchoverVerdict : uint32 {
	Unknown,  ///< it was sent to the store, and nobody knows whether it was put
	Put,      ///< it stands in clusterdata
	Refused,  ///< nothing was put, and nothing will be
};

struct SwitchoverAnswer {
	SwitchoverVerdict verdict;
	char id[SwitchoverTexts::id];            ///< of the operation that it is about
	char reason[SwitchoverTexts::sentence];  ///< unless it was put
};

enum class OrderState : uint32 { Free, Asked, Taken, Answered };

/// The present operation as the keeper worker's copy of clusterdata has it.
struct SwitchoverSight {
	bool is_there;
	char id[SwitchoverTexts::id];
	core::SwitchoverPhase phase;
	char to[SwitchoverTexts::keeper];      ///< as asked for
	char target[SwitchoverTexts::keeper];  ///< keeper that was chosen; "": not yet
	bool scheduled;
	int64 at_unix_ms;
	char reason[SwitchoverTexts::sentence];
	/// CLOCK_BOOTTIME in ns: everything that was in the store by then is known; 0: nothing is.
	uint64 known_at_ns;
};

/// Part of SharedState, protected by its mutex.
struct SwitchoverMailbox {
	uint64 ticket;  ///< grows with each order
	OrderState state;
	bool abandoned;  ///< nobody waits for the answer any more
	SwitchoverOrder order;
	SwitchoverAnswer answer;
	SwitchoverSight sight;
};

// ---- Sessions

/// Leaves an order; its ticket, or 0 when another one is there.
uint64 leave_order(const SwitchoverOrder &order);
/// Where the order of this ticket is, and the answer if there is one. Free: it is not there any
/// more.
OrderState look_at_order(uint64 ticket, SwitchoverAnswer *answer);
/// Nobody waits for it any more. True when the keeper worker had not taken it: it never will.
bool withdraw_order(uint64 ticket);
SwitchoverSight switchover_sight();

// ---- The keeper worker

/// Takes the order that is there; false: there is none.
bool take_order(SwitchoverOrder *order);
void answer_order(const SwitchoverAnswer &answer);
/// A worker that has just started cannot know what its predecessor did with an order that it had
/// taken.
void disown_taken_order();
/// Wakes whoever follows, when it is news.
void show_switchover(const SwitchoverSight &sight);

}  // namespace stolon::pg
