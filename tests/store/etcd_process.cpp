#include "tests/store/etcd_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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
	start();
}

EtcdProcess::~EtcdProcess() {
	stop();
}

void EtcdProcess::start() {
	// Another process may take a port between the look and the use.
	for (int attempt = 0; attempt < 5 && pid_ <= 0; attempt++) {
		if (client_port_ == 0 || attempt > 0) {
			client_port_ = free_port();
			peer_port_ = free_port();
		}
		const bool tls = !files_.cert_file.empty();
		url_ = (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(client_port_);
		const std::string peer = "http://127.0.0.1:" + std::to_string(peer_port_);
		std::vector<std::string> arguments = {"etcd",
		                                      "--name=test",
		                                      "--data-dir=" + directory_.path() + "/data",
		                                      "--listen-client-urls=" + url_,
		                                      "--advertise-client-urls=" + url_,
		                                      "--listen-peer-urls=" + peer,
		                                      "--initial-advertise-peer-urls=" + peer,
		                                      "--initial-cluster=test=" + peer};
		if (tls) {
			arguments.push_back("--cert-file=" + files_.cert_file);
			arguments.push_back("--key-file=" + files_.key_file);
			arguments.push_back("--trusted-ca-file=" + files_.ca_file);
			arguments.push_back("--client-cert-auth");
		}
		pid_ = spawn(arguments, directory_.path() + "/log");
		const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
		while (std::chrono::steady_clock::now() < limit) {
			int status = 0;
			if (waitpid(pid_, &status, WNOHANG) == pid_) {
				pid_ = -1;
				break;
			}
			// It listens only once it has joined its cluster.
			if (accepts(client_port_))
				return;
			std::this_thread::sleep_for(std::chrono::milliseconds(20));
		}
		stop();
	}
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

}  // namespace stolon::store::test
