"""The lab itself: its directory, its members, and what can be done to them.

Everything that must be known later stands in DIR/lab.json; what runs is looked up in /proc.
"""

import contextlib
import fcntl
import filecmp
import getpass
import glob
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import LabError, pgwire, ports, processes
from .network import network_of

PROGRAMS = ("stolon-launcher", "stolon-sentinel", "stolon-proxy", "stolonctl")
CLUSTER = "lab"
PREFIX = "stolon/cluster"
MASTER_KEY = f"{PREFIX}/{CLUSTER}/master"
APP = "app"
REPLICATION_USER = "stolon_repl"
POLL_SECONDS = 0.03
# The kernel's limit for the path of a Unix socket is 107; the longest one here is
# DIR/node10/run/.s.PGSQL.25432.
LONGEST_DIR = 75
SCRATCH_BYTES = 4 << 30

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def scratch_directory(prefix, place=None):
    """A new directory for a lab that lives for minutes: in memory if there is room, because a disk
    may take seconds to remove the thousands of files of a few data directories. `place` and
    $STOLON_SCRATCH name another place."""
    place = place or os.environ.get("STOLON_SCRATCH")
    if not place:
        with contextlib.suppress(OSError):
            space = os.statvfs("/dev/shm")
            if space.f_bavail * space.f_frsize > SCRATCH_BYTES and os.access("/dev/shm", os.W_OK):
                place = "/dev/shm"
    path = tempfile.mkdtemp(prefix=prefix, dir=place)
    os.chmod(path, 0o755)
    return path


def find_pg_bin():
    """The directory of PostgreSQL's programs: of PG_CONFIG, of pg_config on PATH, or Debian's."""
    candidates = [os.environ.get("PG_CONFIG"), shutil.which("pg_config")]
    for candidate in filter(None, candidates):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            path = subprocess.check_output([candidate, "--bindir"], text=True).strip()
            if os.access(os.path.join(path, "initdb"), os.X_OK):
                return path
    for path in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True):
        if os.access(os.path.join(path, "initdb"), os.X_OK):
            return path
    raise LabError("PostgreSQL's initdb was not found. Install PostgreSQL, or set PG_CONFIG.")


def find_program(name):
    """A program of this checkout's build, of $STOLON_BIN_DIR, or on PATH."""
    build = os.path.join(CHECKOUT, os.environ.get("BUILD_DIR", "build"), "bin")
    for folder in (os.environ.get("STOLON_BIN_DIR"), build):
        if folder and os.access(os.path.join(folder, name), os.X_OK):
            return os.path.join(folder, name)
    found = shutil.which(name)
    if not found:
        raise LabError(
            f"{name} was found neither in build/bin nor on PATH. Run \"make\" first "
            "(or set STOLON_BIN_DIR)."
        )
    return found


def check_extension(pg_bin):
    """The servers load the installed extension, which may not be the one that was built here."""
    installed = os.path.join(os.path.dirname(pg_bin), "lib", "stolon.so")
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        pg_config = os.path.join(pg_bin, "pg_config")
        folder = subprocess.check_output([pg_config, "--pkglibdir"], text=True).strip()
        installed = os.path.join(folder, "stolon.so")
    if not os.path.exists(installed):
        raise LabError(f"The extension is not installed ({installed}). Run \"make install\".")
    built = os.path.join(CHECKOUT, "stolon.so")
    if os.path.exists(built) and not filecmp.cmp(built, installed, shallow=False):
        note(
            f"lab: {installed} is not what was built here; the lab uses it all the same. "
            "\"make install\" makes them equal."
        )


