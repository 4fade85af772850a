// The pidfd system calls. Debian 12's <sys/pidfd.h> declares them without extern "C".
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace stolon::proxy {

inline int open_pidfd(pid_t pid) {
	return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

/// A duplicate of a process's fd `number`.
inline int get_fd_of(int pidfd, int number) {
	return static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, number, 0));
}

inline void send_signal_to(int pidfd, int signal_number) {
	syscall(SYS_pidfd_send_signal, pidfd, signal_number, nullptr, 0);
}

}  // namespace stolon::proxy
