// What status shows of a clone that is under way.
#include "launcher/progress.h"

#include <gtest/gtest.h>

namespace stolon::launcher {
namespace {

constexpr core::Instant begin{core::seconds(100)};

TEST(Progresses, TellBytesPercentAndRate) {
	Progress progress;
	EXPECT_EQ(progress.text_of("10240/102400 kB (10%), 0/1 tablespace", begin),
	          "10.0 MB of 100.0 MB, 10 %");
	EXPECT_EQ(progress.text_of("30720/102400 kB (30%), 0/1 tablespace", begin + core::seconds(2)),
	          "30.0 MB of 100.0 MB, 30 %, 10.0 MB/s");
}

TEST(Progresses, TellTheRateOfTheLastSeconds) {
	Progress progress;
	progress.text_of("0/102400 kB (0%) copied", begin);
	progress.text_of("51200/102400 kB (50%) copied", begin + core::seconds(10));
	EXPECT_EQ(progress.text_of("51200/102400 kB (50%) copied", begin + core::seconds(25)),
	          "50.0 MB of 100.0 MB, 50 %, 0.0 MB/s");
}

TEST(Progresses, GiveOtherLinesAsTheyAreAndBeginAnewAfterThem) {
	Progress progress;
	progress.text_of("51200/102400 kB (50%), 0/1 tablespace", begin);
	EXPECT_EQ(progress.text_of("pg_basebackup: base backup completed", begin),
	          "pg_basebackup: base backup completed");
	EXPECT_EQ(progress.text_of("1024/102400 kB (1%), 0/1 tablespace", begin + core::seconds(1)),
	          "1.0 MB of 100.0 MB, 1 %");
}

}  // namespace
}  // namespace stolon::launcher
