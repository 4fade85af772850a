#include "core/base/json.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

Json must_parse(std::string_view text) {
	auto json = Json::parse(text);
	EXPECT_TRUE(json.ok()) << text << ": " << (json.ok() ? "" : json.error().message);
	return json.ok() ? *json : Json{};
}

TEST(JsonText, CompactTextSurvivesParseAndDump) {
	for (const std::string_view text :
	     {R"({})", R"([])", R"(null)", R"("x")", R"(0)", R"(true)", R"({"z":1,"a":[1,"two",null]})",
	      R"({"b":{"y":{},"x":[]},"a":false})", R"(9223372036854775807)", R"(-9223372036854775808)",
	      R"("\u0001\"\\\n")", R"(0.5)", R"([-2.25])", R"("ü漢😀")"}) {
		EXPECT_EQ(must_parse(text).dump(), text);
	}
}

TEST(JsonText, RealsKeepTheirExactValue) {
	for (const std::string_view text : {"0.1", "1e-7", "1.7976931348623157e308", "1.0", "-3.14"}) {
		const Json first = must_parse(text);
		EXPECT_FALSE(first.is_integer()) << text;
		EXPECT_EQ(first, must_parse(first.dump())) << first.dump();
	}
	EXPECT_NE(must_parse("1.0"), must_parse("1"));
}

TEST(JsonText, RefusesWhatIsNotOneValue) {
	for (const std::string_view text : {"",
	                                    " ",
	                                    "{",
	                                    "[1,]",
	                                    "{\"a\":1}}",
	                                    "1 2",
	                                    "nul",
	                                    "'a'",
	                                    "{a:1}",
	                                    "{\"a\":1,\"a\":2}",
	                                    "[{\"x\":{\"k\":1,\"k\":1}}]",
	                                    "\"\xff\"",
	                                    "\"\xc0\x80\"",
	                                    "\"a",
	                                    "\"\\ud800\"",
	                                    "\"\\u0000\"",
	                                    "{\"\\u0000\":1}",
	                                    "9223372036854775808",
	                                    "1e999",
	                                    "01",
	                                    "\xef\xbb\xbf{}"}) {
		const auto json = Json::parse(text);
		ASSERT_FALSE(json.ok()) << text;
		EXPECT_EQ(json.error().kind, ErrorKind::Invalid);
		EXPECT_EQ(json.error().message.find("JSON: line "), 0u) << json.error().message;
		for (const char c : json.error().message)
			EXPECT_GE(static_cast<unsigned char>(c), 0x20u);
	}
}

TEST(JsonText, SaysWhereItIsWrong) {
	const auto json = Json::parse("{\n \"a\": 1,\n \"b\": ?\n}");
	ASSERT_FALSE(json.ok());
	EXPECT_NE(json.error().message.find("line 3"), std::string::npos) << json.error().message;
}

TEST(JsonLimits, AreTheLastThatIsAccepted) {
	JsonLimits limits;
	limits.max_depth = 3;
	limits.max_bytes = 20;
	EXPECT_TRUE(Json::parse("[[[1]]]", limits).ok());
	EXPECT_TRUE(Json::parse("[[[]],{\"a\":[]}]", limits).ok());
	EXPECT_TRUE(Json::parse("\"[[[[[[ {{{{ \\\" [[\"", limits).ok()) << "brackets in a string";
	const auto deep = Json::parse("[[\n[{}]]]", limits);
	ASSERT_FALSE(deep.ok());
	EXPECT_EQ(deep.error().message, "JSON: line 2, column 2: nested deeper than 3 levels");
	EXPECT_TRUE(Json::parse("[" + std::string(18, ' ') + "]", limits).ok());
	EXPECT_FALSE(Json::parse("[" + std::string(19, ' ') + "]", limits).ok());
}

TEST(JsonLimits, AHostileDepthDoesNotUseTheStack) {
	EXPECT_FALSE(Json::parse(std::string(1'000'000, '[')).ok());
	EXPECT_FALSE(Json::parse(std::string(1'000'000, '{')).ok());
}

TEST(JsonValue, MissingIsNotNull) {
	const Json missing;
	EXPECT_TRUE(missing.is_missing());
	EXPECT_FALSE(missing.is_null());
	EXPECT_EQ(missing.dump(), "");
	EXPECT_EQ(missing, Json{});
	EXPECT_NE(missing, Json::null());
	EXPECT_TRUE(missing.get("a").get("b").at(3).is_missing());
	EXPECT_EQ(missing.size(), 0u);
	EXPECT_TRUE(missing.keys().empty());
}

