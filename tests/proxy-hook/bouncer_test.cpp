// Drives real pgbouncers in front of two real PostgreSQL servers. What is waited for is a state,
// with a limit; no test depends on how fast anything is.
#include "proxy-hook/bouncer.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "proxy-hook/probe.h"
#include "store/program/pidfd.h"

namespace stolon::proxy {
namespace {

using core::Instant;
using core::milliseconds;
using core::seconds;
using Backends = std::vector<core::Backend>;

constexpr auto patience = seconds(60);

/// pgbouncer and PostgreSQL refuse root. The way back stays open for the test's report.
class UnprivilegedUser : public testing::Environment {
public:
	void SetUp() override {
		const passwd *user = geteuid() == 0 ? getpwnam("postgres") : nullptr;
		if (user != nullptr) {
			ASSERT_EQ(setgroups(0, nullptr), 0);
			ASSERT_EQ(setresgid(user->pw_gid, user->pw_gid, 0), 0);
			ASSERT_EQ(setresuid(user->pw_uid, user->pw_uid, 0), 0);
		}
	}
	void TearDown() override {
		if (setresuid(0, 0, 0) != 0 || setresgid(0, 0, 0) != 0) {
			return;  // It was not root in the first place.
		}
	}
};
[[maybe_unused]] const auto *environment =
    testing::AddGlobalTestEnvironment(new UnprivilegedUser);  // NOLINT: gtest owns it

/// The loop wants a store; these tests need none.
class NoStore : public store::Store {
public:
	store::RequestId range(store::RangeRequest, store::Duration,
	                       store::Callback<store::RangeResponse>) override {
		return 0;
	}
	store::RequestId txn(store::TxnRequest, store::Duration,
	                     store::Callback<store::TxnResponse>) override {
		return 0;
	}
	store::RequestId lease_grant(store::Duration, store::Duration,
	                             store::Callback<store::LeaseGrantResponse>) override {
		return 0;
	}
	store::RequestId lease_keepalive(std::int64_t, store::Duration,
	                                 store::Callback<store::Duration>) override {
		return 0;
	}
	store::RequestId lease_revoke(std::int64_t, store::Duration, store::Callback<bool>) override {
		return 0;
	}
	store::RequestId watch(store::WatchRequest, store::WatchHandler) override { return 0; }
	void cancel(store::RequestId) override {}
	int fd() const override { return fd_.get(); }
	std::optional<Instant> deadline() const override { return std::nullopt; }
	void process() override {}
	std::string current_endpoint() const override { return {}; }

private:
	Fd fd_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
};

int free_port() {
	Fd fd(socket(AF_INET, SOCK_STREAM, 0));
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socklen_t length = sizeof(address);
	EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr *>(&address), length), 0);
	EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr *>(&address), &length), 0);
	return ntohs(address.sin_port);
}

/// A program that runs beside the test; what it prints goes to a file.
class Child {
public:
	Child(std::vector<std::string> command, std::string output) : output_(std::move(output)) {
		std::vector<char *> arguments;
		for (std::string &word : command) {
			arguments.push_back(word.data());
		}
		arguments.push_back(nullptr);
		pid_ = fork();
		if (pid_ == 0) {
			const int fd = open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
			dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
			dup2(fd, STDOUT_FILENO);
			dup2(fd, STDERR_FILENO);
			execvp(arguments[0], arguments.data());
			_exit(127);
		}
	}
	Child(const Child &) = delete;
	Child &operator=(const Child &) = delete;
	~Child() {
		if (!ended()) {
			kill(pid_, SIGKILL);
			waitpid(pid_, nullptr, 0);
		}
	}
	bool ended() {
		if (!exit_code_) {
			int status = 0;
			if (waitpid(pid_, &status, WNOHANG) == pid_) {
				exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			}
		}
		return exit_code_.has_value();
	}
	int exit_code() const { return exit_code_.value_or(-1); }
	pid_t pid() const { return pid_; }
	std::string output() const {
		std::ifstream in(output_);
		return {std::istreambuf_iterator<char>(in), {}};
	}

private:
	std::string output_;
	pid_t pid_ = 0;
	std::optional<int> exit_code_;
};

