// What lies beside PGDATA for which nobody will ask: half removed directories, copies for
// incarnations that the view has forgotten, this node's own files of an interrupted rewind.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "launcher/diverged.h"
#include "launcher/entries.h"
#include "launcher/node_files.h"
#include "launcher/report.h"
#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

namespace fs = std::filesystem;
using core::DbUid;

class SetAside : public DataDirTest {
protected:
	core::Status tidy(int keep = 3) {
		return tidy_diverged({paths_, identity_, own_, bin_path(), master_, keep});
	}
	std::string report_of(const std::string &directory) {
		return read_file(directory + "/" + report_file);
	}

	const DbUid own_{"aaaaaaaa"};
	std::optional<Master> master_;
};

TEST_F(SetAside, AHalfRemovedDirectoryIsRemovedAndNeverReported) {
	make_fake_data(paths_.pgdata());
	const std::string name = "postgres.diverged-20261122T000001Z";
	make_fake_data(paths_.root + "/" + name);
	const auto removing = begin_removal(paths_, name);
	ASSERT_TRUE(removing.ok()) << removing.error().message;
	EXPECT_TRUE(list_diverged(paths_).empty()) << "what is left of it is not whole";
	EXPECT_EQ(count_left_over(paths_, identity_, own_), 1);
	fs::create_directory(paths_.root + "/postgres.removing-mine");
	ASSERT_TRUE(tidy().ok());
	EXPECT_FALSE(fs::exists(*removing));
	EXPECT_TRUE(fs::exists(paths_.root + "/postgres.removing-mine"));
	EXPECT_EQ(count_left_over(paths_, identity_, own_), 0);
}

TEST_F(SetAside, ARemovalThatFailsLeavesNoDirectoryThatLooksWhole) {
	const std::string name = "postgres.diverged-20261122T000001Z";
	for (const char *time : {"20261122T000001Z", "20261122T000002Z"}) {
		core::DivergedData data;
		data.time = time;
		data.examined = data.whole = true;
		const std::string directory = paths_.root + "/postgres.diverged-" + time;
		make_fake_data(directory);
		ASSERT_TRUE(write_report(directory, identity_, data, nullptr).ok());
	}
	const std::string stuck = paths_.root + "/" + name + "/base";
	fs::create_directories(stuck + "/1");
	fs::permissions(stuck, fs::perms::none);
	EXPECT_FALSE(tidy(1).ok());
	EXPECT_EQ(list_diverged(paths_).size(), 1U);
	const std::string removing = paths_.root + "/postgres.removing-20261122T000001Z";
	ASSERT_TRUE(fs::exists(removing));
	fs::permissions(removing + "/base", fs::perms::owner_all);
	EXPECT_TRUE(tidy(1).ok());
	EXPECT_FALSE(fs::exists(removing));
}

TEST_F(SetAside, ACompleteCopyThatNobodyAsksForIsKeptAndListed) {
	make_fake_data(paths_.pgdata());
	const DbUid forgotten{"bbbbbbbb"};
	make_fake_data(paths_.clone(forgotten), "k1", forgotten.value);
	write_file(Paths::marker_of(paths_.clone(forgotten)), "k1\n");
	const DbUid half{"cccccccc"};
	make_fake_data(paths_.clone(half), "k2", "dddddddd");
	EXPECT_EQ(count_left_over(paths_, identity_, own_), 1);
	EXPECT_EQ(count_left_over(paths_, identity_, forgotten), 0) << "it is the one that is wanted";
	ASSERT_TRUE(tidy().ok());
	EXPECT_FALSE(fs::exists(paths_.clone(forgotten)));
	EXPECT_FALSE(fs::exists(Paths::marker_of(paths_.clone(forgotten))));
	EXPECT_TRUE(fs::exists(paths_.clone(half)));
	const auto list = list_diverged(paths_);
	ASSERT_EQ(list.size(), 1U);
	EXPECT_TRUE(fs::exists(paths_.root + "/" + list[0].name + "/PG_VERSION"));
	EXPECT_EQ(count_left_over(paths_, identity_, own_), 0);
}

