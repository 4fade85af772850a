#include "proxy-hook/hold_back.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "store/program/fd.h"
#include "store/program/pidfd.h"
#include "store/program/process_sockets.h"

namespace stolon::proxy {

namespace {

/// More than nearly all requests, and little enough that the kernel need not enlarge its buffers.
constexpr int held_bytes = 32 * 1024;
constexpr int usual_bytes = 1;

bool is_client(int fd, int port) {
	return program::local_port_of(fd) == port && !program::is_listening(fd);
}

core::Error denied(int error_number) {
	return {core::ErrorKind::Denied,
	        std::string("cannot reach into pgbouncer: ") + std::strerror(error_number)};
}

}  // namespace

core::Status HoldBack::begin(int pidfd, int pid) {
	if (!marked_) {
		// Not synced: a machine that crashes has no clients any more.
		const program::Fd file(open(marker_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		marked_ = static_cast<bool>(file);
		if (!marked_) {
			return core::Error{core::ErrorKind::Unavailable, "cannot create " + marker_};
		}
	}
	const auto numbers = program::fd_numbers(pid);
	if (!numbers) {
		return denied(errno);
	}
	for (int number : *numbers) {
		if (held_.contains(number)) {
			continue;
		}
		const program::Fd copy = program::get_fd_of(pidfd, number);
		if (!copy && errno == EPERM) {
			forget();
			return denied(EPERM);
		}
		if (copy && is_client(copy.get(), port_) &&
		    setsockopt(copy.get(), SOL_SOCKET, SO_RCVLOWAT, &held_bytes, sizeof(held_bytes)) == 0) {
			held_.insert(number);
		}
	}
	return {};
}

core::Status HoldBack::end(int pidfd, int pid) {
	const auto numbers = program::fd_numbers(pid);
	if (!numbers) {
		return denied(errno);
	}
	for (int number : *numbers) {
		const program::Fd copy = program::get_fd_of(pidfd, number);
		// It has been closed meanwhile, or the process has ended.
		if (!copy && errno != EBADF && errno != ESRCH) {
			return denied(errno);
		}
		if (copy && is_client(copy.get(), port_)) {
			// What has arrived meanwhile makes the socket readable now.
			setsockopt(copy.get(), SOL_SOCKET, SO_RCVLOWAT, &usual_bytes, sizeof(usual_bytes));
		}
	}
	forget();
	return {};
}

void HoldBack::forget() {
	held_.clear();
	unlink(marker_.c_str());
	marked_ = false;
}

bool HoldBack::is_marked() const {
	return access(marker_.c_str(), F_OK) == 0;
}

}  // namespace stolon::proxy
