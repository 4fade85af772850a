/*
 * A disk that does not answer, or slowly: preloaded into servers (LD_PRELOAD). While a file "block.CALL" lies in the
 * directory that a process works in (a server's data directory), its calls of CALL do not return; while "slow.CALL" lies
 * there, they take 300 ms. CALL is fdatasync (with which WAL is flushed), unlink, or fsync, which means that of a table's file:
 * a postmaster that starts its children again flushes its own lock file. What blocks can be killed, unlike with a real disk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
be_sick(const char *call)
{
	char	name[64];

	snprintf(name, sizeof name, "slow.%s", call);
	if (access(name, F_OK) == 0)
		usleep(300 * 1000);
	snprintf(name, sizeof name, "block.%s", call);
	while (access(name, F_OK) == 0)
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

int
fsync(int fd)
{
	if (is_tables_file(fd))
		be_sick("fsync");
	return ((int (*) (int)) dlsym(RTLD_NEXT, "fsync")) (fd);
}

int
fdatasync(int fd)
{
	be_sick("fdatasync");
	return ((int (*) (int)) dlsym(RTLD_NEXT, "fdatasync")) (fd);
}

int
unlink(const char *path)
{
	be_sick("unlink");
	return ((int (*) (const char *)) dlsym(RTLD_NEXT, "unlink")) (path);
}
