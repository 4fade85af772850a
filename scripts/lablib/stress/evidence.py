"""What is known at the end: the clients' logs, who was named when, the WAL lineage and the rows of the last master."""

import json
import threading
from dataclasses import dataclass, field
from functools import cached_property

from ..cluster import MASTER_KEY
from ..processes import enter_namespace
from .clients import lsn, now
from .faults import ROOT


@dataclass
class Operation:
    """One operation that a client had acknowledged."""

    client: str
    kind: str  # write, slow write, read, slow read
    begun: int
    attempt: int
    ack: int
    epoch: int
    role: str
    keeper: str
    number: int = 0
    standby: bool = False
    began_standby: bool = False  # its snapshot is a standby's
    timeline: int = 0  # 0: not known
    newest: dict = field(default_factory=dict)
    confirmed: str = ""
    after: dict = field(default_factory=dict)  # of a write: what the same server said next

    @property
    def is_write(self):
        return self.kind.endswith("write")

    def __str__(self):
        text = f"{self.kind} of {self.client}"
        if self.is_write:
            text += f" #{self.number}"
        text += f", epoch {self.epoch} at {self.keeper} ({self.role})"
        return text + f", begun {self.begun}, attempt {self.attempt}, ack {self.ack}"


def read_log(name, path):
    """(operations, count of failures). The last line may be half written."""
    operations, failures = [], 0
    with open(path) as file:
        for line in file:
            if not line.endswith("\n"):
                continue
            event = json.loads(line)
            if event["kind"] in ("error", "gone"):
                failures += 1
                continue
            operation = Operation(client=name, **event)
            if operation.after.get("keeper") != operation.keeper:
                # Through a proxy the second question may have been another server's.
                operation.after = {}
            if operation.kind == "slow write":
                date_slow_write(operation)
            operations.append(operation)
    return operations, failures


def date_slow_write(operation):
    """The insert was long before the COMMIT, and the server may have won another epoch in between. Whose the commit was
    is told by the answer right after it; without one, only when the transaction began is certain."""
    if not operation.after:
        operation.attempt = operation.begun
    elif operation.after["role"] == "master":
        operation.epoch = operation.after["epoch"]


@dataclass
class Naming:
    at: int  # when it was seen, which is never too early
    epoch: int
    db: str


class NamingWatch(threading.Thread):
    """Notes how the key `master` changes; begins again when etcd breaks the connection. What changes meanwhile is
    not noted."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab, self.namings = lab, []
        self.history = {}  # number -> event; the store forgets old ones

    def read_history(self):
        for text in self.lab.etcd().get_prefix(f"{ROOT}/history/").values():
            event = json.loads(text)
            self.history[event["number"]] = event

    def run(self):
        enter_namespace(self.lab.network.namespace("client"))
        end = threading.Event()
        while not end.wait(0.05):
            try:
                for _, value in self.lab.etcd(None).watch(MASTER_KEY):
                    master = json.loads(value)
                    self.namings.append(Naming(now(), master["epoch"], master.get("db", "")))
                    self.read_history()
            except (OSError, ValueError):
                continue


@dataclass
class Evidence:
    operations: list  # by the instant of their acknowledgement
    failures: int
    namings: list
    keeper_of: dict  # db -> keeper, of those that are known
    history: list  # the failovers, as in the store, in the order of their epochs
    timeline: int  # the last master's
    ended: dict  # timeline -> LSN at which the last master's lineage leaves it
    rows: set  # (source, number) at the last master

    @cached_property
    def writes(self):
        return [o for o in self.operations if o.is_write]

    @cached_property
    def of_primaries(self):
        return [o for o in self.operations if not o.standby]

    @cached_property
    def timelines(self):
        """epoch -> timeline, as far as primaries have told."""
        found = {o.epoch: o.timeline for o in self.of_primaries if not o.is_write and o.role == "master"}
        found.update({w.after["epoch"]: w.after["timeline"] for w in self.writes if w.after.get("role") == "master"})
        return found

    @cached_property
    def beginnings(self):
        """timeline -> epoch in which it was begun. Two masters, of which the second had never heard of the first one's
        promotion, may begin timelines of the same number; then it is the second's, and the first's is nobody's. One epoch
        may have several timelines: a winner that was restarted before its first write is promoted once more."""
        lineage = sorted(self.ended) + [self.timeline]
        following = dict(zip(lineage, lineage[1:]))
        found = {}
        for event in self.history:
            left, epoch = event["chosen"]["timeline"], event["epoch"]
            found[following.get(left, self.timelines.get(epoch, left + 1))] = epoch
        return found

    @cached_property
    def begun_twice(self):
        """Timelines with writes that belong to an earlier one of the same number."""
        return sorted({w.after["timeline"] for w in self.writes if w.after and not self.line_of(w)})

    def line_of(self, operation):
        """The timeline of what a master has written or shown; 0 when it is not known, or nobody's."""
        line = operation.timeline or operation.after.get("timeline") or self.timelines.get(operation.epoch, 0)
        return line if operation.epoch >= self.beginnings.get(line, 0) else 0


def put_right(operations):
    """A server that has lost its role names its successor's epoch. What it acknowledges all the same it does in its own
    last one."""
    own = {}
    for o in operations:
        if o.role == "master":
            own[o.keeper] = o.epoch
        elif not o.standby:
            o.epoch = own.get(o.keeper, 0)


def parse_lineage(text):
    """A timeline history file as timeline -> LSN at which it was left."""
    lines = [line.split() for line in text.splitlines()]
    return {int(parts[0]): lsn(parts[1]) for parts in lines if len(parts) >= 2 and parts[0].isdigit()}


def collect(lab, master, logs, watch):
    operations, failures = [], 0
    for name, path in logs.items():
        found, failed = read_log(name, path)
        operations += found
        failures += failed
    operations.sort(key=lambda operation: operation.ack)
    put_right(operations)
    connection = lab.connect_superuser(master, "app")
    timeline = int(connection.value("select left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"), 16)
    rows = {(row[0], int(row[1])) for row in connection.query("select source, number from stress", 60)}
    lineage = {}
    if timeline > 1:
        # The file's last line may be of any length; what it says is needed, not where it lies.
        lineage = parse_lineage(connection.value(f"select pg_read_file('pg_wal/{timeline:08X}.history')"))
    connection.close()
    with lab.network.at_client():
        watch.read_history()
    history = [event for event in watch.history.values() if event["kind"] == "failover"]
    dbs = lab.clusterdata().get("dbs", {})
    return Evidence(
        operations, failures, sorted(watch.namings, key=lambda n: n.at), {db: v["keeper"] for db, v in dbs.items()},
        sorted(history, key=lambda event: event["epoch"]), timeline, lineage, rows,
    )  # fmt: skip
