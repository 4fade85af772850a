// What is read off WAL files, and off the output of pg_waldump.
#include <gtest/gtest.h>

#include "launcher/wal_dump.h"
#include "launcher/wal_shape.h"

namespace stolon::launcher {
namespace {

constexpr WalShape shape{8192, 16ULL * 1024 * 1024};

core::WalPosition at(std::uint32_t timeline, std::uint64_t lsn) {
	return {core::Timeline{timeline}, core::Lsn{lsn}};
}

TEST(WalShapes, NameTheFileOfAPlace) {
	EXPECT_EQ(shape.file_of(at(1, 0x3000158)), "000000010000000000000003");
	EXPECT_EQ(shape.file_of(at(0x1a, 0x2'ff000000)), "0000001A00000002000000FF");
	const auto file = parse_wal_file("0000001A00000002000000FF", shape);
	ASSERT_TRUE(file.has_value());
	EXPECT_EQ(file->timeline.value, 0x1aU);
	EXPECT_EQ(file->segment, shape.segment_of(core::Lsn{0x2'ff000000}));
	for (const char *other : {"00000002.history", "archive_status",
	                          "000000010000000000000003.partial", "00000001000000000000000g"})
		EXPECT_FALSE(parse_wal_file(other, shape).has_value()) << other;
	EXPECT_EQ(history_file_of(core::Timeline{26}), "0000001A.history");
}

TEST(WalShapes, KnowWhereARecordEnds) {
	EXPECT_EQ(shape.end_of_record(core::Lsn{0x3000028}, 54).value, 0x3000060U);
	// Over the end of a page, whose successor begins with a header of 24 bytes.
	EXPECT_EQ(shape.end_of_record(core::Lsn{0x3001ff8}, 16).value, 0x3002000U + 24 + 8);
	// Over the end of a file, whose first page has one of 40 bytes.
	EXPECT_EQ(shape.end_of_record(core::Lsn{0x3fffff8}, 16).value, 0x4000000U + 40 + 8);
}

TEST(WalDumps, TellHowManyCommitsAndWhen) {
	WalSummary summary;
	for (
	    const char *line : {
	        "rmgr: Heap        len (rec/tot):     54/  4210, tx:        735, lsn: 0/03000028, prev "
	        "0/02FFFFC8, desc: INSERT off 3 flags 0x08, blkref #0: rel 1663/5/16384 blk 0 FPW",
	        "rmgr: Transaction len (rec/tot):     46/    46, tx:        735, lsn: 0/030010C0, prev "
	        "0/03000028, desc: COMMIT 2026-11-22 02:51:07.123456 UTC",
	        "rmgr: Transaction len (rec/tot):     34/    34, tx:        736, lsn: 0/030010F0, prev "
	        "0/030010C0, desc: ABORT 2026-11-22 02:51:08.000000 UTC",
	        "rmgr: Transaction len (rec/tot):     66/    66, tx:          0, lsn: 0/03001118, prev "
	        "0/030010F0, desc: COMMIT_PREPARED 737: 2026-11-22 02:51:09.5 UTC; inval msgs: "
	        "catcache "
	        "55",
	        "rmgr: Transaction len (rec/tot):     90/    90, tx:        738, lsn: 0/03001160, prev "
	        "0/03001118, desc: PREPARE gid two: 2026-11-22 02:51:10.5 UTC",
	        "first record is after 0/3000000, at 0/3000028, skipping over 40 bytes",
	    })
		add_record(line, shape, summary);
	EXPECT_EQ(summary.records, 5U);
	EXPECT_EQ(summary.prepared, 1U);
	EXPECT_EQ(summary.commits, 2U);
	EXPECT_EQ(summary.first_commit, "2026-11-22 02:51:07.123456 UTC");
	EXPECT_EQ(summary.last_commit, "2026-11-22 02:51:09.5 UTC");
	EXPECT_EQ(summary.end.value, 0x3001160U + 96);
}

}  // namespace
}  // namespace stolon::launcher
