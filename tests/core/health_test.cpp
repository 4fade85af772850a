#include "core/model/health.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

TEST(HealthLimitsTest, FollowFailIntervalUnlessTheyAreSet) {
	ClusterSpec spec;
	spec.fail_interval = seconds(7);
	EXPECT_EQ(health_limits(spec),
	          (HealthLimits{seconds(7), seconds(7), seconds(7), 32 * 1024 * 1024}));
	spec.keeper_stall_timeout = seconds(3);
	spec.recovery_timeout = seconds(60);
	spec.wal_stall_timeout = seconds(1);
	spec.min_wal_free_space = 0;
	EXPECT_EQ(health_limits(spec), (HealthLimits{seconds(3), seconds(60), seconds(1), 0}));
}

TEST(HealthLimitsTest, AShortFailIntervalLeavesTheKeeperWorkerItsTime) {
	ClusterSpec spec;
	spec.fail_interval = seconds(1);
	EXPECT_EQ(health_limits(spec).keeper_stall, seconds(2));
	EXPECT_EQ(health_limits(spec).recovery, seconds(1));
	EXPECT_EQ(health_limits(spec).wal_stall, seconds(1));
}

}  // namespace
}  // namespace stolon::core
