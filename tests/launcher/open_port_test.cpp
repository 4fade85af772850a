// The port of a server that has died: a child that listens stands for the server.
#include "launcher/open_port.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "gtest/gtest.h"
#include "store/program/pidfd.h"
#include "store/store.h"

namespace stolon::launcher::test {
namespace {

sockaddr_in local_address(int port) {
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_port = htons(static_cast<std::uint16_t>(port));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

/// A client whose request for a connection has been sent.
class Client {
public:
	explicit Client(int port)
	    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
		const sockaddr_in address = local_address(port);
		EXPECT_NE(
		    ::connect(socket_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address),
		    0);
		EXPECT_EQ(errno, EINPROGRESS);
	}
	/// What has come of it within that time; EINPROGRESS: nothing.
	int outcome(int timeout_ms) const {
		pollfd waiting = {socket_.get(), POLLOUT, 0};
		if (::poll(&waiting, 1, timeout_ms) == 0)
			return EINPROGRESS;
		int error_number = 0;
		socklen_t length = sizeof error_number;
		::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error_number, &length);
		return error_number;
	}

private:
	program::Fd socket_;
};

/// 0, or why the connection failed.
int connect_error(int port) {
	const program::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	const sockaddr_in address = local_address(port);
	return ::connect(client.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) ==
	               0
	           ? 0
	           : errno;
}

class OpenPortTest : public ::testing::Test {
protected:
	void SetUp() override {
		int ready[2];
		ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
		const program::Fd reader(ready[0]);
		program::Fd writer(ready[1]);
		server_ = ::fork();
		if (server_ == 0)
			serve(writer.get());
		writer.reset();
		ASSERT_EQ(::read(reader.get(), &port_, sizeof port_), ssize_t{sizeof port_});
		pidfd_ = program::open_pidfd(server_);
		ASSERT_EQ(connect_error(port_), 0);
	}
	void TearDown() override { kill_server(); }
	void kill_server() {
		if (server_ > 0) {
			::kill(server_, SIGKILL);
			::waitpid(server_, nullptr, 0);
		}
		server_ = 0;
	}

	int port_ = 0;
	pid_t server_ = 0;
	program::Fd pidfd_;
	OpenPort open_port_;

private:
	[[noreturn]] static void serve(int ready) {
		::prctl(PR_SET_PDEATHSIG, SIGKILL);
		const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		sockaddr_in address = local_address(0);
		socklen_t length = sizeof address;
		if (::bind(listening, reinterpret_cast<sockaddr *>(&address), length) != 0 ||
		    ::listen(listening, 16) != 0 ||
		    ::getsockname(listening, reinterpret_cast<sockaddr *>(&address), &length) != 0)
			::_exit(1);
		const int port = ntohs(address.sin_port);
		if (::write(ready, &port, sizeof port) != ssize_t{sizeof port})
			::_exit(1);
		for (;;)
			::pause();
	}
};

TEST_F(OpenPortTest, refuses_nobody_for_a_moment_after_the_death_of_the_server) {
	open_port_.share(pidfd_.get(), server_);
	EXPECT_TRUE(open_port_.is_shared());
	EXPECT_FALSE(open_port_.close_at());
	kill_server();
	const core::Instant died = store::now();
	open_port_.keep(died);
	EXPECT_EQ(open_port_.close_at(), died + OpenPort::open_for);
	const Client early(port_);
	EXPECT_EQ(early.outcome(50), EINPROGRESS);
	open_port_.poll(died + OpenPort::open_for - core::milliseconds(1));
	const Client late(port_);
	EXPECT_EQ(late.outcome(50), EINPROGRESS);
	open_port_.poll(died + OpenPort::open_for);
	EXPECT_EQ(connect_error(port_), ECONNREFUSED);
	// Who has waited is refused, not cut off, and so goes on to another host.
	EXPECT_EQ(early.outcome(10000), ECONNREFUSED);
	EXPECT_EQ(late.outcome(10000), ECONNREFUSED);
	EXPECT_FALSE(open_port_.close_at());
	EXPECT_FALSE(open_port_.is_shared());
}

TEST_F(OpenPortTest, takes_connections_between_the_death_and_its_discovery) {
	open_port_.share(pidfd_.get(), server_);
	kill_server();
	EXPECT_EQ(connect_error(port_), 0);
}

TEST_F(OpenPortTest, is_closed_at_once_before_another_server_starts) {
	open_port_.share(pidfd_.get(), server_);
	kill_server();
	open_port_.keep(store::now());
	open_port_.close();
	EXPECT_EQ(connect_error(port_), ECONNREFUSED);
}

TEST_F(OpenPortTest, leaves_a_running_server_its_port) {
	open_port_.share(pidfd_.get(), server_);
	open_port_.poll(store::now() + core::seconds(60));
	open_port_.close();
	EXPECT_EQ(connect_error(port_), 0);
}

TEST_F(OpenPortTest, does_not_try_again_with_a_server_that_listens_nowhere) {
	// This process, which has no listening socket.
	const program::Fd self = program::open_pidfd(::getpid());
	open_port_.share(self.get(), ::getpid());
	EXPECT_TRUE(open_port_.is_shared());
	open_port_.keep(store::now());
	EXPECT_FALSE(open_port_.close_at());
}

}  // namespace
}  // namespace stolon::launcher::test
