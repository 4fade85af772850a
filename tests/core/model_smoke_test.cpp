#include <gtest/gtest.h>

#include "core/model/clusterdata.h"
#include "core/model/info.h"

namespace stolon::core {
namespace {

TEST(ClusterDataText, WhatIsWrittenIsReadBackTheSame) {
	const auto data = parse_clusterdata(R"({"formatVersion":1,"clusterUID":"0123456789abcdef",
		"systemID":"7123456789012345678","generation":12,"epoch":3,"phase":"normal",
		"namedAt":{"timeline":2,"lsn":"0/3000000"},
		"election":{"epoch":3,"oldMaster":"aaaaaaaa","lastKnown":{"timeline":2,"lsn":"0/5000060"},
			"history":[{"timeline":1,"end":"0/3000000"}],"voters":["bbbbbbbb"],"reason":"expired"},
		"resume":{"db":"aaaaaaaa","beatRevision":77},
		"keepers":{"k1":{"db":"aaaaaaaa","host":"10.0.0.1","port":5432,"rack":[1.5,null]},
			"k2":{"db":"bbbbbbbb","host":"db2","port":5433}},
		"dbs":{"aaaaaaaa":{"keeper":"k1","generation":1,"init":"none","later":{"x":0.25}},
			"bbbbbbbb":{"keeper":"k2","generation":2,"init":"resync","follow":"aaaaaaaa"}},
		"spec":{"failInterval":"2s","someThing":-1e-7},"future":[true]})");
	ASSERT_TRUE(data.ok()) << data.error().message;
	const std::string text = clusterdata_to_text(*data);
	const auto again = parse_clusterdata(text);
	ASSERT_TRUE(again.ok()) << again.error().message;
	EXPECT_EQ(*data, *again);
	EXPECT_EQ(text, clusterdata_to_text(*again));
	EXPECT_EQ(data->election->history.size(), 1u);
	EXPECT_EQ(data->spec.fail_interval, seconds(2));
	EXPECT_TRUE(data->dbs.at(DbUid{"aaaaaaaa"}).extra.has("later"));
}

TEST(ClusterDataText, ANewClusterIsReadBack) {
	const ClusterData data = initial_clusterdata(ClusterSpec{}, "0123456789abcdef");
	const auto again = parse_clusterdata(clusterdata_to_text(data));
	ASSERT_TRUE(again.ok()) << again.error().message;
	EXPECT_EQ(data, *again);
}

TEST(BeatText, IsSmallAndReadBack) {
	Beat beat;
	beat.epoch = Epoch{7};
	beat.db = DbUid{"0a1b2c3d"};
	beat.master_revision = 1234;
	beat.valid = seconds(5);
	beat.position = {Timeline{3}, Lsn{0x5000060}};
	beat.writable = true;
	const auto again = parse_beat(beat_to_text(beat));
	ASSERT_TRUE(again.ok()) << again.error().message;
	EXPECT_EQ(beat, *again);
	EXPECT_LT(beat_to_text(beat).size(), 150u);
}

}  // namespace
}  // namespace stolon::core
