#include "tests/launcher/support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "launcher/reaper.h"
#include "store/files.h"

namespace stolon::launcher::test {

namespace {

/// Gives up root for the whole process, before the first test.
class OrdinaryUser : public testing::Environment {
public:
	void SetUp() override {
		::prctl(PR_SET_CHILD_SUBREAPER, 1);
		if (::geteuid() != 0)
			return;
		const passwd *entry = ::getpwnam("postgres");
		ASSERT_NE(entry, nullptr) << "run as an ordinary user, or make a user postgres";
		ASSERT_EQ(::setgid(entry->pw_gid), 0);
		ASSERT_EQ(::setuid(entry->pw_uid), 0);
		// After a change of the user /proc/self would belong to root otherwise.
		::prctl(PR_SET_DUMPABLE, 1);
		ASSERT_EQ(::chdir("/"), 0);
	}
};

[[maybe_unused]] const auto *const ordinary_user =
    testing::AddGlobalTestEnvironment(new OrdinaryUser);

}  // namespace

const std::string &bin_path() {
	static const std::string path = [] {
		const char *chosen = std::getenv("PG_CONFIG");
		return output_of(
		    {"/bin/sh", "-c", std::string(chosen != nullptr ? chosen : "pg_config") + " --bindir"});
	}();
	return path;
}

int free_port() {
	const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	sockaddr_in address = {};
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socklen_t size = sizeof address;
	EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr *>(&address), size), 0);
	EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr *>(&address), &size), 0);
	return ntohs(address.sin_port);
}

std::string read_file(const std::string &path) {
	std::ifstream file(path);
	std::ostringstream text;
	text << file.rdbuf();
	return text.str();
}

void write_file(const std::string &path, const std::string &text, unsigned mode) {
	const auto written = store::write_file_atomically(path, text, mode);
	EXPECT_TRUE(written.ok()) << written.error().message;
}

bool eventually(const std::function<bool()> &condition) {
	constexpr int step_ms = 5, attempts = 30000 / step_ms;
	for (int i = 0; i < attempts; ++i) {
		if (condition())
			return true;
		::poll(nullptr, 0, step_ms);
	}
	return condition();
}

std::string output_of(const std::vector<std::string> &argv,
                      const std::vector<std::pair<std::string, std::string>> &environment) {
	int ends[2];
	EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
	const pid_t pid = ::fork();
	if (pid == 0) {
		::dup2(ends[1], STDOUT_FILENO);
		for (const auto &[name, value] : environment)
			::setenv(name.c_str(), value.c_str(), 1);
		std::vector<char *> arguments;
		for (const auto &argument : argv)
			arguments.push_back(const_cast<char *>(argument.c_str()));
		arguments.push_back(nullptr);
		::execv(arguments[0], arguments.data());
		::_exit(127);
	}
	::close(ends[1]);
	std::string text;
	char buffer[4096];
	for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
		text.append(buffer, static_cast<std::size_t>(n));
	::close(ends[0]);
	int status = 0;
	EXPECT_EQ(::waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0) << argv[0] << " " << describe_exit(status);
	while (!text.empty() && text.back() == '\n')
		text.pop_back();
	return text;
}

DataDirTest::DataDirTest() {
	char name[] = "/tmp/stolon-launcher-test-XXXXXX";
	EXPECT_NE(::mkdtemp(name), nullptr);
	paths_.root = name;
}

DataDirTest::~DataDirTest() {
	for (const auto &pgdata : servers_) {
		const auto file = read_postmaster_file(pgdata);
		if (!file)
			continue;
		if (is_server_process(file->pid, pgdata)) {
			const Fd handle = open_pidfd(file->pid);
			::kill(file->pid, SIGQUIT);
			pollfd ended = {handle.get(), POLLIN, 0};
			::poll(&ended, 1, 10000);
		}
		ReapRequest request;
		request.pgdata = pgdata;
		request.memory = file->memory;
		EXPECT_TRUE(reap(request, core::seconds(5)).done);
	}
	while (::waitpid(-1, nullptr, WNOHANG) > 0) {
	}
	std::error_code ignored;
	std::filesystem::remove_all(paths_.root, ignored);
}

void DataDirTest::make_fake_data(const std::string &directory, const std::string &keeper,
                                 const std::string &db, const std::string &cluster_name) {
	std::filesystem::create_directories(directory + "/global");
	write_file(directory + "/PG_VERSION", "15\n");
	write_file(directory + "/postgresql.conf", "port = 5432\n");
	const std::uint64_t id = 7000000000000000001;
	const std::uint32_t version = 1300, catalog = 202209061;
	const auto bytes_of = [](const auto &number) {
		return std::string(reinterpret_cast<const char *>(&number), sizeof number);
	};
	write_file(directory + "/global/pg_control",
	           bytes_of(id) + bytes_of(version) + bytes_of(catalog));
	core::DataState state;
	state.cluster_name = cluster_name;
	state.cluster_uid = "0123456789abcdef";
	state.keeper.value = keeper;
	state.db.value = db;
	state.epoch = core::Epoch{3};
	write_file(directory + "/" + state_file, core::data_state_to_text(state));
}

void DataDirTest::make_plain_database(const std::string &directory, int port) {
	output_of({bin_path() + "/initdb", "-D", directory, "-A", "trust", "-U", "admin", "-N",
	           "--no-instructions"});
	write_file(directory + "/postgresql.conf",
	           "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nport = " +
	               std::to_string(port) + "\nfsync = off\n");
}

std::string DataDirTest::sql(int port, const std::string &statement) {
	return output_of({bin_path() + "/psql", "-XAtq", "-h", "127.0.0.1", "-p", std::to_string(port),
	                  "-U", "admin", "-d", "postgres", "-c", statement});
}

}  // namespace stolon::launcher::test
