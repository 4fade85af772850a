#include "launcher/open_port.h"

#include "spdlog/spdlog.h"
#include "store/program/pidfd.h"
#include "store/program/process_sockets.h"

namespace stolon::launcher {

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
	if (!sockets_.empty())
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
