#include "core/base/base64.h"

#include <gtest/gtest.h>

namespace stolon::core {
namespace {

TEST(Base64, AgreesWithTheRfc) {
	const std::pair<std::string_view, std::string_view> cases[] = {
	    {"", ""},
	    {"f", "Zg=="},
	    {"fo", "Zm8="},
	    {"foo", "Zm9v"},
	    {"foob", "Zm9vYg=="},
	    {"fooba", "Zm9vYmE="},
	    {"foobar", "Zm9vYmFy"},
	    {"\xfb\xff\xfe", "+//+"},
	};
	for (const auto &[bytes, text] : cases) {
		EXPECT_EQ(base64_encode(bytes), text);
		const auto back = base64_decode(text);
		ASSERT_TRUE(back.ok()) << text;
		EXPECT_EQ(*back, bytes);
	}
}

TEST(Base64, EveryByteComesBackAtEveryLength) {
	std::string bytes;
	for (int i = 0; i < 300; i++) {
		const auto back = base64_decode(base64_encode(bytes));
		ASSERT_TRUE(back.ok());
		EXPECT_EQ(*back, bytes);
		bytes += static_cast<char>(i * 7);
	}
}

TEST(Base64, RefusesWhatIsNotCanonical) {
	for (const std::string_view text : {"Z", "Zg", "Zg=", "Zg==Zg==", "Z===", "====", "=Zg=",
	                                    "Zm9v\n", "Zm9-", "Zm9_", "Zm 9", "Zh==", "Zm9=", "Zg=a"}) {
		const auto back = base64_decode(text);
		ASSERT_FALSE(back.ok()) << text;
		EXPECT_EQ(back.error().kind, ErrorKind::Invalid);
	}
}

}  // namespace
}  // namespace stolon::core
