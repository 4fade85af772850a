"""Finding, starting, freezing and killing the processes of one member of the lab.

A member's processes are recognised by where they live, not by a list that somebody keeps: by their
working directory below the member's directory, by a variable in their environment, and by their
ancestry. That also finds a backend that outlived its postmaster.
"""

import ctypes
import os
import re
import signal
import struct
import subprocess
import time

MARKER = "STOLON_LAB_MEMBER"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Process:
    """One line of /proc. `start` tells a process from a later one with the same number."""

    __slots__ = ("pid", "name", "state", "parent", "tty", "start")

    def __init__(self, pid, name, state, parent, tty, start):
        self.pid, self.name, self.state = pid, name, state
        self.parent, self.tty, self.start = parent, tty, start

    @property
    def alive(self):
        """A zombie only waits for its parent: it runs nothing any more."""
        return self.state not in "ZX"


def read_process(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            text = stat.read().decode(errors="replace")
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    return Process(int(pid), name, fields[0], int(fields[1]), int(fields[4]), int(fields[19]))


def all_processes():
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            process = read_process(entry)
            if process:
                found[process.pid] = process
    return found


def lives_in(process, directory, everything_below=False):
    """Whether the working directory or the environment places the process into `directory`."""
    pid = process.pid
    try:
        # A process with a terminal is somebody's shell that happens to stand there.
        if process.tty == 0:
            where = os.readlink(f"/proc/{pid}/cwd")
            if where == directory or where.startswith(directory + "/"):
                return True
        with open(f"/proc/{pid}/environ", "rb") as environ:
            for variable in environ.read().split(b"\0"):
                if variable.startswith(MARKER.encode() + b"="):
                    where = variable.split(b"=", 1)[1].decode(errors="replace")
                    return where == directory or (
                        everything_below and where.startswith(directory + "/")
                    )
    except OSError:
        pass
    return False


def _own_line():
    """This process and its ancestors, which are never part of a lab."""
    line, pid = set(), os.getpid()
    while pid > 0 and pid not in line:
        line.add(pid)
        process = read_process(pid)
        pid = process.parent if process else 0
    return line


def belonging(directory, everything_below=False):
    """The living processes of the member whose directory this is, parents before children."""
    processes = all_processes()
    own = _own_line()
    members = {
        pid
        for pid, process in processes.items()
        if pid not in own and process.alive and lives_in(process, directory, everything_below)
    }
    grew = True
    while grew:
        grew = False
        for pid, process in processes.items():
            if pid not in members and pid not in own and process.parent in members:
                members.add(pid)
                grew = True
    return sorted(
        (processes[pid] for pid in members if processes[pid].alive), key=lambda p: (p.start, p.pid)
    )


def send(processes, number):
    for process in processes:
        now = read_process(process.pid)
        if now and now.start == process.start:
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                pass


def freeze(directory):
    """Stops every process of a member; repeats until no new one has appeared meanwhile."""
    count = 0
    while True:
        running = [p for p in belonging(directory) if p.state != "T"]
        if not running:
            return count
        send(running, signal.SIGSTOP)
        count += len(running)
        # A process in the kernel takes the signal a moment later.
        time.sleep(0.001)


def thaw(directory):
    stopped = [p for p in belonging(directory) if p.state == "T"]
    # Children first: a thawed parent must not find a child that does not answer.
    send(reversed(stopped), signal.SIGCONT)
    return len(stopped)


def kill(directory, everything_below=False, timeout=10.0):
    """SIGKILL for every process of a member, until none is left. What is left, if it takes too
    long, is returned."""
    end = time.monotonic() + timeout
    killed = {}
    while True:
        for process in belonging(directory, everything_below):
            killed[process.pid] = process
        # A process on its way out no longer shows where it belongs, but is not gone yet.
        left = [p for p in killed.values() if _still_there(p)]
        if not left or time.monotonic() > end:
            return left
        send(left, signal.SIGKILL)
        time.sleep(0.005)


def _still_there(process):
    now = read_process(process.pid)
    return now is not None and now.start == process.start and now.alive


def kill_only(members, timeout=10.0):
    """SIGKILL for these processes, and a wait until they are gone: only then does the kernel tell
    their children. What is left, if it takes too long, is returned."""
    end = time.monotonic() + timeout
    send(members, signal.SIGKILL)
    while True:
        left = [p for p in members if _still_there(p)]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.001)


def crash(directory):
    """What a power failure does: nobody gets a chance to react to somebody else's death."""
    freeze(directory)
    return kill(directory)


def shared_memory(processes):
    """The files in /dev/shm that PostgreSQL processes have mapped. A server that is killed leaves
    them behind."""
    found = set()
    for process in processes:
        if process.name != "postgres":
            continue
        try:
            with open(f"/proc/{process.pid}/maps") as maps:
                found.update(re.findall(r"/dev/shm/PostgreSQL\.\d+", maps.read()))
        except OSError:
            pass
    return found.union(*(_listed_segments(path) for path in found))


# dsm_control_header and dsm_control_item of PostgreSQL's dsm.c, on 64 bits.
_DSM_MAGIC = 0x9A503D32
_DSM_HEADER = struct.Struct("=IIIxxxx")
_DSM_ITEM = struct.Struct("=II32x")


def _listed_segments(path):
    """The segments that a server's control segment lists; a segment may be kept though no process
    has it mapped. Nothing, if the file is not a control segment."""
    try:
        with open(path, "rb") as file:
            data = file.read(1 << 20)
    except OSError:
        return set()
    if len(data) < _DSM_HEADER.size:
        return set()
    magic, count, _ = _DSM_HEADER.unpack_from(data)
    if magic != _DSM_MAGIC or _DSM_HEADER.size + count * _DSM_ITEM.size > len(data):
        return set()
    items = (
        _DSM_ITEM.unpack_from(data, _DSM_HEADER.size + number * _DSM_ITEM.size)
        for number in range(count)
    )
    return {f"/dev/shm/PostgreSQL.{handle}" for handle, references in items if references}


def enter_namespace(path):
    """Moves the calling thread into a network namespace."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(fd)


def become(user):
    """Gives up root for good. `user` is a pwd entry or None."""
    if user is not None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def start(command, directory, log, user=None, namespace=None, environment=None):
    """Starts a server in a session of its own and returns its pid. stdout and stderr are appended
    to `log`."""
    env = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PG", "STOLON_", "ETCD_"))
    }
    env.update(environment or {})
    env[MARKER] = directory
    env.setdefault("LC_ALL", "C.UTF-8")
    if user is not None:
        env.update(HOME=directory, USER=user.pw_name, LOGNAME=user.pw_name)

    def in_child():
        if namespace:
            enter_namespace(namespace)
        become(user)
        os.umask(0o022)

    with open(log, "ab") as out:
        if user is not None:
            os.chown(log, user.pw_uid, user.pw_gid)
        child = subprocess.Popen(
            command,
            cwd=directory,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=in_child,
        )
    # The server outlives this program, so nobody is going to wait for it here.
    child.returncode = 0
    return child.pid
