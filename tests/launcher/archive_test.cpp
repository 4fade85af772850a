// What a former master has not archived is archived by its own command, in the archiver's order;
// what cannot be archived is named, and kept.
#include "launcher/archive.h"

#include <filesystem>

#include "launcher/rewind.h"
#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

namespace fs = std::filesystem;

using Files = std::vector<std::string>;

TEST(ArchiveCommand, IsMadeAsTheArchiverDoes) {
	const std::string file = "000000010000000000000003";
	EXPECT_EQ(archive_command_for("cp %p /a/%f", file), "cp pg_wal/" + file + " /a/" + file);
	EXPECT_EQ(archive_command_for("date +%%s; echo %%p %%%f", file), "date +%s; echo %p %" + file);
	EXPECT_EQ(archive_command_for("echo %x 100%", file), "echo %x 100%");
}

TEST(ArchiveCommand, IsTakenFromTheSpec) {
	EXPECT_EQ(archive_parameters({{"archive_command", "x"}, {"work_mem", "4MB"}}),
	          (std::map<std::string, std::string>{{"archive_command", "x"}}));
}

const char *const first = "000000010000000000000003";
const char *const second = "000000010000000000000004";
const char *const third = "000000020000000000000001";
const char *const history = "00000002.history";

class Archive : public DataDirTest {
protected:
	Archive() : archive_(paths_.root + "/archive") {
		make_plain_database(paths_.pgdata(), free_port());
		fs::create_directory(archive_);
		for (const char *file : {third, second, history, first})
			add(file);
		job_.bin_path = bin_path();
		job_.pgdata = paths_.pgdata();
		job_.parameters = {{"archive_mode", "on"}};
		command("test ! -f '" + archive_ + "/%f' && cp %p '" + archive_ + "/%f' && echo %f >> '" +
		        archive_ + "/order'");
	}
	void add(const std::string &file) {
		write_file(wal(file), "content of " + file);
		write_file(status(file, "ready"), "");
	}
	void make_ours(const std::string &directory) {
		core::DataState state;
		state.cluster_name = identity_.cluster_name;
		state.cluster_uid = "0123456789abcdef";
		state.keeper = identity_.keeper;
		state.db.value = "aaaaaaaa";
		ASSERT_TRUE(write_state(directory, state).ok());
	}
	void command(const std::string &text) { job_.parameters["archive_command"] = text; }
	std::string wal(const std::string &file) { return paths_.pgdata() + "/pg_wal/" + file; }
	std::string status(const std::string &file, const std::string &state) {
		return paths_.pgdata() + "/pg_wal/archive_status/" + file + "." + state;
	}

	const std::string archive_;
	ArchiveJob job_;
};

TEST_F(Archive, GetsWhatWaitsInOrder) {
	EXPECT_EQ(archive_waiting_wal(job_), Files());
	EXPECT_EQ(read_file(archive_ + "/order"),
	          std::string(history) + "\n" + first + "\n" + second + "\n" + third + "\n");
	EXPECT_EQ(read_file(archive_ + "/" + second), std::string("content of ") + second);
	EXPECT_FALSE(fs::exists(status(first, "ready")));
	EXPECT_TRUE(fs::exists(status(first, "done")));
	EXPECT_EQ(files_to_archive(paths_.pgdata()), Files());
}

TEST_F(Archive, GetsNothingTwice) {
	fs::rename(status(first, "ready"), status(first, "done"));
	EXPECT_EQ(archive_waiting_wal(job_), Files());
	EXPECT_FALSE(fs::exists(archive_ + "/" + first));
}

TEST_F(Archive, OtherNamesAreNeverGivenToAShell) {
	write_file(wal("$(touch gotcha)00000001"), "");
	write_file(status("$(touch gotcha)00000001", "ready"), "");
	fs::remove(wal(third));
	EXPECT_EQ(files_to_archive(paths_.pgdata()), (Files{history, first, second}));
}