TEST(JsonValue, AnotherTypeGivesTheFallback) {
	const Json object = must_parse(R"({"s":"x","i":7,"b":true,"r":1.5})");
	EXPECT_EQ(object.get("i").as_string("fb"), "fb");
	EXPECT_EQ(object.get("s").as_integer(-1), -1);
	EXPECT_EQ(object.get("r").as_integer(-1), -1);
	EXPECT_EQ(object.get("s").as_boolean(true), true);
	EXPECT_EQ(object.get("b").as_boolean(false), true);
	EXPECT_EQ(object.get("absent").as_integer(3), 3);
	EXPECT_TRUE(object.at(0).is_missing());
	EXPECT_TRUE(object.get("s").get("x").is_missing());
}

TEST(JsonValue, AChangeOfACopyLeavesTheOriginal) {
	const Json original = must_parse(R"({"a":{"b":[1]},"c":2})");
	Json copy = original;
	copy.set("c", Json::integer(3));
	EXPECT_EQ(original.dump(), R"({"a":{"b":[1]},"c":2})");
	EXPECT_EQ(copy.dump(), R"({"a":{"b":[1]},"c":3})");

	Json inner = original.get("a");
	inner.set("new", Json::boolean(true));
	Json list = inner.get("b");
	list.push(Json::integer(2));
	EXPECT_EQ(original.dump(), R"({"a":{"b":[1]},"c":2})");
	EXPECT_EQ(inner.dump(), R"({"b":[1],"new":true})");
	EXPECT_EQ(list.dump(), "[1,2]");
}

TEST(JsonValue, AnInnerValueOutlivesItsParentAndCanBeChanged) {
	Json inner;
	{
		const Json parent = must_parse(R"({"a":{"x":1}})");
		inner = parent.get("a");
	}
	inner.erase("x");
	EXPECT_EQ(inner.dump(), "{}");
}

TEST(JsonValue, CanBePutIntoItself) {
	Json list = Json::array();
	list.push(Json::integer(1));
	list.push(list);
	EXPECT_EQ(list.dump(), "[1,[1]]");
	Json object = Json::object();
	object.set("self", object);
	EXPECT_EQ(object.dump(), R"({"self":{}})");
	object = object.get("self");
	EXPECT_EQ(object.dump(), "{}");
	Json &alias = object;
	object = std::move(alias);
	EXPECT_EQ(object.dump(), "{}");
}

TEST(JsonValue, SetReplacesInPlaceAndErases) {
	Json object = must_parse(R"({"a":1,"b":2,"c":3})");
	object.set("b", Json::string("x"));
	EXPECT_EQ(object.dump(), R"({"a":1,"b":"x","c":3})");
	object.set("a", Json{});
	object.erase("absent");
	EXPECT_EQ(object.dump(), R"({"b":"x","c":3})");
	EXPECT_EQ(object.keys(), (std::vector<std::string>{"b", "c"}));
}

TEST(JsonValue, SetAndPushMakeWhatIsMissing) {
	Json object;
	object.set("a", Json::integer(1));
	EXPECT_EQ(object.dump(), R"({"a":1})");
	Json list;
	list.push(Json::null());
	EXPECT_EQ(list.dump(), "[null]");
	Json text = Json::string("x");
	text.set("a", Json::integer(1));
	text.push(Json::integer(1));
	EXPECT_EQ(text.dump(), "\"x\"");
}

TEST(JsonValue, BytesThatAreNoTextBecomeQuestionMarks) {
	using namespace std::string_view_literals;
	const std::pair<std::string_view, std::string_view> cases[] = {
	    {"a\xff"sv, "a?"sv},         {"\xe2\x82"sv, "??"sv},           {"x\0y"sv, "x?y"sv},
	    {"\xed\xa0\x80"sv, "???"sv}, {"\xf5\x80\x80\x80"sv, "????"sv}, {"\xe2\x82\xac"sv, "€"sv},
	};
	for (const auto &[bytes, text] : cases) {
		EXPECT_EQ(Json::string(bytes).as_string(), text);
		EXPECT_TRUE(Json::parse(Json::string(bytes).dump()).ok());
	}
}

TEST(JsonValue, OrderOfKeysDoesNotMatterForEquality) {
	EXPECT_EQ(must_parse(R"({"a":1,"b":[2]})"), must_parse(R"({"b":[2],"a":1})"));
	EXPECT_NE(must_parse("[1,2]"), must_parse("[2,1]"));
}

}  // namespace
}  // namespace stolon::core
