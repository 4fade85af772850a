// What a program says about wrong options for the store.
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "store/program/program.h"

namespace stolon::program {
namespace {

CommonOptions good() {
	CommonOptions options;
	options.cluster_name = "lab";
	return options;
}

std::string refusal(const CommonOptions &options) {
	auto store = open_store(options);
	return store.ok() ? "" : store.error().message;
}

TEST(OpenStore, TakesTheDefaults) {
	EXPECT_EQ(refusal(good()), "");
}

TEST(OpenStore, NamesTheOptionThatIsWrong) {
	CommonOptions options = good();
	options.cluster_name = "a/b";
	EXPECT_EQ(refusal(options).rfind("--cluster-name: ", 0), 0u) << refusal(options);
	options = good();
	options.store_endpoints = "ftp://127.0.0.1:1";
	EXPECT_EQ(refusal(options).rfind("--store-endpoints: ", 0), 0u) << refusal(options);
	options = good();
	options.store_backend = "consul";
	EXPECT_EQ(refusal(options).rfind("--store-backend: ", 0), 0u) << refusal(options);
	options = good();
	options.store_prefix = "";
	EXPECT_EQ(refusal(options).rfind("--store-prefix", 0), 0u) << refusal(options);
	options = good();
	options.store_cert_file = "/nonexistent/cert.pem";
	EXPECT_EQ(refusal(options), "--store-cert-file and --store-key must be given together");
	options = good();
	options.store_credentials_file = "/nonexistent/credentials";
	EXPECT_EQ(refusal(options).rfind("--store-credentials-file: ", 0), 0u) << refusal(options);
}

TEST(CommonOptionsTest, ComeFromTheEnvironmentToo) {
	setenv("STOLON_STORE_KEY", "/from/the/environment", 1);
	setenv("STOLON_CLUSTER_NAME", "lab", 1);
	CLI::App app;
	CommonOptions options;
	add_common_options(app, options);
	char name[] = "test";
	char *argv[] = {name, nullptr};
	EXPECT_EQ(parse_arguments(app, 1, argv), std::nullopt);
	EXPECT_EQ(options.cluster_name, "lab");
	EXPECT_EQ(options.store_key_file, "/from/the/environment");
	unsetenv("STOLON_STORE_KEY");
	unsetenv("STOLON_CLUSTER_NAME");
}

TEST(CommonOptionsTest, MissingClusterNameIsAUsageError) {
	CLI::App app;
	CommonOptions options;
	add_common_options(app, options);
	char name[] = "test";
	char *argv[] = {name, nullptr};
	EXPECT_EQ(parse_arguments(app, 1, argv), std::optional<int>(ExitUsage));
}

}  // namespace
}  // namespace stolon::program