int run(const std::string &command) {
	return std::system((command + " </dev/null").c_str());
}

std::string server_program(const std::string &name) {
	static const std::string folder = [] {
		FILE *pipe = popen("pg_config --bindir", "r");
		char line[4096] = "";
		EXPECT_NE(fgets(line, sizeof(line), pipe), nullptr);
		pclose(pipe);
		return std::string(line, strcspn(line, "\n"));
	}();
	return folder + "/" + name;
}

struct Server {
	std::string data;
	int port = 0;

	core::Backend backend() const { return {"127.0.0.1", port}; }
	pid_t postmaster() const {
		std::ifstream in(data + "/postmaster.pid");
		pid_t pid = 0;
		in >> pid;
		return pid;
	}
	void start(const std::string &name) const {
		ASSERT_EQ(run(server_program("pg_ctl") + " -D " + data + " -w -l " + data +
		              ".log start -o \"-c port=" + std::to_string(port) +
		              " -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
		              " -c max_connections=200 -c cluster_name=" +
		              name + "\" >/dev/null"),
		          0);
	}
	void stop() const {
		run(server_program("pg_ctl") + " -D " + data + " -m immediate stop >/dev/null 2>&1");
	}
	/// Of the postmaster and all of its children: a host that hangs, with a kernel that still
	/// answers.
	void signal_all(int number) const {
		run("pkill -" + std::to_string(number) + " -P " + std::to_string(postmaster()));
		kill(postmaster(), number);
	}
};

class BouncerTest : public testing::Test {
protected:
	static void SetUpTestSuite() {
		spdlog::set_level(spdlog::level::warn);
		char name[] = "/tmp/stolon-proxy-test-XXXXXX";
		ASSERT_NE(mkdtemp(name), nullptr);
		base = name;
		for (Server *server : {&a, &b}) {
			server->data = base + (server == &a ? "/a" : "/b");
			server->port = free_port();
			ASSERT_EQ(run(server_program("initdb") + " -U tester -A trust --no-sync -D " +
			              server->data + " >/dev/null"),
			          0);
			server->start(server == &a ? "a" : "b");
		}
		std::ofstream(base + "/users") << "\"tester\" \"\"\n";
	}
	static void TearDownTestSuite() {
		a.stop();
		b.stop();
		std::filesystem::remove_all(base);
	}

	void SetUp() override {
		run_dir = base + "/run" + std::to_string(++runs);
		mkdir(run_dir.c_str(), 0700);
		options.name = "rw-0";
		options.run_dir = run_dir;
		options.program = "/usr/sbin/pgbouncer";
		options.listen = {"127.0.0.1", free_port()};
		options.pool.access.auth_type = "trust";
		options.pool.access.auth_file = base + "/users";
		make_bouncer();
	}
	void TearDown() override {
		bouncer->stop();
		EXPECT_TRUE(drive([&] { return bouncer->is_stopped(); }));
		if (HasFailure()) {
			run("cat " + run_dir + "/rw-0/pgbouncer.log " + run_dir + "/rw-0/pgbouncer.out");
		}
	}

	void make_bouncer() {
		bouncer = std::make_unique<Bouncer>(loop, options);
		bouncer->adopt();
		ASSERT_TRUE(bouncer->open_sockets().ok());
	}

	/// Runs the loop until `done` says so; false when that took too long.
	bool drive(const std::function<bool()> &done, core::Duration limit = patience) {
		const Instant end = store::now() + limit;
		bool reached = false;
		loop.run(none, [&](Instant now) {
			const Instant wake = bouncer->step(now);
			reached = done();
			if (reached || now >= end) {
				loop.stop(0);
			}
			return std::min(wake, now + milliseconds(5));
		});
		return reached;
	}
	void pass(core::Duration time) {
		drive([] { return false; }, time);
	}
	/// Asks again and again. For questions that themselves run the loop.
	bool wait_for(const std::function<bool()> &done) {
		const Instant end = store::now() + patience;
		while (!done()) {
			if (store::now() >= end) {
				return false;
			}
			pass(milliseconds(20));
		}
		return true;
	}
	bool reach(BouncerGoal goal) {
		bouncer->set_goal(std::move(goal));
		return drive([&] { return bouncer->reached(); });
	}
	bool serve(const Server &server, std::uint64_t term) {
		return reach({BouncerMode::Serve, {server.backend()}, term});
	}
	bool hold() { return reach({BouncerMode::Hold, {}, 0}); }

