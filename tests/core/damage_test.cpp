// Values from the store may be damaged or hostile: whatever the bytes are, they are refused or read
// as something that can be written and read again. The seeds are fixed, so a failure repeats.
#include <gtest/gtest.h>

#include <random>

#include "core/model/clusterdata.h"
#include "core/model/info.h"

using namespace std::string_view_literals;

namespace stolon::core {
namespace {

constexpr std::string_view clusterdata_text =
    R"({"formatVersion":1,"clusterUID":"0123456789abcdef","systemID":"71","generation":12,)"
    R"("epoch":3,"phase":"normal","namedAt":{"timeline":2,"lsn":"0/3000000"},"election":)"
    R"({"epoch":3,"oldMaster":"aaaaaaaa","lastKnown":{"timeline":2,"lsn":"0/5000060"},)"
    R"("history":[{"timeline":1,"end":"0/3000000"}],"voters":["bbbbbbbb"],"reason":"\u00fc"},)"
    R"("resume":{"db":"aaaaaaaa","beatRevision":77},"keepers":{"k1":{"db":"aaaaaaaa",)"
    R"("host":"10.0.0.1","port":5432,"rack":[1.5,null]}},"dbs":{"aaaaaaaa":{"keeper":"k1",)"
    R"("generation":1,"init":"none"}},"spec":{"failInterval":"2s","pgHBA":["a"],)"
    R"("newConfig":{"locale":"C"},"pgParameters":{"work_mem":"1MB"}},"future":[true]})";

constexpr std::string_view keeper_text =
    R"({"uid":"k1","db":"0a1b2c3d","generation":12,"epoch":7,"role":"standby","writable":true,)"
    R"("position":{"timeline":3,"lsn":"0/5000060"},"history":[{"timeline":1,"end":"0/3"},)"
    R"({"timeline":2,"end":"0/4"}],"vote":{"epoch":7,"position":{"timeline":3,"lsn":"0/9"}}})";

/// A few bytes overwritten, removed, repeated, or taken from elsewhere in the text.
std::string damaged(std::string text, std::mt19937 &random) {
	constexpr auto likely = "{}[]\",:\\0123456789-.eE/ \n\0\xff"sv;
	const auto below = [&](std::size_t bound) {
		return static_cast<std::size_t>(random() % std::max<std::size_t>(bound, 1));
	};
	for (std::size_t n = 1 + below(3); n > 0 && !text.empty(); n--) {
		const std::size_t at = below(text.size());
		const std::size_t length = std::min(text.size() - at, 1 + below(12));
		switch (below(5)) {
			case 0:
				text[at] = likely[below(likely.size())];
				break;
			case 1:
				text[at] = static_cast<char>(random());
				break;
			case 2:
				text.erase(at, length);
				break;
			case 3:
				text.insert(below(text.size()), text.substr(at, length));
				break;
			default:
				text.resize(at);
				break;
		}
	}
	return text;
}

template <typename T>
void expect_refused_or_readable(std::string_view good, Result<T> (*parse)(std::string_view),
                                std::string (*to_text)(const T &)) {
	std::mt19937 random(20240501);
	int accepted = 0;
	for (int round = 0; round < 20'000; round++) {
		const std::string text = damaged(std::string(good), random);
		const auto value = parse(text);
		if (!value) {
			EXPECT_EQ(value.error().kind, ErrorKind::Invalid);
			EXPECT_FALSE(value.error().message.empty());
			EXPECT_LT(value.error().message.size(), 1000u) << value.error().message;
			continue;
		}
		accepted++;
		const auto again = parse(to_text(*value));
		ASSERT_TRUE(again.ok()) << text << "\n" << again.error().message;
		EXPECT_EQ(*value, *again) << text;
	}
	EXPECT_GT(accepted, 100) << "the damage is so coarse that nothing beyond JSON is tried";
}

TEST(DamagedValues, AreRefusedOrReadable) {
	expect_refused_or_readable<ClusterData>(clusterdata_text, parse_clusterdata,
	                                        clusterdata_to_text);
	expect_refused_or_readable<KeeperInfo>(keeper_text, parse_keeper_info, keeper_info_to_text);
}

}  // namespace
}  // namespace stolon::core
