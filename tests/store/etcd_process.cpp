#include "tests/store/etcd_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace stolon::store::test {

namespace {

pid_t spawn(const std::vector<std::string> &arguments, const std::string &output) {
	std::vector<char *> argv;
	for (const std::string &argument : arguments)
		argv.push_back(const_cast<char *>(argument.c_str()));
	argv.push_back(nullptr);
	const pid_t pid = fork();
	if (pid != 0)
		return pid;
	// Also when the test is killed.
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	const int fd = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	setenv("ETCDCTL_API", "3", 1);
	execvp(argv[0], argv.data());
	_exit(127);
}

bool accepts(int port) {
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_port = htons(static_cast<std::uint16_t>(port));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	const bool ok = connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address)) == 0;
	close(fd);
	return ok;
}

bool all_threads_stopped(pid_t pid) {
	const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
	std::error_code ignored;
	for (const auto &task : std::filesystem::directory_iterator(tasks, ignored)) {
		std::ifstream file(task.path() / "stat");
		std::string line;
		std::getline(file, line);
		const std::size_t name_end = line.rfind(')');
		if (name_end != std::string::npos && line.compare(name_end, 3, ") T") != 0)
			return false;
	}
	return true;
}

}  // namespace

int run_program(const std::vector<std::string> &arguments) {
	const pid_t pid = spawn(arguments, "/dev/null");
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TemporaryDirectory::TemporaryDirectory() {
	std::string pattern = std::filesystem::temp_directory_path() / "store-test-XXXXXX";
	if (mkdtemp(pattern.data()) != nullptr)
		path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
	std::error_code ignored;
	if (!path_.empty())
		std::filesystem::remove_all(path_, ignored);
}

int free_port() {
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socklen_t length = sizeof(address);
	int port = 0;
	if (bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address)) == 0 &&
	    getsockname(fd, reinterpret_cast<sockaddr *>(&address), &length) == 0)
		port = ntohs(address.sin_port);
	close(fd);
	return port;
}

EtcdProcess::EtcdProcess(EtcdFiles files) : files_(std::move(files)) {
	// Another process may take a port between the look and the use.
	for (int attempt = 0; attempt < 5 && pid_ <= 0; attempt++) {
		member_.name = "test";
		member_.client_port = free_port();
		member_.peer_port = free_port();
		member_.initial_cluster = "test=http://127.0.0.1:" + std::to_string(member_.peer_port);
		start();
	}
}

EtcdProcess::EtcdProcess(EtcdMember member) : member_(std::move(member)) {
	spawn_etcd();
}

EtcdProcess::~EtcdProcess() {
	stop();
}

void EtcdProcess::start() {
	spawn_etcd();
	if (!wait_ready())
		stop();
}

void EtcdProcess::spawn_etcd() {
	const bool tls = !files_.cert_file.empty();
	url_ = (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(member_.client_port);
	const std::string peer = "http://127.0.0.1:" + std::to_string(member_.peer_port);
	std::vector<std::string> arguments = {"etcd",
	                                      "--name=" + member_.name,
	                                      "--data-dir=" + directory_.path() + "/data",
	                                      "--listen-client-urls=" + url_,
	                                      "--advertise-client-urls=" + url_,
	                                      "--listen-peer-urls=" + peer,
	                                      "--initial-advertise-peer-urls=" + peer,
	                                      "--initial-cluster=" + member_.initial_cluster};
	if (tls) {
		arguments.push_back("--cert-file=" + files_.cert_file);
		arguments.push_back("--key-file=" + files_.key_file);
		arguments.push_back("--trusted-ca-file=" + files_.ca_file);
		arguments.push_back("--client-cert-auth");
	}
	pid_ = spawn(arguments, directory_.path() + "/log");
}

bool EtcdProcess::wait_ready() {
	const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
	while (pid_ > 0 && std::chrono::steady_clock::now() < limit) {
		if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
			pid_ = -1;
			return false;
		}
		// It listens only once it has joined its cluster.
		if (accepts(member_.client_port))
			return true;
		std::this_thread::sleep_for(std::chrono::milliseconds(20));
	}
	return false;
}

void EtcdProcess::wipe() {
	std::filesystem::remove_all(directory_.path() + "/data");
}

void EtcdProcess::stop() {
	if (pid_ <= 0)
		return;
	kill(pid_, SIGKILL);
	waitpid(pid_, nullptr, 0);
	pid_ = -1;
}

void EtcdProcess::freeze() {
	kill(pid_, SIGSTOP);
	// The signal takes hold of each thread in its own time.
	while (!all_threads_stopped(pid_))
		std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void EtcdProcess::thaw() {
	kill(pid_, SIGCONT);
}

int EtcdProcess::ctl(std::vector<std::string> arguments) const {
	std::vector<std::string> all = {"etcdctl", "--endpoints=" + url_};
	all.insert(all.end(), arguments.begin(), arguments.end());
	return run_program(all);
}

EtcdCluster::EtcdCluster() {
	std::vector<EtcdMember> members(3);
	std::string initial_cluster;
	for (std::size_t i = 0; i < members.size(); i++) {
		members[i].name = "m" + std::to_string(i);
		members[i].client_port = free_port();
		members[i].peer_port = free_port();
		initial_cluster += (i == 0 ? "" : ",") + members[i].name +
		                   "=http://127.0.0.1:" + std::to_string(members[i].peer_port);
	}
	for (EtcdMember &member : members) {
		member.initial_cluster = initial_cluster;
		members_.push_back(std::make_unique<EtcdProcess>(member));
	}
	for (auto &member : members_)
		member->wait_ready();
}

bool EtcdCluster::running() const {
	return std::all_of(members_.begin(), members_.end(),
	                   [](const auto &member) { return member->running(); });
}

std::vector<std::string> EtcdCluster::urls() const {
	std::vector<std::string> urls;
	for (const auto &member : members_)
		urls.push_back(member->url());
	return urls;
}

std::size_t EtcdCluster::leader() const {
	for (std::size_t i = 0; i < members_.size(); i++) {
		const std::string script = "ETCDCTL_API=3 etcdctl --endpoints=" + members_[i]->url() +
		                           " endpoint status -w fields | awk '/^\"MemberID\"/{m=$3} "
		                           "/^\"Leader\"/{l=$3} END{exit !(m != \"\" && m == l)}'";
		if (run_program({"sh", "-c", script}) == 0)
			return i;
	}
	return 0;
}

}  // namespace stolon::store::test
