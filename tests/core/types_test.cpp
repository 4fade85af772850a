#include "core/base/types.h"

#include <gtest/gtest.h>

#include "core/model/keys.h"

namespace stolon::core {
namespace {

TEST(LsnText, IsReadAndWrittenAsPostgresDoes) {
	const std::pair<std::string_view, std::uint64_t> cases[] = {
	    {"0/0", 0},
	    {"0/16B3740", 0x16B3740},
	    {"1/0", 0x100000000},
	    {"FFFFFFFF/FFFFFFFF", ~std::uint64_t{0}},
	    {"A/5000060", 0xA05000060},
	};
	for (const auto &[text, value] : cases) {
		const auto lsn = Lsn::parse(text);
		ASSERT_TRUE(lsn.ok()) << text;
		EXPECT_EQ(lsn->value, value);
		EXPECT_EQ(lsn->to_string(), text);
	}
	EXPECT_EQ(Lsn::parse("a/0000beef")->to_string(), "A/BEEF");
}

TEST(LsnText, RefusesEverythingElse) {
	for (const std::string_view text : {"", "/", "0", "0/", "/0", "0/g", "0x1/0", "-1/0", " 0/0",
	                                    "0/0 ", "0/0/0", "123456789/0", "0/123456789"})
		EXPECT_FALSE(Lsn::parse(text).ok()) << text;
}

TEST(WalPositionText, NamesTimelineAndLocation) {
	EXPECT_EQ((WalPosition{Timeline{3}, Lsn{0x5000060}}).to_string(), "timeline 3 at 0/5000060");
}

TEST(UidText, HasItsOwnAlphabetPerKind) {
	const std::string longest(40, 'k');
	for (const std::string &text :
	     {std::string("a"), std::string("node_1"), longest, std::string("0_")}) {
		EXPECT_TRUE(KeeperUid::parse(text).ok()) << text;
		EXPECT_TRUE(SentinelUid::parse(text).ok()) << text;
		EXPECT_TRUE(ProxyUid::parse(text).ok()) << text;
	}
	for (const std::string &text :
	     {std::string(), longest + "k", std::string("A"), std::string("a-b"), std::string("a/b"),
	      std::string("a b"), std::string("ä"), std::string("a\n"), std::string("..")}) {
		EXPECT_FALSE(KeeperUid::parse(text).ok()) << text;
		EXPECT_FALSE(SentinelUid::parse(text).ok()) << text;
		EXPECT_FALSE(ProxyUid::parse(text).ok()) << text;
	}
	EXPECT_EQ(DbUid::parse("0a1b2c3d")->value, "0a1b2c3d");
	for (const std::string_view text :
	     {"", "0a1b2c3", "0a1b2c3d4", "0A1b2c3d", "0a1b2c3g", "0a1b2c3 ", "0a1b_c3d"})
		EXPECT_FALSE(DbUid::parse(text).ok()) << text;
	EXPECT_EQ(KeeperUid::parse("No").error().message,
	          "keeper uid \"No\" is not valid; use 1 to 40 lower-case letters, digits and '_'");
}

TEST(ReplicationName, CarriesTheIncarnation) {
	EXPECT_EQ(replication_name(DbUid{"0a1b2c3d"}), "stolon_0a1b2c3d");
}

TEST(ClusterName, IsAPathElement) {
	for (const std::string &name :
	     {std::string("c"), std::string("My-cluster_1.x"), std::string(63, 'c'), std::string("-")})
		EXPECT_TRUE(check_cluster_name(name).ok()) << name;
	for (const std::string &name : {std::string(), std::string(64, 'c'), std::string(".hidden"),
	                                std::string("a/b"), std::string("a b"), std::string("ü")})
		EXPECT_FALSE(check_cluster_name(name).ok()) << name;
}

TEST(StoreKeys, LieUnderPrefixAndCluster) {
	for (const std::string_view prefix : {"stolon/cluster", "stolon/cluster/"}) {
		const Keys keys(prefix, "c1");
		EXPECT_EQ(keys.root(), "stolon/cluster/c1/");
		EXPECT_EQ(keys.clusterdata(), "stolon/cluster/c1/clusterdata");
		EXPECT_EQ(keys.master(), "stolon/cluster/c1/master");
		EXPECT_EQ(keys.beat(KeeperUid{"k1"}), "stolon/cluster/c1/keepers/beat/k1");
		EXPECT_EQ(keys.sentinel_leader(), "stolon/cluster/c1/sentinel-leader");
	}
}

TEST(StoreKeys, HistorySortsByNumber) {
	const Keys keys("p", "c");
	EXPECT_LT(keys.history(9), keys.history(10));
	EXPECT_LT(keys.history(10), keys.history(~std::uint64_t{0}));
	EXPECT_EQ(keys.history(1), keys.histories() + "00000000000000000001");
}

}  // namespace
}  // namespace stolon::core
