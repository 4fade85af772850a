#include "launcher/open_port.h"

#include <sys/socket.h>

#include "spdlog/spdlog.h"
#include "store/program/pidfd.h"
#include "store/program/process_sockets.h"

namespace stolon::launcher {

namespace {

/// While the queue of connections that nobody has accepted is full, the kernel drops requests for
/// others without a word to who has sent them. The shortest queue is full with one.
void ignore_requests(int listening) {
	sockaddr_storage address{};
	socklen_t length = sizeof address;
	if (::getsockname(listening, reinterpret_cast<sockaddr *>(&address), &length) != 0 ||
	    ::listen(listening, 0) != 0)
		return;
	const program::Fd filler(
	    ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	// On this host, where it is made at once; it stays in the queue when its client has gone. To
	// "any address" means to the loopback's.
	if (filler)
		(void)::connect(filler.get(), reinterpret_cast<const sockaddr *>(&address), length);
}

}  // namespace

void OpenPort::share(int pidfd, pid_t pid) {
	close();
	for (const int number : program::fd_numbers(pid).value_or(std::vector<int>())) {
		program::Fd copy = program::get_fd_of(pidfd, number);
		if (copy && program::local_port_of(copy.get()) != 0 && program::is_listening(copy.get()))
			sockets_.push_back(std::move(copy));
	}
	denied_ = sockets_.empty();
	if (denied_)
		spdlog::info("the server's port cannot be kept open for a moment should it crash");
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
	denied_ = false;
	close_at_.reset();
}

void OpenPort::poll(core::Instant now) {
	if (close_at_ && now >= *close_at_)
		close();
}

}  // namespace stolon::launcher
