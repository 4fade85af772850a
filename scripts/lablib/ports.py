"""Ports that no other lab and no other server on this machine uses.

A check by bind() is not enough: two labs that are being made at the same time would both find a
port free. So a port is also claimed by a file in a directory that all labs share.
"""

import contextlib
import fcntl
import os
import random
import socket
import tempfile

from . import LabError

# Below the ports that the kernel gives to outgoing connections (32768 and up).
FIRST, LAST = 20000, 32000


def _registry():
    path = os.path.join(tempfile.gettempdir(), "stolon-lab-ports")
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)
        os.chmod(path, 0o1777)
    return path


@contextlib.contextmanager
def _locked(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _claimed(path, port):
    """Whether another lab that still exists holds the port."""
    claim = os.path.join(path, str(port))
    try:
        with open(claim) as file:
            owner = file.read().strip()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    if os.path.isdir(owner):
        return True
    try:
        os.unlink(claim)
    except OSError:
        return True
    return False


def _free(port):
    for kind, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "127.0.0.1")):
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def claim(directory, count):
    """Claims `count` ports for the lab in `directory`, which must exist."""
    path = _registry()
    chosen = []
    with _locked(path):
        for _ in range(2000):
            if len(chosen) == count:
                return chosen
            port = random.randint(FIRST, LAST)
            if port in chosen or _claimed(path, port) or not _free(port):
                continue
            with open(os.path.join(path, str(port)), "w") as file:
                file.write(directory + "\n")
            chosen.append(port)
    raise LabError(f"No {count} free ports were found between {FIRST} and {LAST}.")


def release(directory):
    """Gives back every port of the lab in `directory`."""
    path = _registry()
    with _locked(path):
        for name in os.listdir(path):
            claim_file = os.path.join(path, name)
            with contextlib.suppress(OSError):
                with open(claim_file) as file:
                    owner = file.read().strip()
                if owner == directory:
                    os.unlink(claim_file)
