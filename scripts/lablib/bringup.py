"""Waiting until a lab can be used: every standby streams, every proxy answers a write."""

import os
import time

from . import LabError, pgwire
from .cluster import APP, POLL_SECONDS

# How many lines of a log a failure shows.
TAIL_LINES = 20


def tail(path, lines=TAIL_LINES):
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16384))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


class NotYet(Exception):
    """What is still missing, and whose log may tell why."""

    def __init__(self, missing, member):
        super().__init__(missing)
        self.member = member


class Waiter:
    def __init__(self, lab, timeout):
        self.lab = lab
        self.end = time.monotonic() + timeout
        self.timeout = timeout

    def until(self, check):
        """Repeats a check that raises NotYet until it passes."""
        while True:
            try:
                return check()
            except NotYet as missing:
                dead = [n for n in self.lab.names() if self.lab.has_ended(n)]
                if dead:
                    self._give_up(f"{dead[0]} ended by itself", dead[0])
                if time.monotonic() > self.end:
                    self._give_up(
                        f"After {self.timeout:g} s {missing}", missing.member
                    )
            time.sleep(POLL_SECONDS)

    def _give_up(self, reason, member):
        path = self.lab.log_file(member)
        lines = "\n".join("    " + line for line in tail(path))
        raise LabError(f"{reason}.\nThe end of {path}:\n{lines}")


def wait_for_etcd(lab, timeout):
    def check():
        with lab.network.at_client():
            if not lab.etcd().healthy():
                raise NotYet("etcd does not answer", "etcd")

    Waiter(lab, timeout).until(check)


def wait_for_cluster(lab, timeout):
    """Until a master is writable, has the application's database, every node streams from it (and
    its keeper says so in etcd) and every proxy passes a write on."""
    waiter = Waiter(lab, timeout)
    sentinel = lab.names("sentinel")[0]
    state = {}

    def named():
        try:
            state["master"] = lab.master()
        except LabError as problem:
            raise NotYet(str(problem), "etcd") from None
        if not state["master"]:
            raise NotYet("no master is named", sentinel)

    def prepared():
        named()
        try:
            make_application(lab, state["master"])
        except (pgwire.PgError, pgwire.PgGone) as problem:
            raise NotYet(
                f"the master {state['master']} takes no writes ({problem})", state["master"]
            ) from None

    def streaming():
        named()
        missing = not_streaming(lab, state["master"])
        if missing:
            raise NotYet(
                f"no standby streams on {', '.join(missing)} from {state['master']}", missing[0]
            )
        silent = not_told(lab, state["master"])
        if silent:
            raise NotYet(
                f"{', '.join(silent)} streams from {state['master']}, and etcd does not say so",
                silent[0],
            )

    waiter.until(prepared)
    for proxy in lab.names("proxy"):
        waiter.until(lambda: write_through(lab, proxy))
    waiter.until(streaming)
    return state["master"]


def make_application(lab, master):
    """The role and the database that the lab's clients use."""
    connection = lab.connect_superuser(master)
    try:
        if not connection.value(f"select 1 from pg_roles where rolname = '{APP}'"):
            connection.query(f"create role {APP} login password '{lab.secret('app')}'")
        if not connection.value(f"select 1 from pg_database where datname = '{APP}'"):
            connection.query(f"create database {APP} owner {APP}", timeout=30)
    finally:
        connection.close()


def not_streaming(lab, master):
    """The nodes (other than the master) that do not stream from it, by asking both sides."""
    nodes = [name for name in lab.names("node") if name != master]
    port = lab.data["members"][master]["port"]
    address = lab.data["members"][master]["address"]
    try:
        connection = lab.connect_superuser(master)
        senders = int(
            connection.value("select count(*) from pg_stat_replication where state = 'streaming'")
        )
        connection.close()
    except (pgwire.PgError, pgwire.PgGone):
        return nodes
    if senders < len(nodes):
        return nodes
    missing = []
    for name in nodes:
        try:
            connection = lab.connect_superuser(name)
            row = connection.query(
                "select status, sender_host, sender_port from pg_stat_wal_receiver"
            )
            connection.close()
        except (pgwire.PgError, pgwire.PgGone):
            row = []
        if row != [["streaming", address, str(port)]]:
            missing.append(name)
    return missing


def not_told(lab, master):
    """The nodes (other than the master) whose keepers have not yet published that the db that the
    view has for them streams from the master's: a moment after the servers know, and only then do
    the sentinel and the proxies. (What was published of an earlier master, or of an incarnation
    that was replaced, may still stand there.)"""
    nodes = [name for name in lab.names("node") if name != master]
    try:
        keepers = lab.clusterdata()["keepers"]
        return [name for name in nodes if not told_right(lab, name, keepers, keepers[master]["db"])]
    except (OSError, ValueError, KeyError):
        return nodes


def told_right(lab, name, keepers, upstream):
    info = lab.published(f"keepers/info/{name}")
    told = (info.get("streaming"), info.get("db"), info.get("upstream"))
    return told == (True, keepers.get(name, {}).get("db", ""), upstream)


def write_through(lab, proxy):
    try:
        connection = lab.connect_app(proxy)
        try:
            connection.query(
                "create table if not exists lab_up (at timestamptz); "
                "insert into lab_up values (now())"
            )
        finally:
            connection.close()
    except (pgwire.PgError, pgwire.PgGone) as problem:
        raise NotYet(f"{proxy} does not pass a write on ({problem})", proxy) from None


