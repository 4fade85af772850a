"""Many clients in one process: each with a connection of its own, all looked after by one thread.

A client sends a statement when it is told to (`ask`), or again and again with a pause between (`pause` seconds, spread
by half of it; 0: always in flight). Whose connection breaks is not connected again until `renew`.
"""

import contextlib
import random
import resource
import selectors
import struct
import threading
import time

from . import LabError, pgwire

# Beside the clients' connections.
OTHER_FILES = 200


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) / 1e9


class Request:
    """A statement, and what became of it. `text` is the error's; "" while there is none."""

    __slots__ = ("client", "sent_at", "ended_at", "text")

    def __init__(self, client, sent_at):
        self.client, self.sent_at, self.ended_at, self.text = client, sent_at, None, ""


class Client:
    """`number` tells it from the others of the crowd; `sql` is what it sends."""

    def __init__(self, group, number, sql, pause):
        self.group, self.number, self.sql, self.pause = group, number, sql, pause
        self.socket = None
        self.request = None
        self.due_at = None
        self.received = b""

    def take_messages(self):
        """The complete messages that have arrived, as (type, body)."""
        while len(self.received) >= 5:
            kind, length = struct.unpack("!ci", self.received[:5])
            if len(self.received) <= length:
                return
            body, self.received = self.received[5 : length + 1], self.received[length + 1 :]
            yield kind, body


class Crowd:
    """Use it as a context. `at_client` is a context manager that places the calling thread on the clients' host."""

    def __init__(self, dsn, at_client):
        self.dsn, self.at_client = dsn, at_client
        self.clients, self.requests = [], []
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._ends = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends = True
        self._thread.join()
        for client in self.clients:
            if client.socket:
                client.socket.close()

    def add(self, group, count, sql, pause=None):
        """`sql` may contain {number}. Without `pause` the clients are silent until they are asked."""
        first = len(self.clients)
        wanted = first + count + OTHER_FILES
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
        new = [Client(group, n, sql.format(number=n), pause) for n in range(first, first + count)]
        with self._lock:
            self.clients += new
        self.renew()

    def renew(self):
        """Connects whoever is not connected, and lets everybody send one statement."""
        for client in self.clients:
            if client.socket:
                continue
            with self.at_client():
                connection = pgwire.connect(self.dsn, timeout=60, name=f"crowd {client.group}")
            connection.query(client.sql, timeout=60)
            taken = connection.take_socket()
            taken.setblocking(False)
            with self._lock:
                client.socket, client.request, client.received = taken, None, b""
                self._selector.register(taken, selectors.EVENT_READ, client)
                if client.pause is not None:
                    client.due_at = now() + client.pause * random.random()

    def ask(self, group, within=0.0):
        """Each client of the group sends its statement once, at a random instant `within` so many seconds."""
        start = now()
        with self._lock:
            for client in self.of(group):
                client.due_at = start + within * random.random()

    def of(self, group):
        return [client for client in self.clients if client.group == group]

    def connected(self, group):
        return sum(client.socket is not None for client in self.of(group))

    def ended(self, group, since):
        """The requests of a group that have been answered, or have failed, after the instant `since`."""
        with self._lock:
            return [r for r in self.requests if r.client.group == group and r.ended_at >= since]

    def wait_until_asked(self, group, since, timeout=60.0):
        """Until each client of the group has had an answer or an error since then; these requests."""
        end = now() + timeout
        while True:
            ended = self.ended(group, since)
            if len({request.client for request in ended}) == len(self.of(group)):
                return ended
            if now() > end:
                raise LabError(f"{len(self.of(group)) - len(ended)} clients ({group}) got no answer in {timeout:g} s")
            time.sleep(0.005)

    # The thread

    def _run(self):
        while not self._ends:
            with self._lock:
                self._send_what_is_due()
            for key, _ in self._selector.select(0.002):
                with self._lock:
                    self._receive(key.data)

    def _send_what_is_due(self):
        at = now()
        for client in self.clients:
            if not client.socket or client.due_at is None or client.due_at > at or client.request:
                continue
            client.due_at = None
            client.request = Request(client, at)
            message = client.sql.encode() + b"\0"
            try:
                client.socket.send(b"Q" + struct.pack("!i", len(message) + 4) + message)
            except OSError as problem:
                self._lost(client, str(problem))

    def _receive(self, client):
        if not client.socket:
            return
        try:
            data = client.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as problem:
            self._lost(client, str(problem))
            return
        client.received += data
        for kind, body in client.take_messages():
            self._message(client, kind, body)
        if not data:
            self._lost(client, "the connection was closed")

    def _message(self, client, kind, body):
        if kind == b"E":
            text = str(pgwire.Connection.error_of(body))
            if client.request:
                client.request.text = client.request.text or text
            else:
                # It was told something although it was silent.
                client.request = Request(client, now())
                client.request.text = "unasked: " + text
        elif kind == b"Z" and client.request:
            self._end(client)
            if client.pause is not None:
                client.due_at = now() + client.pause * (0.5 + random.random())

    def _end(self, client):
        client.request.ended_at = now()
        self.requests.append(client.request)
        client.request = None

    def _lost(self, client, text):
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.socket)
        client.socket.close()
        client.socket, client.due_at = None, None
        request = client.request or Request(client, now())
        request.text = request.text or ("" if client.request else "unasked: ") + text
        client.request = request
        self._end(client)


class Newcomers:
    """Clients that connect, run one statement and leave, again and again; a context."""

    def __init__(self, dsn, at_client, count, sql, pause=0.02):
        self.dsn, self.at_client, self.sql, self.pause = dsn, at_client, sql, pause
        self.visits = []
        self._ends = False
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ends = True
        for thread in self._threads:
            thread.join()

    def _run(self):
        with self.at_client():
            while not self._ends:
                request = Request(None, now())
                try:
                    connection = pgwire.connect(self.dsn, timeout=60, name="newcomer")
                    connection.query(self.sql, timeout=60)
                    connection.close()
                except (pgwire.PgError, pgwire.PgGone) as problem:
                    request.text = str(problem)
                request.ended_at = now()
                self.visits.append(request)
                time.sleep(self.pause * (0.5 + random.random()))

    def ended(self, since):
        return [visit for visit in self.visits if visit.ended_at >= since]
