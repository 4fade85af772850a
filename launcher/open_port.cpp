#include "launcher/open_port.h"

#include <sys/socket.h>

#include "spdlog/spdlog.h"
#include "store/program/pidfd.h"
#include "store/program/process_sockets.h"

namespace stolon::launcher {

void OpenPort::share(int pidfd, pid_t pid) {
	for (const int number : program::fd_numbers(pid).value_or(std::vector<int>())) {
		program::Fd copy = program::get_fd_of(pidfd, number);
		if (copy && program::local_port_of(copy.get()) != 0 && program::is_listening(copy.get()))
			sockets_.push_back(std::move(copy));
	}
	denied_ = sockets_.empty();
	if (denied_)
		spdlog::info("the server's port cannot be kept open for a moment should it crash");
}

/// While the queue of connections that nobody has accepted is full, the kernel drops requests for
/// others without a word to who has sent them. It takes one more than it is long. (A length of 0
/// lets some kernels complain of a flood in their log.)
void OpenPort::ignore_requests(int listening) {
	constexpr int length = 1;
	sockaddr_storage address{};
	socklen_t size = sizeof address;
	if (::getsockname(listening, reinterpret_cast<sockaddr *>(&address), &size) != 0 ||
	    ::listen(listening, length) != 0)
		return;
	for (int i = 0; i <= length; i++) {
		program::Fd filler(
		    ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
		if (!filler)
			return;
		// To "any address" means to the loopback's.
		(void)::connect(filler.get(), reinterpret_cast<const sockaddr *>(&address), size);
		fillers_.push_back(std::move(filler));
	}
}

void OpenPort::keep(core::Instant now) {
	if (sockets_.empty())
		return;
	for (const program::Fd &socket : sockets_)
		ignore_requests(socket.get());
	close_at_ = now + open_for;
}

void OpenPort::close() {
	sockets_.clear();
	fillers_.clear();
	denied_ = false;
	close_at_.reset();
}

void OpenPort::poll(core::Instant now) {
	if (close_at_ && now >= *close_at_)
		close();
}

}  // namespace stolon::launcher