	std::string connection() const {
		return "host=127.0.0.1 dbname=postgres user=tester port=" +
		       std::to_string(options.listen.port);
	}
	std::unique_ptr<Child> psql(const std::string &statement) {
		return std::make_unique<Child>(
		    std::vector<std::string>{"psql", "-XAtq", connection(), "-c", statement},
		    run_dir + "/out" + std::to_string(++outputs));
	}
	/// What a statement gives, or the client's error.
	std::string ask(const std::string &statement) {
		auto client = psql(statement);
		EXPECT_TRUE(drive([&] { return client->ended(); }));
		std::string out = client->output();
		return out.substr(0, out.find('\n'));
	}
	std::string who() { return ask("show cluster_name"); }
	/// Of the admin console: the first line.
	std::string console(const std::string &statement) {
		Child client({"psql", "-XAtc", statement,
		              "host=" + run_dir + "/rw-0 dbname=pgbouncer user=pgbouncer port=" +
		                  std::to_string(options.listen.port)},
		             run_dir + "/console");
		EXPECT_TRUE(drive([&] { return client.ended(); }));
		std::string out = client.output();
		return out.substr(0, out.find('\n'));
	}
	bool is_running_on(const Server &server, const std::string &text) {
		auto client = Child(
		    {"psql", "-XAtq",
		     "host=127.0.0.1 dbname=postgres user=tester port=" + std::to_string(server.port), "-c",
		     "select 1 from pg_stat_activity where state = 'active' and query like '" + text +
		         "%' and pid <> pg_backend_pid()"},
		    run_dir + "/running");
		drive([&] { return client.ended(); });
		return client.output().starts_with("1");
	}

	static inline std::string base;
	static inline Server a, b;
	static inline int runs = 0;
	NoStore none;
	program::Loop loop;
	BouncerOptions options;
	std::unique_ptr<Bouncer> bouncer;
	std::string run_dir;
	int outputs = 0;
};

TEST_F(BouncerTest, ClientsThatComeBeforeThereIsAMasterWaitForIt) {
	auto client = psql("show cluster_name");
	pass(milliseconds(300));
	EXPECT_FALSE(client->ended()) << client->output();
	ASSERT_TRUE(serve(a, 1));
	ASSERT_TRUE(drive([&] { return client->ended(); }));
	EXPECT_EQ(client->output(), "a\n");
}

// LESSONS P-1: a single client that gets an error fails this test. The pool is small and each round
// long enough for its logins to be over; the next test is about those that a pause interrupts.
TEST_F(BouncerTest, RepointingBackAndForthUnderLoadCostsNoClientAnError) {
	options.pool.default_pool_size = 2;
	make_bouncer();
	ASSERT_TRUE(serve(a, 1));
	std::ofstream(run_dir + "/script") << "select 1;\n";
	Child load({"pgbench", "-n", "-c", "8", "-T", "6", "-f", run_dir + "/script", connection()},
	           run_dir + "/load");
	int repoints = 0;
	while (!load.ended()) {
		const Server &next = repoints % 2 == 0 ? b : a;
		ASSERT_TRUE(hold());
		ASSERT_TRUE(drive([&] { return bouncer->is_drained(); }));
		ASSERT_TRUE(serve(next, static_cast<std::uint64_t>(repoints) + 2));
		pass(milliseconds(200));
		++repoints;
	}
	EXPECT_EQ(load.exit_code(), 0) << load.output();
	EXPECT_GT(repoints, 5);
}

