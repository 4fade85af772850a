// LESSONS D-5: backends outlive a postmaster that was killed with -9. Real servers; some of their
// processes are stopped by SIGSTOP so that they certainly do not leave by themselves.
#include "launcher/reaper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

class Reaper : public DataDirTest {
protected:
	void SetUp() override {
		port_ = free_port();
		make_plain_database(paths_.pgdata(), port_);
		stop_at_end(paths_.pgdata());
	}
	pid_t start() {
		auto server = Postmaster::start(bin_path(), paths_.pgdata(), paths_.server_log());
		EXPECT_TRUE(server.ok());
		const pid_t pid = server->pid();
		EXPECT_TRUE(eventually([&] { return accepts_connections(paths_.pgdata(), pid); }))
		    << tail_of_log(paths_.server_log(), 0);
		return pid;
	}
	/// The server's memory; its processes are frozen and the postmaster is killed.
	SharedMemory kill_postmaster(pid_t pid) {
		const auto file = read_postmaster_file(paths_.pgdata());
		EXPECT_TRUE(file && file->memory);
		for (const pid_t process : attached_processes(*file->memory)) {
			if (process != pid)
				::kill(process, SIGSTOP);
		}
		const Fd handle = open_pidfd(pid);
		::kill(pid, SIGKILL);
		EXPECT_TRUE(eventually([&] { return !is_server_process(pid, paths_.pgdata()); }));
		::waitpid(pid, nullptr, 0);
		return *file->memory;
	}
	ReapRequest request(const std::optional<SharedMemory> &memory) {
		ReapRequest result;
		result.pgdata = paths_.pgdata();
		result.memory = memory;
		return result;
	}

	int port_ = 0;
};

TEST_F(Reaper, kills_what_a_killed_postmaster_has_left_to_us) {
	const SharedMemory memory = kill_postmaster(start());
	const auto attached = attach_count(memory);
	ASSERT_TRUE(attached.ok());
	ASSERT_GT(*attached, 3UL);

	const core::Instant begin = store::now();
	const auto result = reap(request(memory), core::seconds(5));
	RecordProperty("milliseconds", static_cast<int>(core::to_ms(store::now() - begin)));
	EXPECT_TRUE(result.done) << result.remaining;
	EXPECT_EQ(*attach_count(memory), 0UL);
	EXPECT_TRUE(attached_processes(memory).empty());
	// And a new server comes up in the same place.
	start();
}

TEST_F(Reaper, kills_what_was_left_while_no_launcher_was_there) {
	// Without a subreaper the orphans do not become our children: as after a kill of both.
	::prctl(PR_SET_CHILD_SUBREAPER, 0);
	output_of({bin_path() + "/pg_ctl", "-D", paths_.pgdata(), "-l", paths_.server_log(), "-w", "-s",
	           "start"});
	const auto server = Postmaster::adopt(paths_.pgdata());
	ASSERT_TRUE(server);
	EXPECT_TRUE(server->adopted());
	const SharedMemory memory = kill_postmaster(server->pid());
	::prctl(PR_SET_CHILD_SUBREAPER, 1);
	ASSERT_GT(*attach_count(memory), 3UL);
	EXPECT_TRUE(live_children().empty());

	const auto result = reap(request(memory), core::seconds(5));
	EXPECT_TRUE(result.done) << result.remaining;
	EXPECT_GT(result.killed, 3);
	EXPECT_EQ(*attach_count(memory), 0UL);
}

TEST_F(Reaper, leaves_other_servers_and_spared_children_alone) {
	const SharedMemory memory = kill_postmaster(start());
	Paths others;
	others.root = paths_.root + "/other";
	std::filesystem::create_directory(others.root);
	make_plain_database(others.pgdata(), free_port());
	auto other = Postmaster::start(bin_path(), others.pgdata(), others.server_log());
	ASSERT_TRUE(other.ok());
	stop_at_end(others.pgdata());
	ASSERT_TRUE(eventually([&] { return accepts_connections(others.pgdata(), other->pid()); }));

	ReapRequest wanted = request(memory);
	wanted.spare = {other->pid()};
	EXPECT_TRUE(reap(wanted, core::seconds(5)).done);
	EXPECT_TRUE(is_server_process(other->pid(), others.pgdata()));
	EXPECT_GT(*attach_count(*read_postmaster_file(others.pgdata())->memory), 3UL);
}

