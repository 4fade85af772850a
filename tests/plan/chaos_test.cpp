// Random faults against the sentinel plan and the keeper plan (chaos_model.h). A failure names its
// seed: CHAOS_SEED=n runs that one alone, CHAOS_SEEDS=n runs more of them.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/plan/chaos_model.h"

namespace stolon::core::testing {
namespace {

unsigned from_environment(const char *name, unsigned fallback) {
	const char *text = std::getenv(name);
	return text ? static_cast<unsigned>(std::atoi(text)) : fallback;
}

void run_seed(unsigned seed, int hosts, Duration pace) {
	Chaos chaos(seed, hosts);
	for (int round = 0; round < 4; ++round) {
		chaos.run(seconds(30), pace);
		ASSERT_EQ(chaos.violation(), "") << "seed " << seed << "\n" << chaos.story();
		const auto before = chaos.acknowledged();
		chaos.heal(seconds(30));
		ASSERT_EQ(chaos.violation(), "") << "seed " << seed << "\n" << chaos.story();
		ASSERT_EQ(chaos.ill(), "") << "seed " << seed << "\n" << chaos.story();
		ASSERT_GT(chaos.acknowledged(), before);
	}
}

TEST(Chaos, WithoutFaultsThereIsOneMasterAndNoElection) {
	Chaos chaos(1);
	chaos.heal(seconds(60));
	EXPECT_EQ(chaos.violation(), "");
	EXPECT_EQ(chaos.ill(), "") << chaos.story();
	EXPECT_EQ(chaos.failovers(), 0);
}

TEST(Chaos, NothingThatMustNotHappenHappensAndEverythingHeals) {
	const unsigned first = from_environment("CHAOS_SEED", 1);
	const unsigned count = std::getenv("CHAOS_SEED") ? 1 : from_environment("CHAOS_SEEDS", 20);
	for (unsigned seed = first; seed < first + count; ++seed) {
		run_seed(seed, seed % 2 ? 3 : 4, milliseconds(seed % 3 ? 1500 : 400));
		if (::testing::Test::HasFatalFailure()) {
			return;
		}
	}
}

TEST(Chaos, TheFaultsLeadToFailoversToRestartsAndToReplacements) {
	int failovers = 0;
	int restarts = 0;
	int replacements = 0;
	int yields = 0;
	for (unsigned seed = 1; seed <= 10; ++seed) {
		Chaos chaos(seed);
		chaos.run(seconds(300), seconds(2));
		failovers += chaos.failovers();
		restarts += chaos.restarts();
		replacements += chaos.replacements();
		yields += chaos.yields();
	}
	EXPECT_GT(failovers, 100);
	EXPECT_GT(restarts, 3);
	EXPECT_GT(replacements, 50) << "of unfit masters";
	EXPECT_GT(yields, 5);
}

}  // namespace
}  // namespace stolon::core::testing