// A transaction that is open at a mere change of address is let finish where it began.
// Some clients begin a transaction while the first login at the next server is under way, and
// pgbouncer remembers that the pause has interrupted another one.
TEST_F(BouncerTest, ALoginThatAPauseInterruptsCostsNoClientAnError) {
	ASSERT_TRUE(serve(a, 1));
	std::ofstream(run_dir + "/script") << "\\set wait random(1, 30)\n\\sleep :wait ms\nselect 1;\n";
	Child load({"pgbench", "-n", "-c", "50", "-T", "6", "-f", run_dir + "/script", connection()},
	           run_dir + "/load");
	int repoints = 0;
	while (!load.ended()) {
		ASSERT_TRUE(hold());
		pass(milliseconds(100));  // Somebody waits.
		ASSERT_TRUE(serve(repoints % 2 == 0 ? b : a, static_cast<std::uint64_t>(repoints) + 2));
		pass(milliseconds(5));
		++repoints;
	}
	EXPECT_EQ(load.exit_code(), 0) << load.output();
	EXPECT_GT(repoints, 5);
}

TEST_F(BouncerTest, WhatAPredecessorHasHeldBackPassesWhenItIsTakenOver) {
	ASSERT_TRUE(serve(a, 1));
	std::ofstream(run_dir + "/script") << "\\sleep 10 ms\nselect 1;\n";
	Child load({"pgbench", "-n", "-c", "4", "-t", "100", "-f", run_dir + "/script", connection()},
	           run_dir + "/load");
	pass(milliseconds(300));
	const std::string marker = run_dir + "/rw-0/held-back";
	Fd process = program::open_pidfd(bouncer->pid());
	HoldBack predecessor(options.listen.port, marker);
	ASSERT_TRUE(predecessor.begin(process.get(), bouncer->pid()).ok());
	pass(seconds(2));
	ASSERT_FALSE(load.ended()) << "nothing was held back";
	ASSERT_TRUE(std::filesystem::exists(marker));
	make_bouncer();
	ASSERT_TRUE(drive([&] { return load.ended(); }));
	EXPECT_EQ(load.exit_code(), 0) << load.output();
	EXPECT_FALSE(std::filesystem::exists(marker));
}

TEST_F(BouncerTest, AChangeOfAddressLetsTransactionsFinish) {
	ASSERT_TRUE(serve(a, 1));
	auto client = psql("select pg_sleep(1)");
	ASSERT_TRUE(wait_for([&] { return is_running_on(a, "select pg_sleep(1)"); }));
	ASSERT_TRUE(serve(b, 1));
	EXPECT_EQ(who(), "b");
	ASSERT_TRUE(drive([&] { return client->ended(); }));
	EXPECT_EQ(client->exit_code(), 0) << client->output();
}

// LESSONS P-4. The frozen server holds the only connection of the pool.
TEST_F(BouncerTest, AStatementOnAFrozenServerHoldsNobodyElseUp) {
	options.pool.default_pool_size = 1;
	make_bouncer();
	ASSERT_TRUE(serve(a, 1));
	auto stuck = psql("select pg_sleep(1000)");
	ASSERT_TRUE(wait_for([&] { return is_running_on(a, "select pg_sleep(1000)"); }));
	auto idle = psql("select pg_sleep(0)");  // waits for the pool's only connection
	a.signal_all(SIGSTOP);
	EXPECT_TRUE(hold());
	EXPECT_TRUE(serve(b, 2));
	EXPECT_EQ(who(), "b");
	EXPECT_TRUE(drive([&] { return stuck->ended() && idle->ended(); }));
	EXPECT_NE(stuck->exit_code(), 0);
	EXPECT_EQ(idle->exit_code(), 0) << idle->output();
	a.signal_all(SIGCONT);
}

