// What a spec says of single keepers, and how an operator changes a spec.
#include <gtest/gtest.h>

#include "core/model/spec_patch.h"

namespace stolon::core {
namespace {

Result<ClusterSpec> spec_of(const char *text) {
	return parse_spec(*Json::parse(text));
}

TEST(KeeperOptions, AreReadByKeeper) {
	const auto spec = spec_of(R"({"keepers":{"k1":{"FailoverPriority":0},"k2":{}}})");
	ASSERT_TRUE(spec.ok()) << spec.error().message;
	EXPECT_EQ(spec->failover_priority_of(KeeperUid{"k1"}), 0);
	EXPECT_EQ(spec->failover_priority_of(KeeperUid{"k2"}), 100);
	EXPECT_EQ(spec->failover_priority_of(KeeperUid{"k3"}), 100);
	EXPECT_EQ(*parse_spec(spec_to_stored_json(*spec)), *spec);
}

TEST(KeeperOptions, RefusalsNameTheKeeperAndTheOption) {
	const std::pair<const char *, const char *> cases[] = {
	    {R"({"keepers":[]})", "keepers: must be an object"},
	    {R"({"keepers":{"k1":7}})", "keepers.k1: must be an object"},
	    {R"({"keepers":{"k1":{"failoverPriorty":0}}})", "\"failoverPriorty\" is not known"},
	    {R"({"keepers":{"k1":{"failoverPriority":-1}}})", "keepers.k1.failoverPriority: -1"},
	    {R"({"keepers":{"k1":{"failoverPriority":1001}}})", "from 0 (never the master) to 1000"},
	    {R"({"keepers":{"k1":{"failoverPriority":"0"}}})", "keepers.k1.failoverPriority: \"0\""},
	    {R"({"keepers":{"K 1":{}}})", "keepers: "},
	};
	for (const auto &[text, what] : cases) {
		const auto spec = spec_of(text);
		ASSERT_FALSE(spec.ok()) << text;
		EXPECT_NE(spec.error().message.find(what), std::string::npos) << spec.error().message;
	}
}

TEST(SpecPatch, ChangesWhatItNamesAndNothingElse) {
	const auto before = spec_of(
	    R"({"failinterval":"3s","keepers":{"k1":{"failoverPriority":0}},"pgParameters":{"work_mem":"8MB"},"x":1})");
	ASSERT_TRUE(before.ok());
	const auto patch = Json::parse(
	    R"({"failInterval":"4s","keepers":{"k2":{"failoverPriority":7}},"pgParameters":{"work_mem":null}})");
	const auto after = patch_spec(*before, *patch);
	ASSERT_TRUE(after.ok()) << after.error().message;
	EXPECT_EQ(after->fail_interval, seconds(4));
	EXPECT_EQ(after->failover_priority_of(KeeperUid{"k1"}), 0);
	EXPECT_EQ(after->failover_priority_of(KeeperUid{"k2"}), 7);
	EXPECT_TRUE(after->pg_parameters.empty());
	EXPECT_EQ(spec_to_stored_json(*after).get("x").as_integer(), 1);
	const auto back = patch_spec(*after, *Json::parse(R"({"FAILINTERVAL":null,"keepers":null})"));
	ASSERT_TRUE(back.ok());
	EXPECT_EQ(back->fail_interval, seconds(5));
	EXPECT_EQ(back->failover_priority_of(KeeperUid{"k1"}), 100);
}

TEST(SpecPatch, IsRefusedWhenTheResultWouldBe) {
	for (const char *text : {"[]", "7", R"({"failInterval":"0s"})", R"({"standbyConfig":{}})",
	                         R"({"newConfig":{"dataChecksums":false}})"}) {
		EXPECT_FALSE(patch_spec(ClusterSpec{}, *Json::parse(text)).ok()) << text;
	}
}

}  // namespace
}  // namespace stolon::core
