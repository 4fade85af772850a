// libcurl wants to be initialised before anything else uses it.
#include <curl/curl.h>
#include <gtest/gtest.h>

namespace {

class Libcurl : public testing::Environment {
public:
	void SetUp() override { ASSERT_EQ(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK); }
	void TearDown() override { curl_global_cleanup(); }
};

[[maybe_unused]] const auto *const libcurl =
    testing::AddGlobalTestEnvironment(new Libcurl);  // gtest owns it

}  // namespace