class Lab:
    """One lab. `data` is what stands in lab.json."""

    def __init__(self, directory):
        self.dir = os.path.realpath(directory)
        self.file = os.path.join(self.dir, "lab.json")
        self.data = None
        self.network = None

    # Making, loading, saving

    def load(self):
        try:
            with open(self.file) as file:
                self.data = json.load(file)
        except FileNotFoundError:
            raise LabError(
                f"There is no lab in {self.dir}. Make one with \"lab up\", "
                "or name another directory with --dir."
            ) from None
        self.network = network_of(self.data)
        return self

    def save(self):
        with open(self.file + ".new", "w") as file:
            json.dump(self.data, file, indent=1)
            file.write("\n")
        os.rename(self.file + ".new", self.file)

    @contextlib.contextmanager
    def changing(self):
        """One command at a time changes a lab."""
        fd = os.open(self.dir, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    @property
    def user(self):
        """The user of the servers, or None when they run as the caller."""
        return pwd.getpwnam(self.data["user"]) if self.data["user"] else None

    def create(self, net, spec, dead_endpoint=False, environment=None):
        """The directory with everything but members. `environment` is added to every member's."""
        if os.path.exists(self.file):
            raise LabError(
                f"{self.dir} already has a lab. Use another --dir, or remove it with \"lab down\"."
            )
        if os.path.isdir(self.dir) and os.listdir(self.dir):
            raise LabError(f"{self.dir} is not empty and has no lab. Use another --dir.")
        if len(self.dir) > LONGEST_DIR:
            raise LabError(
                f"The path {self.dir} is too long for Unix sockets below it: at most "
                f"{LONGEST_DIR} characters."
            )
        user = None
        if os.geteuid() == 0:
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                raise LabError(
                    "As root the servers run as user \"postgres\", who does not exist here. "
                    "Install PostgreSQL's Debian package, or run as another user."
                ) from None
        self.data = {
            "format": 1,
            "id": secrets.token_hex(3),
            "net": net,
            "user": user.pw_name if user else "",
            # On the servers' socket PostgreSQL trusts who the operating system says it is.
            "superuser": user.pw_name if user else getpass.getuser(),
            "pg_bin": find_pg_bin(),
            "spec": spec,
            "hosts": {},
            "members": {},
            "cut": {},
            "shared_memory": [],
            "dead_endpoint": dead_endpoint,
            "environment": environment or {},
        }
        sources = {name: find_program(name) for name in PROGRAMS}
        find_program("etcd")
        check_extension(self.data["pg_bin"])
        os.makedirs(self.dir, exist_ok=True)
        os.chmod(self.dir, 0o755)
        if user:
            self._check_reachable(user)
        self.network = network_of(self.data)
        # From here on "lab down" finds what has to be removed.
        self.save()
        self._own(self.dir)
        self._make_folder("bin")
        for name, source in sources.items():
            target = os.path.join(self.dir, "bin", name)
            shutil.copyfile(source, target)
            os.chmod(target, 0o755)
        self._make_folder("secrets", 0o700)
        for name in ("superuser", "replication", "app"):
            self._write(f"secrets/{name}", secrets.token_hex(12) + "\n", 0o600)
        superuser = self.data["superuser"]
        self._write(
            "secrets/userlist.txt",
            f'"{APP}" "{self.secret("app")}"\n"{superuser}" "{self.secret("superuser")}"\n',
            0o600,
        )
        self._write("spec.json", json.dumps(spec, indent=1) + "\n", 0o644)
        self.network.make()
        self.save()

    def _check_reachable(self, user):
        """Whether the servers' user can get to the directory at all."""
        path = self.dir
        while path != "/":
            path = os.path.dirname(path)
            mode = os.stat(path)
            if not (mode.st_mode & 0o001 or mode.st_uid == user.pw_uid):
                os.rmdir(self.dir)
                raise LabError(
                    f"User {user.pw_name}, who runs the servers, may not enter {path}. "
                    "Choose a --dir that this user can reach, for example below /tmp."
                )

    def _own(self, path):
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _make_folder(self, name, mode=0o755):
        path = os.path.join(self.dir, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        self._own(path)
        return path

    def _write(self, name, text, mode):
        path = os.path.join(self.dir, name)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(fd, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        self._own(path)

    def secret(self, name):
        with open(os.path.join(self.dir, "secrets", name)) as file:
            return file.read().strip()

    # Members

    def names(self, kind=None):
        return [n for n, m in self.data["members"].items() if kind in (None, m["kind"])]

    def member(self, name):
        if name in ("master", "standby"):
            name = self._by_role(name)
        if name not in self.data["members"]:
            raise LabError(
                f"The lab has no member \"{name}\". It has: {', '.join(self.names())}; "
                "\"master\" and \"standby\" are understood, too."
            )
        return name

    def _by_role(self, role):
        master = self.master()
        if role == "master":
            if not master:
                raise LabError("There is no master at the moment.")
            return master
        for name in self.names("node"):
            if name != master and self.postmaster(name):
                return name
        raise LabError("There is no standby at the moment.")

    def folder(self, name):
        return os.path.join(self.dir, name)

    def add_member(self, kind, name):
        folder = self._make_folder(name)
        self._make_folder(f"{name}/log")
        if kind in ("node", "proxy"):
            self._make_folder(f"{name}/run")
        member = {"kind": kind, "address": self.network.add_host(name)}
        wanted = {
            "etcd": {"port": 2379, "peer_port": 2380},
            "node": {"port": 5432},
            "proxy": {"port": 25432, "ro_port": 25433},
        }.get(kind, {})
        if self.data["net"] == "loopback" and wanted:
            wanted = dict(zip(wanted, ports.claim(self.dir, len(wanted))))
        member.update(wanted)
        self.data["members"][name] = member
        self.save()
        return folder

    def _etcd_url(self, name, port="port"):
        etcd = self.data["members"][name]
        return f"http://{etcd['address']}:{etcd[port]}"

    def store_endpoint(self):
        """All of them, separated by commas."""
        return ",".join(self._etcd_url(name) for name in self.names("etcd"))

    def store_endpoints(self):
        """As the members get them."""
        if not self.data["dead_endpoint"]:
            return self.store_endpoint()
        port = self.data["members"]["etcd"]["peer_port"]
        return f"http://{self.network.dead_address()}:{port + 1},{self.store_endpoint()}"

    def etcd(self, timeout=2.0):
        # An HTTP client takes long to load, and most commands need none.
        from .etcd import Etcd

        members = [self.data["members"][name] for name in self.names("etcd")]
        etcds = [Etcd(member["address"], member["port"], timeout) for member in members]
        # Among several, one that has a quorum behind it.
        healthy = (etcd for etcd in etcds if len(etcds) == 1 or etcd.healthy())
        return next(healthy, etcds[0])

    def common_options(self):
        return ["--cluster-name", CLUSTER, "--store-endpoints", self.store_endpoints()]

    def command(self, name):
        member = self.data["members"][name]
        folder = self.folder(name)
        if member["kind"] == "etcd":
            client, peer = self._etcd_url(name), self._etcd_url(name, "peer_port")
            everybody = [f"{n}={self._etcd_url(n, 'peer_port')}" for n in self.names("etcd")]
            return [
                find_program("etcd"), "--name", name, "--data-dir", f"{folder}/data",
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", ",".join(everybody),
                "--logger", "zap", "--log-outputs", "stderr", "--log-level", "warn",
            ]  # fmt: skip
        program = {
            "node": "stolon-launcher",
            "sentinel": "stolon-sentinel",
            "proxy": "stolon-proxy",
        }[member["kind"]]
        command = [os.path.join(self.dir, "bin", program)] + self.common_options()
        if member["kind"] == "node":
            command += [
                "--keeper-uid", name, "--data-dir", f"{folder}/data",
                "--pg-bin-path", self.data["pg_bin"],
                "--pg-listen-address", member["address"], "--pg-port", str(member["port"]),
                "--pg-socket-dir", f"{folder}/run",
                "--pg-su-username", self.data["superuser"],
                "--pg-su-passwordfile", f"{self.dir}/secrets/superuser",
                "--pg-repl-username", REPLICATION_USER,
                "--pg-repl-passwordfile", f"{self.dir}/secrets/replication",
            ]  # fmt: skip
        elif member["kind"] == "sentinel":
            # Nothing can have been in this store before.
            command += [
                "--uid", name, "--initial-cluster-spec", f"{self.dir}/spec.json",
                "--initial-cluster-wait", "0",
            ]  # fmt: skip
        else:
            command += [
                "--uid", name, "--run-dir", f"{folder}/run",
                "--listen-address", member["address"], "--port", str(member["port"]),
                "--ro-port", str(member["ro_port"]),
                "--auth-file", f"{self.dir}/secrets/userlist.txt",
                "--auth-type", "scram-sha-256",
            ]  # fmt: skip
        return command

    def log_file(self, name):
        kind = self.data["members"][name]["kind"]
        return os.path.join(
            self.folder(name), "log", {"node": "launcher"}.get(kind, kind) + ".log"
        )

    def start_member(self, name, instead=()):
        """Starts a member. `instead` holds options and values that replace its usual ones."""
        if self.main_process(name):
            raise LabError(f"{name} is running already.")
        command = self.command(name)
        for option, value in zip(instead[::2], instead[1::2]):
            if option in command:
                command[command.index(option) + 1] = value
            else:
                command += [option, value]
        pid = processes.start(
            command,
            self.folder(name),
            self.log_file(name),
            user=self.user,
            namespace=self.network.namespace(name),
            environment=self.data["environment"],
        )
        started = processes.read_process(pid)
        self.data["members"][name]["pid"] = pid
        self.data["members"][name]["start"] = started.start if started else 0
        self.save()

    def main_process(self, name):
        """The member's first process (launcher, sentinel, ...), or None when it is gone."""
        member = self.data["members"][name]
        process = processes.read_process(member.get("pid", 0)) if member.get("pid") else None
        if process and process.alive and process.start == member["start"]:
            return process
        return None

    def has_ended(self, name):
        """It was started, nobody has stopped or killed it, and it is no longer there."""
        member = self.data["members"][name]
        return bool(member.get("pid")) and not self.main_process(name)

    def forget_process(self, name):
        self.data["members"][name].pop("pid", None)
        self.save()

    def postmaster(self, name):
        """The running postmaster's process, or None."""
        path = os.path.join(self.folder(name), "data", "postgres", "postmaster.pid")
        try:
            with open(path) as file:
                pid = int(file.readline())
        except (OSError, ValueError):
            return None
        process = processes.read_process(pid)
        if process and process.alive and processes.lives_in(process, self.folder(name)):
            return process
        return None

    # Asking the members

    def published(self, key):
        """What is under the cluster's key in etcd; {}: nothing."""
        with self.network.at_client():
            text = self.etcd().get(f"{PREFIX}/{CLUSTER}/{key}")
        return json.loads(text) if text else {}

    def clusterdata(self):
        return self.published("clusterdata")

    def master(self):
        """The name of the node that the view names, or ""."""
        try:
            data = self.clusterdata()
        except (OSError, ValueError) as problem:
            raise LabError(f"etcd can't be asked who is master: {problem}") from None
        return data.get("dbs", {}).get(data.get("master", ""), {}).get("keeper", "")

    def dsn(self, name, port="port", password=True):
        member = self.data["members"][name]
        who = f"{APP}:{self.secret('app')}" if password else APP
        return f"postgresql://{who}@{member['address']}:{member[port]}/{APP}"

    def connect_app(self, name, timeout=2.0):
        with self.network.at_client():
            return pgwire.connect(self.dsn(name), timeout=timeout, name="lab")

    def connect_superuser(self, name, dbname="postgres", timeout=2.0):
        return pgwire.Connection(
            f"{self.folder(name)}/run",
            self.data["members"][name]["port"],
            self.data["superuser"],
            dbname,
            self.secret("superuser"),
            timeout,
            name="lab",
            peer_uid=self.user.pw_uid if self.user else None,
        )

    def env(self):
        """What `lab env` prints, as a dict."""
        proxies = self.names("proxy")
        env = {
            "dsn": self.dsn(proxies[0]) if proxies else "",
            "ro_dsn": self.dsn(proxies[0], "ro_port") if proxies else "",
            "etcd": self.store_endpoint(),
            "cluster_name": CLUSTER,
        }
        for name in proxies[1:]:
            env[f"proxy_{name.removeprefix('proxy')}"] = self.dsn(name)
        for name in self.names("node"):
            env[f"node_{name.removeprefix('node')}"] = self.dsn(name)
        env["client_exec"] = " ".join(self.network.client_exec())
        env["dir"] = self.dir
        env["bin"] = f"{self.dir}/bin"
        return env

    # Faults

    def _note_shared_memory(self, directory):
        """What nobody can find any more once the processes have been killed."""
        known = set(self.data["shared_memory"])
        known |= processes.shared_memory(processes.belonging(directory, True))
        self.data["shared_memory"] = sorted(known)

    def crash(self, name):
        self._note_shared_memory(self.folder(name))
        left = processes.crash(self.folder(name))
        if left:
            raise LabError(f"Processes of {name} would not die: {[p.pid for p in left]}")
        self.forget_process(name)

    def kill_postgres(self, name):
        postmaster = self.postmaster(name)
        if not postmaster:
            raise LabError(f"PostgreSQL is not running on {name}.")
        self._note_shared_memory(self.folder(name))
        self.save()
        processes.send([postmaster], signal.SIGKILL)

    def orphan(self, name):
        """Nobody is left to react to the death of either; the other processes of both stay."""
        postmaster, launcher = self.postmaster(name), self.main_process(name)
        if not postmaster or not launcher:
            raise LabError(f"PostgreSQL or its launcher is not running on {name}.")
        self._note_shared_memory(self.folder(name))
        processes.send([launcher, postmaster], signal.SIGSTOP)
        left = processes.kill_only([launcher, postmaster])
        self.forget_process(name)
        if left:
            raise LabError(f"{name}: still there after SIGKILL: {left[0].pid}.")

    def cut(self, name):
        self.network.cut(name)
        self.data["cut"][name] = "from everybody"
        self.save()

    def cut_store(self, name):
        for etcd in self.names("etcd"):
            self.network.cut_between(name, etcd)
        self.data["cut"][name] = "from etcd"
        self.save()

    def cut_peers(self, name):
        """Of an etcd with several members: everybody else still reaches this one."""
        for other in self.names("etcd"):
            if other != name:
                self.network.cut_between(name, other)
        self.data["cut"][name] = "from the other members of etcd"
        self.save()

    def stop_member(self, name, timeout=30.0):
        """A polite stop; True if every process of the member left in time."""
        main = self.main_process(name)
        if main:
            processes.send([main], signal.SIGTERM)
        end = time.monotonic() + timeout
        while processes.belonging(self.folder(name)):
            if time.monotonic() > end:
                return False
            time.sleep(POLL_SECONDS)
        self.forget_process(name)
        return True

    def heal(self, name):
        """Undoes whatever was done to a member; returns what that was, in words."""
        done = []
        if name in self.data["cut"]:
            self.network.heal(name)
            done.append(f"reconnected (was cut {self.data['cut'].pop(name)})")
            self.save()
        if processes.thaw(self.folder(name)):
            done.append("thawed")
        if not self.main_process(name):
            self.start_member(name)
            done.append("started")
        return done

    # The end

    def destroy(self):
        """Leaves nothing behind: no process, no shared memory, no namespace, no port, no file.
        Works on a lab that is only half there."""
        self._note_shared_memory(self.dir)
        members = self.data.get("members", {})
        for name in members:
            # Nobody must start something again while the others are going.
            for process in processes.belonging(self.folder(name)):
                if process.name != "postgres":
                    processes.send([process], signal.SIGKILL)
        self._stop_postmasters()
        left = processes.kill(self.dir, everything_below=True)
        if left:
            raise LabError(f"Processes would not die: {[(p.pid, p.name) for p in left]}")
        self._remove_shared_memory()
        self.network.remove()
        ports.release(self.dir)
        shutil.rmtree(self.dir)

    def _stop_postmasters(self):
        """An immediate shutdown lets PostgreSQL give back its shared memory."""
        postmasters = [p for p in (self.postmaster(n) for n in self.names("node")) if p]
        processes.send(postmasters, signal.SIGQUIT)
        processes.send(postmasters, signal.SIGCONT)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            now = [processes.read_process(p.pid) for p in postmasters]
            if not any(p and p.alive for p in now):
                return
            time.sleep(POLL_SECONDS)

    def _remove_shared_memory(self):
        """What killed servers left: files, and the System V segment that a postmaster.pid names."""
        for path in self.data["shared_memory"]:
            with contextlib.suppress(OSError):
                os.unlink(path)
        for path in glob.glob(f"{self.dir}/*/data/*/postmaster.pid"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(path) as file:
                    segment = int(file.read().splitlines()[6].split()[1])
                subprocess.run(["ipcrm", "-m", str(segment)], capture_output=True)


def note(text):
    print(text, file=sys.stderr, flush=True)
