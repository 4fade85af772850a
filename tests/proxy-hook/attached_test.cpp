// What an attached pgbouncer tells about the file that it is to include.
#include "proxy-hook/attached.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace stolon::proxy {
namespace {

class AttachedFileTest : public testing::Test {
protected:
	void SetUp() override {
		char name[] = "/tmp/stolon-attached-XXXXXX";
		ASSERT_NE(mkdtemp(name), nullptr);
		folder = name;
	}
	void TearDown() override { std::filesystem::remove_all(folder); }

	std::string text() const {
		std::ifstream in(folder + "/databases.ini");
		return {std::istreambuf_iterator<char>(in), {}};
	}
	static AdminAnswer databases(std::vector<std::vector<std::string>> rows) {
		AdminAnswer answer;
		answer.columns = {"name", "host", "port", "database"};
		answer.rows = std::move(rows);
		return answer;
	}

	std::string folder;
	const std::vector<core::Backend> master{{"10.0.0.1", 5432}};
};

TEST_F(AttachedFileTest, ItIsWrittenAgainOnlyWhenSomethingIsDifferent) {
	AttachedFile file(folder + "/databases.ini");
	const std::string first = *file.write(master);
	EXPECT_EQ(*file.write(master), first);
	file.check();
	EXPECT_EQ(*file.write(master), first);
	std::filesystem::remove(folder + "/databases.ini");
	file.check();
	EXPECT_NE(*file.write(master), first);
	EXPECT_TRUE(text().find("\n* = host=10.0.0.1 port=5432\n") != std::string::npos) << text();
}

TEST_F(AttachedFileTest, WhatWasNotReadIsNoticed) {
	AttachedFile file(folder + "/databases.ini");
	file.set_included(*parse_included("[databases]\napp = pool_size=1\n", "my.ini"));
	const std::string marker = *file.write(master);
	const std::vector<std::string> ours{"stolon-proxy-marker", "10.0.0.1", "5432", marker};
	EXPECT_EQ(
	    misread_databases(databases({ours, {"app", "10.0.0.1", "5432", "app"}}), file, marker), "");
	EXPECT_NE(misread_databases(databases({{"app", "10.0.0.1", "5432", "app"}}), file, marker)
	              .find("%include"),
	          std::string::npos);
	EXPECT_NE(misread_databases(databases({ours}), file, "stolon.other").find("%include"),
	          std::string::npos);
	EXPECT_NE(misread_databases(databases({ours, {"app", "10.0.0.9", "5432", "app"}}), file, marker)
	              .find("database \"app\" leads elsewhere"),
	          std::string::npos);
}

TEST(Attached, AnAddressIsADirectoryAndAPort) {
	EXPECT_EQ(*console_path("/run/pgbouncer:6432"), "/run/pgbouncer/.s.PGSQL.6432");
	for (const char *wrong : {"", "6432", "/run/pgbouncer", "/run:x", "/run:0", "/run:65536",
	                          "run:6432", "/run:6432x", "/run:"}) {
		EXPECT_FALSE(console_path(wrong)) << wrong;
	}
}

}  // namespace
}  // namespace stolon::proxy
