// Tasks: their output, their end, and that nothing of them stays at work (LESSONS D-7).
#include "launcher/task.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "launcher/lock.h"
#include "launcher/reaper.h"
#include "store/store.h"
#include "tests/launcher/support.h"

namespace stolon::launcher::test {
namespace {

class Tasks : public DataDirTest {
protected:
	int wait_for(Task &task) {
		std::optional<int> status;
		EXPECT_TRUE(eventually([&] {
			task.read_output(store::now());
			status = task.poll_end();
			return status.has_value();
		}));
		task.read_output(store::now());
		return status.value_or(-1);
	}
};

/// Starts a process that the caller does not wait for, as pg_basebackup does for the WAL.
void leave_a_child() {
	if (::fork() == 0) {
		::pause();
		::_exit(0);
	}
}

TEST_F(Tasks, a_task_that_succeeds_tells_its_progress) {
	auto task = Task::start(
	    [] {
		    std::puts("first\nsecond");
		    std::fflush(stdout);
		    return core::Status();
	    },
	    -1);
	ASSERT_TRUE(task.ok());
	EXPECT_TRUE(task->outcome(wait_for(*task)).ok());
	EXPECT_EQ(task->progress(), "second");
}

TEST_F(Tasks, what_a_task_warns_of_is_not_lost_among_its_progress) {
	auto task = Task::start(
	    [] {
		    warn("look here");
		    for (int i = 0; i < 20; ++i)
			    say("line");
		    return core::Status();
	    },
	    -1);
	ASSERT_TRUE(task.ok());
	EXPECT_TRUE(task->outcome(wait_for(*task)).ok());
	EXPECT_EQ(task->take_warnings(), std::vector<std::string>{"look here"});
	EXPECT_TRUE(task->take_warnings().empty());
}

TEST_F(Tasks, a_task_that_fails_says_why) {
	auto task = Task::start([]() -> core::Status { return core::invalid("no room"); }, -1);
	ASSERT_TRUE(task.ok());
	const auto outcome = task->outcome(wait_for(*task));
	ASSERT_FALSE(outcome.ok());
	EXPECT_EQ(outcome.error().message, "no room");
}

TEST_F(Tasks, a_command_that_fails_is_quoted) {
	auto task = Task::start(
	    [] {
		    Command command;
		    command.argv = {"/bin/sh", "-c", "echo disk full >&2; exit 3"};
		    return run_command(command);
	    },
	    -1);
	ASSERT_TRUE(task.ok());
	const auto outcome = task->outcome(wait_for(*task));
	ASSERT_FALSE(outcome.ok());
	EXPECT_NE(outcome.error().message.find("exited with code 3: disk full"), std::string::npos)
	    << outcome.error().message;
}

TEST_F(Tasks, a_secret_reaches_a_command_by_its_input_only) {
	Command command;
	command.argv = {"/bin/sh", "-c", "read word && test \"$word\" = secret"};
	command.input = "secret\n";
	EXPECT_TRUE(run_command(command).ok());
}

TEST_F(Tasks, a_signal_that_we_ignore_is_not_ignored_by_a_command) {
	::signal(SIGPIPE, SIG_IGN);
	Command command;
	command.argv = {"/bin/sh", "-c", "kill -PIPE $$; exit 0"};
	const auto status = run_command(command);
	::signal(SIGPIPE, SIG_DFL);
	ASSERT_FALSE(status.ok());
	EXPECT_NE(status.error().message.find("signal 13"), std::string::npos);
}

TEST_F(Tasks, an_aborted_task_leaves_nothing_at_work) {
	auto task = Task::start(
	    [] {
		    leave_a_child();
		    ::pause();
		    return core::Status();
	    },
	    -1);
	ASSERT_TRUE(task.ok());
	task->kill();
	EXPECT_FALSE(task->outcome(wait_for(*task)).ok());
	EXPECT_TRUE(eventually([] { return live_children().empty(); }));
}

TEST_F(Tasks, what_a_failed_task_has_left_is_killed) {
	auto task = Task::start(
	    []() -> core::Status {
		    leave_a_child();
		    return core::invalid("failed");
	    },
	    -1);
	ASSERT_TRUE(task.ok());
	wait_for(*task);
	EXPECT_TRUE(eventually([] { return live_children().empty(); }));
}

TEST_F(Tasks, a_second_launcher_is_refused) {
	const auto lock = take_data_dir(paths_);
	ASSERT_TRUE(lock.ok()) << lock.error().message;
	const auto second = take_data_dir(paths_);
	ASSERT_FALSE(second.ok());
	EXPECT_NE(second.error().message.find("another launcher"), std::string::npos);
}

TEST_F(Tasks, what_a_task_of_a_killed_launcher_has_left_is_killed) {
	// As the child of a launcher that is killed: it takes the directory and starts a task.
	const pid_t launcher = ::fork();
	if (launcher == 0) {
		auto lock = take_data_dir(paths_);
		auto task = Task::start(
		    [this] {
			    leave_a_child();
			    std::filesystem::create_directory(paths_.root + "/at_work");
			    ::pause();
			    return core::Status();
		    },
		    lock->tasks.get());
		::pause();
		::_exit(0);
	}
	ASSERT_TRUE(eventually([&] { return std::filesystem::exists(paths_.root + "/at_work"); }));
	::kill(launcher, SIGKILL);
	::waitpid(launcher, nullptr, 0);
	// The list in /proc may have gaps while children are handed over to another parent.
	ASSERT_TRUE(eventually([] { return !live_children().empty(); }));
	const auto lock = take_data_dir(paths_);
	ASSERT_TRUE(lock.ok()) << lock.error().message;
	EXPECT_TRUE(eventually([] { return live_children().empty(); }));
}

TEST_F(Tasks, a_data_directory_that_others_can_write_is_refused) {
	std::filesystem::permissions(paths_.root, std::filesystem::perms::all);
	const auto lock = take_data_dir(paths_);
	ASSERT_FALSE(lock.ok());
	EXPECT_NE(lock.error().message.find("chmod 0700"), std::string::npos);
}

TEST_F(Tasks, a_data_directory_of_somebody_else_is_refused) {
	Paths root;
	root.root = "/root";
	EXPECT_FALSE(take_data_dir(root).ok());
}

}  // namespace
}  // namespace stolon::launcher::test
