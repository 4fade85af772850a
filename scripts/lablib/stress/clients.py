"""The clients of the stress test: each bound to one server (or proxy), in a thread of its own.

A client logs one JSON object per line: for each operation that was answered what it was told and when, for each
failure the kind of it. Times are microseconds of CLOCK_MONOTONIC, which all clients share; `attempt` is noted before
the operation (for a transaction: its COMMIT) is sent, `ack` after its answer has arrived, so that what a client holds
for "before" and "after" is true whatever the machine is busy with.
"""

import json
import random
import signal
import threading
import time

from .. import pgwire

TABLE = """
create table stress (source text, number bigint, epoch bigint, keeper text, role text, primary key (source, number));
grant all on stress to app;
grant pg_monitor to app;
"""
# On a primary the first 8 digits of a WAL file's name are the timeline.
_WAL = "pg_walfile_name(pg_current_wal_insert_lsn())"
# Reads the table, because only status functions are exempt from the fence.
_AFTER = (
    f"select s.epoch, s.role, s.keeper_uid, pg_current_wal_insert_lsn(), {_WAL}, (select true from stress limit 1) "
    "from stolon.status() s"
)
# Shares of the operations, and how long a transaction or a cursor stays open at most, in failIntervals.
SLOW_SHARE = 0.15
SLOW_PAUSE = 1.5
RECONNECT_SHARE = 0.01


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def _insert(source, number):
    return (
        "with s as materialized (select epoch, keeper_uid, role from stolon.status()) insert into stress "
        f"select '{source}', {number}, epoch, keeper_uid, role from s returning epoch, role, keeper"
    )


def _read(sources):
    names = ", ".join(f"'{name}'" for name in sources)
    return (
        "select s.epoch, s.role, s.keeper_uid, pg_is_in_recovery(), "
        f"case when pg_is_in_recovery() then null else {_WAL} end, "
        "(select json_object_agg(name, (select max(number) from stress where source = name)) "
        f"from unnest(array[{names}]) name), "
        "(select string_agg(application_name || '=' || flush_lsn, ' ') from pg_stat_replication) "
        "from stolon.status() s"
    )


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def timeline(wal_file):
    return int(wal_file[:8], 16)



class Client(threading.Thread):
    """One session at a time to `dsn`, for ever."""

    def __init__(self, config, shared):
        super().__init__(name=config["name"], daemon=True)
        self.name, self.dsn = config["name"], config["dsn"]
        self.random = random.Random(config["seed"])
        self.fail_interval = shared["fail_interval"]
        self.sources = shared["sources"]
        # A statement may wait fenceWait, which is failInterval by default.
        self.timeout = 3 * self.fail_interval + 1
        self.log = open(config["log"], "a", buffering=1)
        self.session = None
        self.in_transaction = False
        self.stopping = threading.Event()

    def note(self, **what):
        print(json.dumps(what), file=self.log)

    def run(self):
        while not self.stopping.is_set():
            done = self.step()
            self.stopping.wait(self.random.uniform(0.002, 0.02) if done else 0.03)
        self.drop()

    def drop(self):
        if self.session:
            self.session.close()
        self.session = None

    def step(self):
        try:
            if self.session and self.random.random() < RECONNECT_SHARE:
                self.drop()
            if not self.session:
                self.session = pgwire.connect(self.dsn, timeout=self.timeout, name=self.name)
            self.in_transaction = self.random.random() < SLOW_SHARE
            self.operate(self.in_transaction)
            return True
        except pgwire.PgError as problem:
            self.note(kind="error", at=now(), text=str(problem))
            if problem.fatal:
                self.drop()
            elif self.in_transaction:
                self.roll_back()
        except pgwire.PgGone as problem:
            self.note(kind="gone", at=now(), text=str(problem))
            self.drop()
        return False

    def roll_back(self):
        try:
            self.session.query("rollback", self.timeout)
        except (pgwire.PgError, pgwire.PgGone):
            self.drop()

    def pause(self):
        """Inside of a transaction, so that the role may change meanwhile. Mostly short."""
        self.stopping.wait(self.fail_interval * SLOW_PAUSE * self.random.random() ** 3)

    def operate(self, slowly):
        raise NotImplementedError


class Writer(Client):
    """Inserts numbered rows. A number is never used twice."""

    number = 0

    def operate(self, slowly):
        self.number += 1
        begun = attempt = now()
        if slowly:
            self.session.query("begin", self.timeout)
            row = self.session.query(_insert(self.name, self.number), self.timeout)[0]
            self.pause()
            attempt = now()
            self.session.send_together(["commit", _AFTER], self.timeout)
            tag = self.finish()[1]
            if tag != "COMMIT":
                raise pgwire.PgGone(f"COMMIT was answered by {tag}")
        else:
            self.session.send_together([_insert(self.name, self.number), _AFTER], self.timeout)
            row = self.finish()[0][0]
        ack = now()
        operation = {
            "kind": "slow write" if slowly else "write", "number": self.number, "begun": begun, "attempt": attempt,
            "ack": ack, "epoch": int(row[0] or 0), "role": row[1], "keeper": row[2],
        }  # fmt: skip
        try:
            epoch, role, keeper, position, wal_file, _ = self.session.answer()[0]
            operation["after"] = {
                "epoch": int(epoch or 0), "role": role, "keeper": keeper, "lsn": lsn(position),
                "timeline": timeline(wal_file),
            }  # fmt: skip
        finally:
            # The row is acknowledged, whatever has become of the second question.
            self.note(**operation)

    def finish(self):
        """The first of two answers; when it is a refusal, the second one is taken off the connection."""
        try:
            return self.session.answer(), self.session.tag
        except pgwire.PgError as problem:
            if not problem.fatal:
                try:
                    self.session.answer()
                except pgwire.PgError as second:
                    if second.fatal:
                        raise
            raise


class Reader(Client):
    """Reads what the newest row of each writer is."""

    def operate(self, slowly):
        begun = attempt = now()
        began_standby = False
        if slowly:
            # A cursor of a standby outlives its promotion, with the standby's snapshot.
            began_standby = self.session.query("begin; select pg_is_in_recovery()", self.timeout)[0] == ["t"]
            self.session.query(f"declare c cursor for {_read(self.sources)}", self.timeout)
            self.pause()
            attempt = now()
            row = self.session.query("fetch c", self.timeout)[0]
        else:
            row = self.session.query(_read(self.sources), self.timeout)[0]
        ack = now()
        epoch, role, keeper, standby, wal_file, newest, confirmed = row
        self.note(
            kind="slow read" if slowly else "read", begun=begun, attempt=attempt, ack=ack, epoch=int(epoch or 0),
            role=role, keeper=keeper, standby=standby == "t", began_standby=began_standby,
            timeline=timeline(wal_file) if wal_file else 0, newest=json.loads(newest), confirmed=confirmed or "",
        )  # fmt: skip
        if slowly:
            self.session.query("commit", self.timeout)


def run(config_file):
    """The program of the clients: until SIGTERM."""
    with open(config_file) as file:
        config = json.load(file)
    kinds = {"writer": Writer, "reader": Reader}
    clients = [kinds[one["kind"]](one, config) for one in config["clients"]]
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    for client in clients:
        client.start()
    end.wait()
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join(client.timeout + 5)
