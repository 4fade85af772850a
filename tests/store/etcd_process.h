// A real etcd for tests: its own ports, its own directory, stopped by its pid.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace stolon::store::test {

/// Runs a program to its end; its exit code (-1: not started). Its output is dropped.
int run_program(const std::vector<std::string> &arguments);

/// A directory under the system's temporary one, removed at the end.
class TemporaryDirectory {
public:
	TemporaryDirectory();
	~TemporaryDirectory();
	TemporaryDirectory(const TemporaryDirectory &) = delete;
	TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;
	const std::string &path() const { return path_; }

private:
	std::string path_;
};

/// A port of 127.0.0.1 that nobody listened on a moment ago.
int free_port();

struct EtcdFiles {
	std::string ca_file, cert_file, key_file;  ///< All set: TLS, and clients need a certificate.
};

/// One of several.
struct EtcdMember {
	std::string name;
	int client_port = 0;
	int peer_port = 0;
	std::string initial_cluster;
};

class EtcdProcess {
public:
	explicit EtcdProcess(EtcdFiles files = {});
	/// Does not wait until it listens, since it does that only with a quorum: wait_ready().
	explicit EtcdProcess(EtcdMember member);
	~EtcdProcess();
	EtcdProcess(const EtcdProcess &) = delete;
	EtcdProcess &operator=(const EtcdProcess &) = delete;

	/// Whether it was started and takes connections.
	bool running() const { return pid_ > 0; }
	void start();
	bool wait_ready();
	void stop();  ///< kill -9; the data stay
	void wipe();  ///< Between stop() and start(): the same member, which has forgotten everything.
	void freeze();  ///< SIGSTOP
	void thaw();
	const std::string &url() const { return url_; }
	/// etcdctl with this endpoint; its exit code.
	int ctl(std::vector<std::string> arguments) const;

private:
	void spawn_etcd();

	TemporaryDirectory directory_;
	EtcdFiles files_;
	EtcdMember member_;
	std::string url_;
	pid_t pid_ = -1;
};

/// Three members on this machine.
class EtcdCluster {
public:
	EtcdCluster();
	bool running() const;
	std::vector<std::string> urls() const;
	EtcdProcess &member(std::size_t index) { return *members_[index]; }
	/// Index of the member that leads, as `etcdctl endpoint status` says.
	std::size_t leader() const;

private:
	std::vector<std::unique_ptr<EtcdProcess>> members_;
};

}  // namespace stolon::store::test