TEST_F(SetAside, AHalfRewoundDirectorySaysSoAndGoesBeforeItsWal) {
	make_fake_data(paths_.pgdata());
	const core::DataState before = inspect(paths_, identity_, {}).state;
	core::DivergedData wal;
	wal.time = "2026-11-22T00:00:01Z";
	wal.db = before.db;
	wal.examined = true;
	wal.fork = wal.end = {core::Timeline{1}, core::Lsn{0x3000000}};
	wal.end.lsn.value += 0x1000;
	wal.commits = 3;
	const std::string kept = paths_.root + "/postgres.diverged-20261122T000001Z";
	fs::create_directory(kept);
	ASSERT_TRUE(write_report(kept, identity_, wal, nullptr).ok());
	ASSERT_TRUE(mark_rewind(paths_, before, DbUid{"cccccccc"}).ok());
	make_fake_data(paths_.pgdata(), "k2", "bbbbbbbb");
	const DbUid next{"dddddddd"};
	make_fake_data(paths_.clone(next), "k1", next.value);
	const auto swapped = swap_in(paths_, identity_, paths_.clone(next), next);
	ASSERT_TRUE(swapped.ok()) << swapped.error().message;
	master_ = Master();
	ASSERT_TRUE(tidy().ok());
	const auto list = list_diverged(paths_);
	ASSERT_EQ(list.size(), 2U);
	EXPECT_TRUE(list[0].half_rewound);
	EXPECT_EQ(list[0].db, before.db);
	EXPECT_EQ(list[0].commits, 3U);
	const std::string report = report_of(swapped->aside);
	EXPECT_NE(report.find("NOT to be started"), std::string::npos) << report;
	EXPECT_NE(report.find("postgres.diverged-20261122T000001Z"), std::string::npos) << report;
	// Something newer comes, and then there is room for one with commits.
	const std::string newer = paths_.root + "/postgres.diverged-20991122T000001Z";
	fs::create_directory(newer);
	ASSERT_TRUE(write_report(newer, identity_, wal, nullptr).ok());
	ASSERT_TRUE(tidy(2).ok());
	EXPECT_FALSE(fs::exists(swapped->aside));
	EXPECT_TRUE(fs::exists(kept));
}

TEST_F(SetAside, ThisNodesOwnFilesSurviveThatHalfRewoundDataAreMovedAway) {
	make_fake_data(paths_.pgdata());
	write_file(paths_.pgdata() + "/server.key", "secret");
	const core::DataState before = inspect(paths_, identity_, {}).state;
	ASSERT_TRUE(keep_node_files(paths_.pgdata(), paths_.rewind_files()).ok());
	ASSERT_TRUE(mark_rewind(paths_, before, DbUid{"cccccccc"}).ok());
	// As the operator is told to do.
	fs::rename(paths_.pgdata(), paths_.root + "/mine");
	const DbUid next{"dddddddd"};
	make_fake_data(paths_.clone(next), "k1", next.value);
	const auto swapped = swap_in(paths_, identity_, paths_.clone(next), next);
	ASSERT_TRUE(swapped.ok()) << swapped.error().message;
	EXPECT_EQ(swapped->aside, "");
	remove_spent_notes(paths_);
	EXPECT_EQ(read_file(swapped->node_files + "/server.key"), "secret");
	EXPECT_TRUE(swapped->node_files.starts_with(paths_.root + "/postgres.node-files-"));
	EXPECT_FALSE(fs::exists(paths_.rewind_marker()));
}

/// Exit code 0: `work` gave true in a process in which renameat2() fails as it does on file systems
/// that cannot rename without replacing.
int without_renameat2(const std::function<bool()> &work) {
	const pid_t pid = ::fork();
	if (pid == 0) {
		sock_filter code[] = {
		    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
		    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 1),
		    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		const sock_fprog program = {std::size(code), code};
		if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		    ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
			::_exit(2);
		::_exit(work() ? 0 : 1);
	}
	int status = 0;
	EXPECT_EQ(::waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(SetAside, ADirectoryIsRenamedWhereThatCannotBeDoneInOneStep) {
	make_fake_data(paths_.root + "/from");
	fs::create_directory(paths_.root + "/taken");
	EXPECT_EQ(without_renameat2([&] {
		          return !rename_new(paths_.root + "/from", paths_.root + "/taken").ok() &&
		                 rename_new(paths_.root + "/from", paths_.root + "/to").ok();
	          }),
	          0);
	EXPECT_TRUE(fs::exists(paths_.root + "/to/PG_VERSION"));
	EXPECT_TRUE(fs::is_empty(paths_.root + "/taken"));
	EXPECT_FALSE(rename_new(paths_.root + "/to", paths_.root + "/taken").ok());
}

}  // namespace
}  // namespace stolon::launcher::test
