// The pidfd system calls. Debian 12's <sys/pidfd.h> declares them without extern "C".
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "store/program/fd.h"

namespace stolon::program {

/// Becomes readable when the process ends. Invalid when there is no such process.
inline Fd open_pidfd(pid_t pid) {
	return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

/// A duplicate of a process's fd `number`. Invalid where there is none (EBADF), or where the system
/// does not allow it (EPERM: kernel.yama.ptrace_scope; ENOSYS: Linux before 5.6).
inline Fd get_fd_of(int pidfd, int number) {
	return Fd(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, number, 0)));
}

inline void send_signal_to(int pidfd, int signal_number) {
	syscall(SYS_pidfd_send_signal, pidfd, signal_number, nullptr, 0);
}

}  // namespace stolon::program
