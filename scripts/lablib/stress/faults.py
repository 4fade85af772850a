"""Faults at random. Each takes the lab, a member and a source of random numbers, strikes, and returns how long it is to
last in seconds and what undoes it (None: it is over by itself)."""

import contextlib
import random
import signal
import time

from .. import LabError, processes
from ..cluster import CLUSTER, PREFIX

NODE, SENTINEL, ETCD = "node", "sentinel", "etcd"
ROOT = f"{PREFIX}/{CLUSTER}"
# Two at once at most, on different members.
AT_ONCE = 2
# How often a node is struck because it is the master.
MASTER_SHARE = 0.65
WHOLE_SHARE = 0.6
WHOLE_TIMEOUT = 20.0


def _titled(lab, node, title):
    """The node's PostgreSQL processes whose title begins so."""
    found = []
    for process in processes.belonging(lab.folder(node)):
        with contextlib.suppress(OSError):
            with open(f"/proc/{process.pid}/cmdline") as file:
                if file.read().startswith(f"postgres: {title}"):
                    found.append(process)
    return found


def _kill(title):
    def strike(lab, node, rng):
        chosen = _titled(lab, node, title)
        index = rng.random()
        if chosen:
            processes.send([chosen[int(index * len(chosen))]], signal.SIGKILL)
        return 0, None

    return strike


def _stop(title, shortest, longest):
    def strike(lab, node, rng):
        processes.send(_titled(lab, node, title), signal.SIGSTOP)
        return _intervals(lab, rng.uniform(shortest, longest)), lambda: processes.thaw(lab.folder(node))

    return strike


def _intervals(lab, count):
    return count * fail_interval(lab)


def fail_interval(lab):
    """In seconds."""
    text = lab.data["spec"]["failInterval"]
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text.rstrip("s"))


def _healed(lab, member):
    def heal():
        lab.heal(member)

    return heal


def kill_postmaster(lab, node, rng):
    if lab.postmaster(node):
        lab.kill_postgres(node)
    return 0, None


def kill_launcher(lab, node, rng):
    _kill_main(lab, node)
    return _intervals(lab, rng.uniform(0, 2)), _healed(lab, node)


def orphan_backends(lab, node, rng):
    """Nobody is left to look after the backends."""
    _kill_main(lab, node)
    kill_postmaster(lab, node, rng)
    return _intervals(lab, rng.uniform(0.5, 3)), _healed(lab, node)


def _kill_main(lab, member):
    if main := lab.main_process(member):
        processes.send([main], signal.SIGKILL)
        # It counts as running until its parent, whoever that is, has taken notice.
        end = time.monotonic() + 5
        while lab.main_process(member) and time.monotonic() < end:
            time.sleep(0.005)


def kill_member(lab, member, rng):
    lab.crash(member)
    return _intervals(lab, rng.uniform(0, 3)), _healed(lab, member)


def freeze_member(lab, member, rng):
    processes.freeze(lab.folder(member))
    return _intervals(lab, rng.uniform(0.3, 2.5)), _healed(lab, member)


def freeze_store(lab, member, rng):
    processes.freeze(lab.folder(member))
    return _intervals(lab, rng.choice((0.5, 0.85, 0.95, 1.05, 2.0))), _healed(lab, member)


def cut_off(lab, node, rng):
    lab.cut(node)
    return _intervals(lab, rng.uniform(0.3, 4)), _healed(lab, node)


def cut_from_store(lab, node, rng):
    lab.cut_store(node)
    return _intervals(lab, rng.uniform(0.3, 4)), _healed(lab, node)


def delete_beat(lab, node, rng):
    with lab.network.at_client():
        lab.etcd().delete(f"{ROOT}/keepers/beat/{node}")
    return 0, None


def revoke_presence(lab, node, rng):
    what = rng.choice(("info", "node"))
    with lab.network.at_client():
        etcd = lab.etcd()
        if lease := etcd.lease_of(f"{ROOT}/keepers/{what}/{node}"):
            etcd.revoke(lease)
    return 0, None


FAULTS = {
    "kill postmaster": (NODE, kill_postmaster),
    "kill backend": (NODE, _kill("app app ")),
    "kill lease worker": (NODE, _kill("stolon lease worker")),
    "kill keeper worker": (NODE, _kill("stolon keeper worker")),
    "kill launcher": (NODE, kill_launcher),
    "kill launcher and postmaster": (NODE, orphan_backends),
    "kill node": (NODE, kill_member),
    "stop lease worker": (NODE, _stop("stolon lease worker", 0.3, 2.5)),
    "stop keeper worker": (NODE, _stop("stolon keeper worker", 0.3, 4)),
    "freeze node": (NODE, freeze_member),
    "cut node off": (NODE, cut_off),
    "cut node from the store": (NODE, cut_from_store),
    "delete beat": (NODE, delete_beat),
    "revoke presence": (NODE, revoke_presence),
    "kill sentinel": (SENTINEL, kill_member),
    "freeze sentinel": (SENTINEL, freeze_member),
    "kill store": (ETCD, kill_member),
    "freeze store": (ETCD, freeze_store),
}
# Struck more often than the others.
OFTEN = ("kill postmaster", "freeze node", "stop lease worker", "freeze store", "cut node off")


class Faults:
    """Deals out faults like a shuffled deck of cards, so that each comes up soon."""

    def __init__(self, lab, seed, wait_until_whole, say):
        self.lab, self.say, self.wait_until_whole = lab, say, wait_until_whole
        self.random = random.Random(seed)
        self.deck = []
        self.active = {}  # member -> (when it is over, undo, name)
        self.count = 0

    def run(self, until):
        """Strikes until this instant (time.monotonic), and heals everything."""
        while time.monotonic() < until:
            self.heal_what_is_over()
            if len(self.active) < AT_ONCE:
                self.strike()
            rest = self.random.uniform(0.2, 4)
            self.wait(_intervals(self.lab, rest) if not self.active else rest / 4)
            if not self.active and self.random.random() < WHOLE_SHARE:
                with contextlib.suppress(LabError):
                    self.wait_until_whole(WHOLE_TIMEOUT)
        for member in list(self.active):
            self.undo(member)

    def strike(self):
        if not self.deck:
            self.deck = list(FAULTS) + list(OFTEN)
            self.random.shuffle(self.deck)
        name = self.deck.pop()
        kind, fault = FAULTS[name]
        member = self.choose(kind)
        if member in self.active:
            return
        self.say(f"{name}: {member}")
        self.count += 1
        try:
            lasts, undo = fault(self.lab, member, self.random)
        except (LabError, OSError, ValueError) as problem:
            self.say(f"    could not be done: {problem}")
            return
        if undo:
            self.active[member] = (time.monotonic() + lasts, undo, name)

    def choose(self, kind):
        """The same count of random numbers each time, so that a seed means the same sequence."""
        members = self.lab.names(kind)
        number, share = self.random.randrange(len(members)), self.random.random()
        if kind == NODE and share < MASTER_SHARE:
            with contextlib.suppress(LabError):
                return self.lab.master() or members[number]
        return members[number]

    def wait(self, seconds):
        """Healing what is over meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.heal_what_is_over()
            time.sleep(0.02)

    def heal_what_is_over(self):
        for member, (over, _, _) in list(self.active.items()):
            if time.monotonic() >= over:
                self.undo(member)

    def undo(self, member):
        _, undo, name = self.active.pop(member)
        undo()
        self.say(f"    over: {name}: {member}")