TEST_F(BouncerTest, APgbouncerThatDiesIsReplacedWithoutRefusingAnybody) {
	ASSERT_TRUE(serve(a, 1));
	const pid_t first = bouncer->pid();
	kill(first, SIGKILL);
	auto client = psql("show cluster_name");
	ASSERT_TRUE(drive([&] { return client->ended(); }));
	EXPECT_EQ(client->output(), "a\n");
	EXPECT_NE(bouncer->pid(), first);
}

TEST_F(BouncerTest, APgbouncerThatDiesWhileClientsQueueComesBackWithTheNextMaster) {
	ASSERT_TRUE(serve(a, 1));
	ASSERT_TRUE(hold());
	kill(bouncer->pid(), SIGKILL);
	auto client = psql("show cluster_name");
	pass(milliseconds(300));
	EXPECT_FALSE(client->ended()) << client->output();
	ASSERT_TRUE(serve(b, 2));
	ASSERT_TRUE(drive([&] { return client->ended(); }));
	EXPECT_EQ(client->output(), "b\n");
}

// LESSONS P-5: the pause outlives the proxy that asked for it.
TEST_F(BouncerTest, APausedPgbouncerIsTakenOverAndPutRight) {
	ASSERT_TRUE(serve(a, 1));
	ASSERT_TRUE(hold());
	const pid_t pid = bouncer->pid();
	make_bouncer();
	EXPECT_EQ(bouncer->pid(), pid);
	auto client = psql("show cluster_name");
	pass(milliseconds(200));
	EXPECT_FALSE(client->ended()) << client->output();
	ASSERT_TRUE(serve(b, 2));
	ASSERT_TRUE(drive([&] { return client->ended(); }));
	EXPECT_EQ(client->output(), "b\n");
	EXPECT_EQ(bouncer->pid(), pid);
}

TEST_F(BouncerTest, APgbouncerThatWasTakenOverIsReplacedWhenItDies) {
	ASSERT_TRUE(serve(a, 1));
	make_bouncer();
	ASSERT_TRUE(serve(a, 1));
	const pid_t pid = bouncer->pid();
	kill(pid, SIGKILL);
	waitpid(pid, nullptr, 0);  // The test is still its parent, the new Bouncer does not know it.
	ASSERT_TRUE(drive([&] { return bouncer->pid() != pid && bouncer->reached(); }));
	EXPECT_EQ(who(), "a");
}

TEST_F(BouncerTest, ClosingCutsStatementsAndLetsOthersQueueUntilItIsReopened) {
	ASSERT_TRUE(serve(a, 1));
	auto stuck = psql("select pg_sleep(2000)");
	ASSERT_TRUE(wait_for([&] { return is_running_on(a, "select pg_sleep(2000)"); }));
	ASSERT_TRUE(reach({BouncerMode::Close, {}, 0}));
	ASSERT_TRUE(drive([&] { return stuck->ended(); }));
	EXPECT_NE(stuck->exit_code(), 0);
	auto client = psql("show cluster_name");
	pass(milliseconds(200));
	EXPECT_FALSE(client->ended()) << client->output();
	ASSERT_TRUE(serve(a, 1));
	ASSERT_TRUE(drive([&] { return client->ended(); }));
	EXPECT_EQ(client->output(), "a\n");
}

// LESSONS P-5. PAUSE is refused by a pgbouncer that is paused already, whether or not transactions
// are open.
TEST_F(BouncerTest, APauseThatIsTakenOverIsNotTakenForTheEndOfTransactions) {
	ASSERT_TRUE(serve(a, 1));
	auto open = psql("select pg_sleep(3)");
	ASSERT_TRUE(wait_for([&] { return is_running_on(a, "select pg_sleep(3)"); }));
	ASSERT_TRUE(hold());
	make_bouncer();
	ASSERT_TRUE(hold());
	EXPECT_TRUE(drive([&] { return bouncer->is_drained() || open->ended(); }));
	EXPECT_TRUE(drive([&] { return open->ended(); }, milliseconds(500)));
	EXPECT_EQ(open->exit_code(), 0) << open->output();
	EXPECT_TRUE(drive([&] { return bouncer->is_drained(); }));
}