TEST_F(Archive, IsLeftAloneWhenArchivingIsOff) {
	job_.parameters["archive_mode"] = "off";
	EXPECT_EQ(archive_waiting_wal(job_), Files());
	EXPECT_TRUE(fs::exists(status(first, "ready")));
}

TEST_F(Archive, IsNotGivenWhatAnotherLineHasUnderTheSameNames) {
	job_.withheld = {core::Timeline{2}};
	const Files others{history, third};
	EXPECT_EQ(archive_waiting_wal(job_), others);
	EXPECT_FALSE(fs::exists(archive_ + "/" + history));
	EXPECT_TRUE(fs::exists(status(history, "ready"))) << "it still waits";
	EXPECT_TRUE(fs::exists(archive_ + "/" + first));
}

TEST_F(Archive, IsNotGivenWalThatMayBeOfAnotherLine) {
	make_ours(paths_.pgdata());
	command("cp %p '" + archive_ + "/%f'");
	write_file(archive_ + "/" + first, "of the master's line");
	RewindJob job;
	job.paths = paths_;
	job.identity = identity_;
	job.bin_path = bin_path();
	job.archiving = job_.parameters;
	job.state.db.value = "bbbbbbbb";
	// Both are on timeline 1.
	job.upstream_line.position = {core::Timeline{1}, core::Lsn{0x9000000}};
	const auto done = run_rewind(job);
	ASSERT_FALSE(done.ok());
	EXPECT_EQ(done.error().kind, core::ErrorKind::Invalid) << done.error().message;
	EXPECT_EQ(read_file(archive_ + "/" + first), "of the master's line");
	EXPECT_FALSE(fs::exists(archive_ + "/" + history));
	EXPECT_EQ(files_to_archive(paths_.pgdata()).size(), 4U);
}

TEST_F(Archive, IsTriedTwiceAndThenTheRestWaits) {
	command("echo %f >> '" + archive_ + "/tried'; test %f != " + second);
	EXPECT_EQ(archive_waiting_wal(job_), (Files{second, third}));
	EXPECT_EQ(read_file(archive_ + "/tried"),
	          std::string(history) + "\n" + first + "\n" + second + "\n" + second + "\n");
	EXPECT_TRUE(fs::exists(status(first, "done")));
	EXPECT_TRUE(fs::exists(status(second, "ready")));
}

TEST_F(Archive, WithoutACommandEverythingWaits) {
	command("");
	EXPECT_EQ(archive_waiting_wal(job_), (Files{history, first, second, third}));
}

TEST_F(Archive, ACommandThatHangsIsKilledWithWhatItHasStarted) {
	job_.bound = core::milliseconds(300);
	command("sleep 600 & echo $! > '" + archive_ + "/pid'; wait");
	EXPECT_EQ(archive_waiting_wal(job_).size(), 4U);
	const std::string pid = read_file(archive_ + "/pid");
	const std::string entry = "/proc/" + pid.substr(0, pid.find('\n'));
	EXPECT_TRUE(eventually([&] {
		// An orphan that nobody collects stays as a zombie.
		const std::string stat = fs::exists(entry) ? read_file(entry + "/stat") : "gone Z";
		return stat.find(" Z") != std::string::npos || stat.empty();
	}));
}

TEST_F(Archive, WhatCannotBeArchivedIsKept) {
	const std::string kept = paths_.root + "/kept";
	fs::create_directory(kept);
	for (int i = 0; i < 2; ++i)
		ASSERT_TRUE(keep_unarchived(paths_.pgdata(), {second, third}, kept).ok());
	EXPECT_EQ(read_file(kept + "/unarchived/" + second), std::string("content of ") + second);
	EXPECT_TRUE(fs::exists(kept + "/unarchived/" + third));
	EXPECT_TRUE(fs::exists(kept + "/unarchived/README.txt"));
}

}  // namespace
}  // namespace stolon::launcher::test
