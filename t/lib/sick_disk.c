/*
 * A disk that does not answer, or slowly, preloaded into servers (LD_PRELOAD). While a file "block.CALL" lies in the directory
 * that a process works in (a server's data directory), its calls of CALL do not return; while "slow.CALL" lies there, they
 * take 300 ms. CALL is one of those below that open, read, write, flush, rename or remove files, or "all" for all of them.
 * What is not on a disk is left alone: sockets, pipes, /proc, /dev. "fsync" means that of a table's file only, since a
 * postmaster that starts its children again flushes its own lock file. Unlike with a real disk, what blocks can be killed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name, type) ((type) dlsym(RTLD_NEXT, name))

static int
is_sick(const char *how, const char *call)
{
	char	name[64];

	snprintf(name, sizeof name, "%s.%s", how, call);
	return access(name, F_OK) == 0;
}

static void
be_sick(const char *call)
{
	if (is_sick("slow", call))
		usleep(300 * 1000);
	while (is_sick("block", "all") || is_sick("block", call))
		usleep(10 * 1000);
}

static int
is_tables_file(int fd)
{
	char	link[64];
	char	path[4096];
	ssize_t	length;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof path - 1);
	if (length < 0)
		return 0;
	path[length] = '\0';
	return strstr(path, "/base/") != NULL;
}

/* The server sets errno to 0 before it reads, and looks at it afterwards: what is done here must not show in it. */
static void
be_sick_on_fd(int fd, const char *call)
{
	struct stat state;
	int		before = errno;

	if (fstat(fd, &state) == 0 && S_ISREG(state.st_mode))
		be_sick(strcmp(call, "fsync") == 0 && !is_tables_file(fd) ? "lock" : call);
	errno = before;
}

static void
be_sick_on_path(const char *path, const char *call)
{
	int		before = errno;

	if (strncmp(path, "/proc/", 6) != 0 && strncmp(path, "/dev/", 5) != 0)
		be_sick(call);
	errno = before;
}

#define OF_FD(result, name, parameters, arguments)		\
	result name parameters								\
	{													\
		be_sick_on_fd(fd, #name);						\
		return NEXT(#name, result (*) parameters) arguments;	\
	}

#define OF_PATH(result, name, parameters, arguments)	\
	result name parameters								\
	{													\
		be_sick_on_path(path, #name);					\
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
	be_sick_on_path(path, "open");
	return NEXT("open", int (*) (const char *, int, ...)) (path, flags, mode);
}
