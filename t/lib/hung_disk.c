/*
 * A disk that hangs altogether, preloaded into servers (LD_PRELOAD): while a file "hung" lies in the directory that a process
 * works in (a server's data directory), no call returns that opens, reads, writes, flushes, renames or removes a file. What
 * is not on a disk is left alone: sockets, pipes, /proc, /dev. Unlike with a real disk, what hangs can be killed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void
hang(void)
{
	while (access("hung", F_OK) == 0)
		usleep(10 * 1000);
}

static void
hang_on_fd(int fd)
{
	struct stat state;

	if (fstat(fd, &state) == 0 && S_ISREG(state.st_mode))
		hang();
}

static void
hang_on_path(const char *path)
{
	if (strncmp(path, "/proc/", 6) != 0 && strncmp(path, "/dev/", 5) != 0)
		hang();
}

#define NEXT(name, type) ((type) dlsym(RTLD_NEXT, name))

#define OF_FD(result, name, parameters, arguments)		\
	result name parameters								\
	{													\
		hang_on_fd(fd);									\
		return NEXT(#name, result (*) parameters) arguments;	\
	}

#define OF_PATH(result, name, parameters, arguments)	\
	result name parameters								\
	{													\
		hang_on_path(path);								\
		return NEXT(#name, result (*) parameters) arguments;	\
	}

OF_FD(int, fsync, (int fd), (fd))
OF_FD(int, fdatasync, (int fd), (fd))
OF_FD(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))
OF_FD(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
OF_FD(ssize_t, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at))
OF_FD(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
OF_FD(ssize_t, preadv, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at))
OF_FD(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at))
OF_PATH(FILE *, fopen, (const char *path, const char *mode), (path, mode))
OF_PATH(int, unlink, (const char *path), (path))
OF_PATH(int, rename, (const char *path, const char *to), (path, to))
OF_PATH(int, stat, (const char *path, struct stat *state), (path, state))

int
open(const char *path, int flags, ...)
{
	va_list more;
	int		mode = 0;

	if (flags & (O_CREAT | O_TMPFILE))
	{
		va_start(more, flags);
		mode = va_arg(more, int);
		va_end(more);
	}
	hang_on_path(path);
	return NEXT("open", int (*) (const char *, int, ...)) (path, flags, mode);
}
