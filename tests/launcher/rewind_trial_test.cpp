// What pg_rewind could not write to, and what would stop it half way, is found before it begins.
#include "launcher/rewind_trial.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "launcher/node_files.h"
#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

namespace fs = std::filesystem;

class RewindTrial : public DataDirTest {
protected:
	void SetUp() override {
		make_fake_data(pgdata_);
		for (const char *directory : {"pg_tblspc", "base/1", "pg_xact", "certs"})
			fs::create_directories(pgdata_ + "/" + directory);
		fs::create_directories(wal_ + "/archive_status");
		fs::create_symlink(wal_, pgdata_ + "/pg_wal");
		fs::create_directories(place_ + "/PG_15_202209061/1");
		fs::create_symlink(place_, pgdata_ + "/pg_tblspc/16400");
		fs::create_symlink("/etc", pgdata_ + "/certs/etc");
	}
	void TearDown() override {
		for (const auto &path : {place_ + "/PG_15_202209061/1", wal_ + "/archive_status"})
			fs::permissions(path, fs::perms(0700));
	}

	const std::string pgdata_ = paths_.pgdata();
	const std::string wal_ = paths_.root + "/wal";
	const std::string place_ = paths_.root + "/places/ts";
};

TEST_F(RewindTrial, FindsWhateverCannotBeWrittenTo) {
	EXPECT_TRUE(check_writable(pgdata_).ok()) << check_writable(pgdata_).error().message;
	for (const std::string &path :
	     {pgdata_ + "/certs/server.key", pgdata_ + "/base/1/1259", pgdata_ + "/pg_hba.conf.d/x",
	      wal_ + "/00000002.history", place_ + "/PG_15_202209061/1/16401"}) {
		fs::create_directories(fs::path(path).parent_path());
		write_file(path, "x", 0400);
		const auto done = check_writable(pgdata_);
		ASSERT_FALSE(done.ok()) << path;
		EXPECT_EQ(done.error().kind, core::ErrorKind::Invalid) << "the data are whole: a clone";
		EXPECT_NE(done.error().message.find(fs::path(path).filename().string()), std::string::npos)
		    << done.error().message;
		fs::remove(path);
	}
	for (const auto &path : {place_ + "/PG_15_202209061/1", wal_ + "/archive_status"}) {
		fs::permissions(path, fs::perms(0500));
		EXPECT_FALSE(check_writable(pgdata_).ok()) << path;
		fs::permissions(path, fs::perms(0700));
	}
}

TEST_F(RewindTrial, AReadOnlyFileOfTheNodesOwnIsNoReasonForAClone) {
	const std::string key = pgdata_ + "/server.key", kept = paths_.rewind_files();
	write_file(key, "secret", 0400);
	EXPECT_TRUE(check_writable(pgdata_).ok());
	ASSERT_TRUE(keep_node_files(pgdata_, kept).ok());
	ASSERT_TRUE(free_node_files(pgdata_, kept).ok());
	ASSERT_EQ(::access(key.c_str(), W_OK), 0) << "pg_rewind truncates it";
	write_file(key, "the upstream's", 0600);
	ASSERT_TRUE(restore_node_files(kept, pgdata_).ok());
	EXPECT_EQ(read_file(key), "secret");
	EXPECT_EQ(fs::status(key).permissions(), fs::perms(0400));
}

}  // namespace
}  // namespace stolon::launcher::test
