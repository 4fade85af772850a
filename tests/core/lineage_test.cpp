// LESSONS C-2: a higher timeline number is not a descendant.
#include "core/lineage/lineage.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

WalPosition at(std::uint32_t timeline, std::uint64_t lsn) {
	return {Timeline{timeline}, Lsn{lsn}};
}

Lineage lineage(WalPosition position, std::vector<HistoryEntry> history = {}) {
	return {position, std::move(history)};
}

HistoryEntry ended(std::uint32_t timeline, std::uint64_t lsn) {
	return {Timeline{timeline}, Lsn{lsn}};
}

// 1 was left at 100 for 2 and, by somebody else, at 100 for 3 and at 80 for 4.
// 5 came out of 3 at 150.
const Lineage on_1 = lineage(at(1, 120));
const Lineage on_2 = lineage(at(2, 200), {ended(1, 100)});
const Lineage on_3 = lineage(at(3, 200), {ended(1, 100)});
const Lineage on_4 = lineage(at(4, 300), {ended(1, 80)});
const Lineage on_5 = lineage(at(5, 160), {ended(1, 100), ended(3, 150)});

struct Case {
	const char *scenario;
	Lineage of;
	WalPosition position;
	bool contained;
	bool followable;
};

TEST(Lineages, DecideWhatIsContainedAndWhoCanFollow) {
	const Case cases[] = {
	    {"same timeline, behind", on_1, at(1, 119), true, true},
	    {"same timeline, equal", on_1, at(1, 120), true, true},
	    {"same timeline, ahead: not contained, but can wait for it", on_1, at(1, 121), false, true},
	    {"own timeline before its beginning", on_2, at(2, 50), true, true},
	    {"ancestor before the fork", on_2, at(1, 99), true, true},
	    {"ancestor at the fork", on_2, at(1, 100), true, true},
	    {"ancestor one byte past the fork", on_2, at(1, 101), false, false},
	    {"sibling at the same LSN", on_2, at(3, 200), false, false},
	    {"sibling at the fork point itself", on_2, at(3, 100), false, false},
	    {"sibling with the higher number looks at the lower", on_3, at(2, 150), false, false},
	    {"descendant is not contained in its ancestor", on_1, at(2, 100), false, false},
	    {"a descendant behind in bytes is not contained either", on_1, at(2, 90), false, false},
	    {"earlier fork of the same ancestor", on_4, at(1, 80), true, true},
	    {"what the earlier fork left behind", on_4, at(1, 81), false, false},
	    {"sibling of the earlier fork", on_4, at(3, 150), false, false},
	    {"grandparent at its end", on_5, at(1, 100), true, true},
	    {"grandparent past its end, before the parent's", on_5, at(1, 120), false, false},
	    {"parent at its end", on_5, at(3, 150), true, true},
	    {"parent past its end", on_5, at(3, 151), false, false},
	    {"number between two ancestors", on_5, at(2, 90), false, false},
	    {"number between ancestor and own", on_5, at(4, 90), false, false},
	    {"own", on_5, at(5, 160), true, true},
	    {"unknown timeline", on_5, at(0, 10), false, false},
	    {"unknown location", on_5, at(5, 0), false, false},
	    {"nothing known of the ancestors", lineage(at(5, 160)), at(3, 10), false, false},
	    {"unknown lineage", lineage(at(0, 0), {ended(1, 100)}), at(1, 10), false, false},
	};
	for (const Case &c : cases) {
		EXPECT_EQ(contains(c.of, c.position), c.contained) << c.scenario;
		EXPECT_EQ(can_follow(c.of, c.position), c.followable) << c.scenario;
	}
}

TEST(Lineages, AServerThatHasNotReachedTheForkDoesNotHaveWhatLiesBetween) {
	const Lineage catching_up = lineage(at(2, 90), {ended(1, 100)});
	EXPECT_TRUE(contains(catching_up, at(1, 90)));
	EXPECT_FALSE(contains(catching_up, at(1, 95)));
	EXPECT_TRUE(can_follow(catching_up, at(1, 95)));
}

TEST(Lineages, AnUpstreamThatHasWrittenNothingYetCanBeFollowed) {
	const Lineage just_promoted = lineage(at(2, 0), {ended(1, 100)});
	EXPECT_TRUE(can_follow(just_promoted, at(1, 100)));
	EXPECT_FALSE(can_follow(just_promoted, at(1, 101)));
	EXPECT_FALSE(contains(just_promoted, at(1, 100)));
}

TEST(Lineages, EveryoneContainsItself) {
	for (const Lineage &of : {on_1, on_2, on_3, on_4, on_5}) {
		EXPECT_TRUE(contains(of, of.position));
		EXPECT_TRUE(can_follow(of, of.position));
	}
}

}  // namespace
}  // namespace stolon::core
