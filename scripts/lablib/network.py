"""The lab's network: loopback with different ports, or one network namespace per host.

With namespaces the hosts hang on a bridge that lies in a namespace of its own and has no address:
nothing leads from the lab to the machine's network or to another lab. Every host has fixed
neighbour entries for all the others, so that a host that is cut off is silent in both directions:
no failed ARP request turns into "no route to host", packets simply vanish, as behind a router.
"""

import contextlib
import os
import subprocess

from . import LabError
from .processes import enter_namespace

SUBNET = "10.77.0"
# Belongs to nobody: the bridge floods packets for it, and everybody drops them.
NOWHERE = "02:5a:ff:ff:ff:ff"
DEAD_HOST = 250


def _run(arguments, text=None, check=True):
    done = subprocess.run(arguments, input=text, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise LabError(
            f"\"{' '.join(arguments)}\" failed: {(done.stderr or done.stdout).strip()}"
        )
    return done.stdout


class Loopback:
    """All hosts are 127.0.0.1; nothing can be cut."""

    kind = "loopback"

    def __init__(self, lab):
        pass

    def make(self):
        pass

    def add_host(self, name):
        return "127.0.0.1"

    def namespace(self, name):
        return None

    def dead_address(self):
        """Where nobody listens; here a connection is refused."""
        return "127.0.0.9"

    def remove(self):
        pass

    def _refuse(self):
        raise LabError(
            "On loopback a host can't be cut off: all of them have the same address. "
            "Make the lab with --net netns (as root)."
        )

    def cut(self, name):
        self._refuse()

    def cut_between(self, name, other):
        self._refuse()

    def heal(self, name):
        pass

    def client_exec(self):
        return []

    @contextlib.contextmanager
    def at_client(self):
        yield


class Namespaces:
    """One namespace per host, and one for the bridge."""

    kind = "netns"

    def __init__(self, lab):
        self.hosts = lab["hosts"]  # name -> number; kept in lab.json
        self.prefix = f"stolon-{lab['id']}-"
        self.bridge_namespace = self.prefix + "bridge"

    def _name(self, host):
        return self.prefix + host

    def namespace(self, host):
        return "/run/netns/" + self._name(host)

    def address(self, host):
        return f"{SUBNET}.{self.hosts[host]}"

    def dead_address(self):
        """Where nobody is; a connection to it is never answered."""
        return f"{SUBNET}.{DEAD_HOST}"

    def _hardware(self, host):
        return f"02:5a:00:00:00:{self.hosts[host]:02x}"

    def _port(self, host):
        return f"p{self.hosts[host]}"

    def make(self):
        if os.geteuid() != 0:
            raise LabError("Network namespaces need root. Use sudo, or --net loopback.")
        _run(["ip", "netns", "add", self.bridge_namespace])
        self._batch(
            self.bridge_namespace,
            ["link add br0 type bridge stp_state 0 forward_delay 0", "link set br0 up"],
        )
        self.add_host("client")

    def add_host(self, host):
        self.hosts[host] = max(self.hosts.values(), default=0) + 1
        _run(["ip", "netns", "add", self._name(host)])
        port, hardware = self._port(host), self._hardware(host)
        self._batch(
            self.bridge_namespace,
            [
                f"link add {port} type veth peer name eth0 address {hardware} "
                f"netns {self._name(host)}",
                f"link set {port} master br0",
                f"link set {port} up",
            ],
        )
        dead = f"neighbour replace {self.dead_address()} lladdr {NOWHERE} dev eth0 nud permanent"
        self._batch(
            self._name(host),
            ["link set lo up", f"address add {self.address(host)}/24 dev eth0", "link set eth0 up"]
            + [dead]
            + [self._neighbour(other) for other in self.hosts if other != host],
        )
        for other in self.hosts:
            if other != host:
                self._batch(self._name(other), [self._neighbour(host)])
        return self.address(host)

    def _neighbour(self, host, hardware=None):
        hardware = hardware or self._hardware(host)
        return f"neighbour replace {self.address(host)} lladdr {hardware} dev eth0 nud permanent"

    def _batch(self, namespace, lines):
        _run(["ip", "-n", namespace, "-batch", "-"], "\n".join(lines) + "\n")

    def cut(self, host):
        """Pulls the host's plug out of the switch. Its own link stays up."""
        self._batch(self.bridge_namespace, [f"link set {self._port(host)} nomaster"])

    def cut_between(self, host, other):
        """Packets between the two vanish; both still reach everybody else."""
        self._batch(self._name(host), [self._neighbour(other, NOWHERE)])
        self._batch(self._name(other), [self._neighbour(host, NOWHERE)])

    def heal(self, host):
        self._batch(self.bridge_namespace, [f"link set {self._port(host)} master br0"])
        others = [other for other in self.hosts if other != host]
        self._batch(self._name(host), [self._neighbour(other) for other in others])
        for other in others:
            self._batch(self._name(other), [self._neighbour(host)])

    def remove(self):
        """Removes what is there, also of a lab that was only half made. The hosts' interfaces go
        with their namespaces."""
        for line in _run(["ip", "netns", "list"], check=False).splitlines():
            name = line.split()[0] if line.split() else ""
            if name.startswith(self.prefix):
                _run(["ip", "netns", "delete", name], check=False)

    def left(self):
        return [
            line.split()[0]
            for line in _run(["ip", "netns", "list"], check=False).splitlines()
            if line.startswith(self.prefix)
        ]

    def client_exec(self):
        return ["ip", "netns", "exec", self._name("client")]

    @contextlib.contextmanager
    def at_client(self):
        """Sockets that are made in this block belong to the client host."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter_namespace(self.namespace("client"))
            try:
                yield
            finally:
                enter_namespace(f"/proc/self/fd/{home}")
        finally:
            os.close(home)


def network_of(lab):
    return Namespaces(lab) if lab["net"] == "netns" else Loopback(lab)
