// LESSONS C-2, C-3: how an old master's data come to follow the new one.
#include "core/lineage/way_back.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

Lineage line(std::uint32_t timeline, std::uint64_t lsn, std::vector<HistoryEntry> history = {}) {
	return {{Timeline{timeline}, Lsn{lsn}}, std::move(history)};
}

HistoryEntry ended(std::uint32_t timeline, std::uint64_t lsn) {
	return {Timeline{timeline}, Lsn{lsn}};
}

WalRange range(std::uint32_t timeline, std::uint64_t from, std::uint64_t to = 0) {
	return {Timeline{timeline}, Lsn{from}, Lsn{to}};
}

struct Case {
	const char *scenario;
	Lineage own, upstream;
	Way way;
	WalPosition fork{};
	std::vector<WalRange> beyond{};
};

TEST(WayBack, IsFoundByWalkingBothHistories) {
	const Case cases[] = {
	    {"an old master that was streamed to its end",
	     line(1, 100),
	     line(2, 200, {ended(1, 100)}),
	     Way::Follow,
	     {Timeline{1}, Lsn{100}}},
	    {"a standby that is behind",
	     line(1, 60),
	     line(2, 200, {ended(1, 100)}),
	     Way::Follow,
	     {Timeline{1}, Lsn{60}}},
	    {"an old master with one byte more",
	     line(1, 101),
	     line(2, 200, {ended(1, 100)}),
	     Way::Rewind,
	     {Timeline{1}, Lsn{100}},
	     {range(1, 100, 101)}},
	    {"an end that is not known",
	     line(1, 0),
	     line(2, 200, {ended(1, 100)}),
	     Way::Rewind,
	     {Timeline{1}, Lsn{100}},
	     {range(1, 100)}},
	    {"two failovers later",
	     line(1, 150),
	     line(3, 400, {ended(1, 100), ended(2, 300)}),
	     Way::Rewind,
	     {Timeline{1}, Lsn{100}},
	     {range(1, 100, 150)}},
	    {"promoted itself at the same place",
	     line(2, 150, {ended(1, 100)}),
	     line(3, 400, {ended(1, 100)}),
	     Way::Rewind,
	     {Timeline{1}, Lsn{100}},
	     {range(2, 100, 150)}},
	    {"promoted earlier than the upstream",
	     line(2, 150, {ended(1, 80)}),
	     line(3, 400, {ended(1, 100)}),
	     Way::Rewind,
	     {Timeline{1}, Lsn{80}},
	     {range(2, 80, 150)}},
	    {"promoted later than the upstream: what it had before counts too",
	     line(3, 250, {ended(1, 130)}),
	     line(2, 400, {ended(1, 100)}),
	     Way::Rewind,
	     {Timeline{1}, Lsn{100}},
	     {range(1, 100, 130), range(3, 130, 250)}},
	    {"the same number, made twice, one generation ago",
	     line(2, 150, {ended(1, 80)}),
	     line(3, 400, {ended(1, 100), ended(2, 300)}),
	     Way::Rewind,
	     {Timeline{1}, Lsn{80}},
	     {range(2, 80, 150)}},
	    {"a higher number here, and the upstream stayed on the parent",
	     line(2, 150, {ended(1, 100)}),
	     line(1, 400),
	     Way::Rewind,
	     {Timeline{1}, Lsn{100}},
	     {range(2, 100, 150)}},
	    {"the parent has not come so far", line(2, 150, {ended(1, 100)}), line(1, 90), Way::Clone},
	    {"the same number now: nothing tells the lines apart", line(2, 150, {ended(1, 100)}),
	     line(2, 400, {ended(1, 100)}), Way::Clone},
	    {"no common beginning", line(2, 150, {ended(7, 100)}), line(3, 400, {ended(1, 100)}),
	     Way::Clone},
	    {"ancestors that are not known here", line(2, 150), line(3, 400, {ended(1, 100)}),
	     Way::Clone},
	    {"ancestors that are not known there", line(1, 150), line(3, 400), Way::Clone},
	    {"no timeline at all", line(0, 0), line(3, 400, {ended(1, 100)}), Way::Clone},
	    {"a bounded history that begins later",
	     line(5, 450, {ended(3, 300), ended(4, 400)}),
	     line(6, 500, {ended(1, 100), ended(2, 200), ended(3, 300), ended(4, 350)}),
	     Way::Rewind,
	     {Timeline{4}, Lsn{350}},
	     {range(4, 350, 400), range(5, 400, 450)}},
	};
	for (const Case &c : cases) {
		SCOPED_TRACE(c.scenario);
		const WayBack back = way_back(c.own, c.upstream);
		EXPECT_EQ(back.way, c.way);
		EXPECT_EQ(back.fork, c.fork);
		EXPECT_EQ(back.beyond, c.beyond);
		EXPECT_EQ(back.reason.empty(), c.way != Way::Clone);
	}
}

}  // namespace
}  // namespace stolon::core