TEST_F(Reaper, does_not_say_done_while_a_process_is_attached_that_it_may_not_kill) {
	const SharedMemory memory = kill_postmaster(start());
	// We ourselves are attached: nobody that the reaper would kill.
	void *const attached = ::shmat(memory.id, nullptr, SHM_RDONLY);
	ASSERT_NE(attached, reinterpret_cast<void *>(-1));
	const auto result = reap(request(memory), core::milliseconds(50));
	EXPECT_FALSE(result.done);
	EXPECT_NE(result.remaining.find("1 processes"), std::string::npos) << result.remaining;
	::shmdt(attached);
	EXPECT_TRUE(reap(request(memory), core::seconds(5)).done);
}

TEST_F(Reaper, collects_an_orphaned_grandchild) {
	// What an archive_command may leave: a process without the server's memory.
	const pid_t child = ::fork();
	if (child == 0) {
		EXPECT_EQ(::chdir(paths_.pgdata().c_str()), 0);
		if (::fork() == 0) {
			::pause();
			::_exit(0);
		}
		::_exit(0);
	}
	::waitpid(child, nullptr, 0);
	ASSERT_EQ(live_children().size(), 1U);
	const auto result = reap(request({}), core::seconds(5));
	EXPECT_TRUE(result.done) << result.remaining;
	EXPECT_EQ(result.killed, 1);
	EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST_F(Reaper, leaves_an_orphan_of_somebody_else_alone) {
	const pid_t child = ::fork();
	if (child == 0) {
		::pause();
		::_exit(0);
	}
	EXPECT_TRUE(reap(request({}), core::seconds(5)).done);
	EXPECT_EQ(live_children(), std::vector<pid_t>{child});
	::kill(child, SIGKILL);
	::waitpid(child, nullptr, 0);
}

TEST_F(Reaper, a_segment_that_is_gone_has_nobody_attached) {
	EXPECT_EQ(*attach_count(SharedMemory{12345, 2000000000}), 0UL);
}

TEST_F(Reaper, an_id_that_was_given_to_another_segment_does_not_count) {
	const pid_t pid = start();
	const SharedMemory memory = *read_postmaster_file(paths_.pgdata())->memory;
	EXPECT_GT(*attach_count(memory), 3UL);
	EXPECT_EQ(*attach_count(SharedMemory{memory.key + 1, memory.id}), 0UL);
	EXPECT_TRUE(attached_processes(SharedMemory{memory.key + 1, memory.id}).empty());
	EXPECT_TRUE(is_server_process(pid, paths_.pgdata()));
}

TEST_F(Reaper, the_lock_of_a_live_server_is_not_removed) {
	start();
	EXPECT_TRUE(remove_stale_locks(paths_.pgdata()).empty());
	EXPECT_TRUE(std::filesystem::exists(paths_.pgdata() + "/postmaster.pid"));
}

TEST_F(Reaper, a_zombie_is_not_a_live_server_and_does_not_keep_a_new_one_from_starting) {
	write_file(paths_.pgdata() + "/postgresql.conf",
	           read_file(paths_.pgdata() + "/postgresql.conf") + "unix_socket_directories = '" +
	               paths_.root + "'\n");
	const pid_t pid = start();
	const SharedMemory memory = *read_postmaster_file(paths_.pgdata())->memory;
	const Fd handle = open_pidfd(pid);
	::kill(pid, SIGKILL);
	ASSERT_TRUE(eventually([&] { return !is_server_process(pid, paths_.pgdata()); }));
	EXPECT_EQ(::kill(pid, 0), 0) << "it has not been waited for yet";
	EXPECT_FALSE(live_postmaster(paths_.pgdata()));
	ReapRequest wanted = request(memory);
	wanted.spare = {pid};
	ASSERT_TRUE(reap(wanted, core::seconds(5)).done);
	ASSERT_EQ(::kill(pid, 0), 0);
	EXPECT_EQ(remove_stale_locks(paths_.pgdata()).size(), 2U);
	start();
	::waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace stolon::launcher::test