// KILL leaves a database paused, and who sent it may have died before the RESUME.
TEST_F(BouncerTest, ADatabaseThatWasLeftPausedIsResumed) {
	ASSERT_TRUE(serve(a, 1));
	EXPECT_EQ(who(), "a");
	EXPECT_EQ(console("kill postgres"), "KILL");
	make_bouncer();
	ASSERT_TRUE(serve(a, 1));
	EXPECT_EQ(who(), "a");
}

TEST_F(BouncerTest, ClientsWaitWhenAPgbouncerThatWasTakenOverDiesWhileTheyAreHeldBack) {
	ASSERT_TRUE(serve(a, 1));
	make_bouncer();
	ASSERT_TRUE(hold());
	const pid_t pid = bouncer->pid();
	kill(pid, SIGKILL);
	waitpid(pid, nullptr, 0);
	ASSERT_TRUE(drive([&] { return !bouncer->is_running(); }));
	auto client = psql("show cluster_name");
	pass(milliseconds(300));
	EXPECT_FALSE(client->ended()) << client->output();
	ASSERT_TRUE(serve(b, 2));
	ASSERT_TRUE(drive([&] { return client->ended(); }));
	EXPECT_EQ(client->output(), "b\n");
}

// LESSONS P-7. RESUME comes together with RELOAD, which says "ok" all the same.
TEST_F(BouncerTest, NobodyIsSentToTheOldServerByAPgbouncerThatCannotReadItsFile) {
	ASSERT_TRUE(serve(a, 1));
	ASSERT_TRUE(hold());
	bouncer->prepare({b.backend()});
	const std::string folder = run_dir + "/rw-0";
	chmod((folder + "/pgbouncer.ini").c_str(), 0);
	chmod(folder.c_str(), 0500);  // It cannot be written anew either.
	bouncer->set_goal({BouncerMode::Serve, {b.backend()}, 2});
	pass(milliseconds(300));
	EXPECT_FALSE(bouncer->reached());
	auto client = psql("show cluster_name");
	pass(milliseconds(500));
	EXPECT_FALSE(client->ended()) << client->output();
	chmod(folder.c_str(), 0700);
	ASSERT_TRUE(drive([&] { return client->ended(); }));
	EXPECT_EQ(client->output(), "b\n");
}

// What pgbouncer would answer with an error to the next client.
TEST_F(BouncerTest, TheProbeSeesAServerThatCrashesAndOneThatComesBack) {
	Probe probe(loop);
	const auto drive_probe = [&](bool refused) {
		return drive([&] {
			probe.step(store::now());
			return probe.is_refused() == refused && (refused || probe.is_holding());
		});
	};
	probe.watch(b.backend());
	ASSERT_TRUE(drive_probe(false));
	// A crash of one backend makes the postmaster end all of them and recover.
	const pid_t old_postmaster = b.postmaster();
	ASSERT_EQ(run("pkill -9 -f -P " + std::to_string(old_postmaster) + " checkpointer"), 0);
	ASSERT_TRUE(drive_probe(true));
	ASSERT_TRUE(drive_probe(false));
	ASSERT_EQ(b.postmaster(), old_postmaster);
	b.stop();
	ASSERT_TRUE(drive_probe(true));
	drive(
	    [&] {
		    probe.step(store::now());
		    return !probe.is_refused();
	    },
	    milliseconds(300));
	EXPECT_TRUE(probe.is_refused());
	b.start("b");
	EXPECT_TRUE(drive_probe(false));
}

// LESSONS P-7: RELOAD says "ok" all the same.
TEST_F(BouncerTest, AFileThatCouldNotBeReadIsNoticed) {
	ASSERT_TRUE(serve(a, 1));
	bouncer->prepare({b.backend()});
	const std::string ini = run_dir + "/rw-0/pgbouncer.ini";
	chmod(ini.c_str(), 0);
	bouncer->set_goal({BouncerMode::Serve, {b.backend()}, 2});
	ASSERT_TRUE(wait_for([&] { return who() == "b"; }));
}

}  // namespace
}  // namespace stolon::proxy
