"""A small PostgreSQL client in plain Python, for tools that must know when an answer arrived.

Simple queries, text results, one statement at a time. Every call has a deadline that the client
keeps itself, because a server that was cut off or frozen never says anything.
"""

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import socket
import ssl
import struct
import time
import urllib.parse


class PgError(Exception):
    """The server refused; the connection can still be used unless `fatal`."""

    def __init__(self, fields):
        self.sqlstate = fields.get("C", "")
        self.severity = fields.get("V", fields.get("S", ""))
        self.fatal = self.severity in ("FATAL", "PANIC")
        super().__init__(f"{self.severity}: {fields.get('M', '')} ({self.sqlstate})")


class PgGone(Exception):
    """The connection is no longer there, or no answer came in time: the outcome is unknown."""


def parse_dsn(dsn):
    """A postgresql:// URI as a dict of host, port, user, password, dbname, root_certificate (sslrootcert;
    the host's name is checked, too)."""
    parts = urllib.parse.urlsplit(dsn)
    options = dict(urllib.parse.parse_qsl(parts.query))
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError(f"not a postgresql:// URI: {dsn}")
    return {
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 5432,
        "user": urllib.parse.unquote(parts.username or ""),
        "password": urllib.parse.unquote(parts.password or ""),
        "dbname": urllib.parse.unquote(parts.path.lstrip("/")) or "postgres",
        "root_certificate": options.get("sslrootcert", ""),
    }


@contextlib.contextmanager
def _as_user(uid):
    """For servers that look at who connects to their socket."""
    if uid is None or os.geteuid() == uid:
        yield
        return
    home = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(home)


class Connection:
    """Opens a session. `host` is an address or, beginning with "/", a socket directory."""

    def __init__(
        self, host, port, user, dbname, password="", timeout=5.0, name="", peer_uid=None,
        root_certificate=""
    ):
        self._deadline = time.monotonic() + timeout
        self._buffer = b""
        self._password = password
        try:
            if host.startswith("/"):
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._socket.settimeout(timeout)
                with _as_user(peer_uid):
                    self._socket.connect(f"{host}/.s.PGSQL.{port}")
            else:
                self._socket = socket.create_connection((host, port), timeout)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as problem:
            raise PgGone(f"cannot connect: {problem}") from None
        try:
            if root_certificate:
                self._start_tls(host, root_certificate)
            self._log_in(user, dbname, name)
        except BaseException:
            self.close()
            raise

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.close()

    def query(self, sql, timeout=5.0):
        """Rows as lists of strings (None for null) of the last statement."""
        return self.query_together([sql], timeout)[0]

    def query_together(self, statements, timeout=5.0):
        """Sends several queries in one write; a list of rows for each."""
        self.send_together(statements, timeout)
        return [self.answer() for _ in statements]

    def send_together(self, statements, timeout=5.0):
        """Sends several queries in one write. Each wants an answer() of its own, also when an earlier one was an
        error that is not fatal; `timeout` is for all of them."""
        self._deadline = time.monotonic() + timeout
        messages = (sql.encode() + b"\0" for sql in statements)
        self._send_raw(b"".join(b"Q" + struct.pack("!i", len(m) + 4) + m for m in messages))

    def answer(self):
        """The rows of the next query; its command tag is in `tag`."""
        rows, error, self.tag = [], None, ""
        while True:
            kind, body = self._receive()
            if kind == b"D":
                rows.append(self._row(body))
            elif kind == b"T":
                rows = []
            elif kind == b"C":
                self.tag = body.rstrip(b"\0").decode()
            elif kind == b"E":
                error = PgError(self._fields(body))
                if error.fatal:
                    self.close()
                    raise error
            elif kind == b"Z":
                if error:
                    raise error
                return rows

    def value(self, sql, timeout=5.0):
        rows = self.query(sql, timeout)
        return rows[0][0] if rows else None

    def take_socket(self):
        """For a caller that looks after many sessions by itself; this one has none from here on."""
        taken, self._socket = self._socket, socket.socket()
        return taken

    @staticmethod
    def error_of(body):
        """What the body of an ErrorResponse says."""
        return PgError(Connection._fields(body))

    # The protocol: https://www.postgresql.org/docs/15/protocol-message-formats.html

    def _start_tls(self, host, root_certificate):
        self._send_raw(struct.pack("!ii", 8, 80877103))
        if self._exactly(1) != b"S":
            raise PgGone("the server offers no TLS")
        context = ssl.create_default_context(cafile=root_certificate)
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except OSError as problem:
            raise PgGone(f"no TLS: {problem}") from None

    def _log_in(self, user, dbname, name):
        text = f"user\0{user}\0database\0{dbname}\0"
        if name:
            text += f"application_name\0{name}\0"
        body = struct.pack("!i", 196608) + text.encode() + b"\0"
        self._send_raw(struct.pack("!i", len(body) + 4) + body)
        scram = None
        while True:
            kind, body = self._receive()
            if kind == b"E":
                raise PgError(self._fields(body))
            if kind == b"Z":
                return
            if kind != b"R":
                continue
            (method,) = struct.unpack("!i", body[:4])
            if method == 3:
                self._send(b"p", self._password.encode() + b"\0")
            elif method == 5:
                inner = hashlib.md5((self._password + user).encode()).hexdigest()
                outer = hashlib.md5(inner.encode() + body[4:8]).hexdigest()
                self._send(b"p", b"md5" + outer.encode() + b"\0")
            elif method == 10:
                scram = _Scram(self._password)
                first = scram.first()
                self._send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
            elif method == 11:
                self._send(b"p", scram.final(body[4:]))
            elif method == 12:
                scram.verify(body[4:])
            elif method != 0:
                raise PgGone(f"the server wants authentication method {method}")

    def _send(self, kind, body):
        self._send_raw(kind + struct.pack("!i", len(body) + 4) + body)

    def _send_raw(self, data):
        try:
            self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
            self._socket.sendall(data)
        except OSError as problem:
            self.close()
            raise PgGone(f"cannot send: {problem}") from None

    def _receive(self):
        kind, length = struct.unpack("!ci", self._exactly(5))
        return kind, self._exactly(length - 4)

    def _exactly(self, count):
        while len(self._buffer) < count:
            left = self._deadline - time.monotonic()
            try:
                if left <= 0:
                    raise PgGone("no answer in time")
                self._socket.settimeout(left)
                data = self._socket.recv(65536)
            except socket.timeout:
                data = None
            except OSError as problem:
                self.close()
                raise PgGone(f"the connection broke: {problem}") from None
            except PgGone:
                self.close()
                raise
            if data == b"":
                self.close()
                raise PgGone("the server closed the connection")
            self._buffer += data or b""
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    @staticmethod
    def _row(body):
        (count,), at, row = struct.unpack("!h", body[:2]), 2, []
        for _ in range(count):
            (length,) = struct.unpack("!i", body[at : at + 4])
            at += 4
            row.append(None if length < 0 else body[at : at + length].decode())
            at += max(length, 0)
        return row

    @staticmethod
    def _fields(body):
        return {
            part[:1].decode(): part[1:].decode(errors="replace")
            for part in body.split(b"\0")
            if part
        }


class _Scram:
    """RFC 5802 with SHA-256, without channel binding."""

    def __init__(self, password):
        self.password = password.encode()
        self.nonce = base64.b64encode(secrets.token_bytes(18)).decode()

    def first(self):
        self.bare = f"n=,r={self.nonce}"
        return ("n,," + self.bare).encode()

    def final(self, challenge):
        challenge = challenge.decode()
        fields = dict(part.split("=", 1) for part in challenge.split(","))
        if not fields["r"].startswith(self.nonce):
            raise PgGone("the server answered with a foreign nonce")
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password, base64.b64decode(fields["s"]), int(fields["i"])
        )
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={fields['r']}"
        message = ",".join((self.bare, challenge, without_proof)).encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.expected = hmac.digest(server_key, message, "sha256")
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, answer):
        fields = dict(part.split("=", 1) for part in answer.decode().split(","))
        if base64.b64decode(fields.get("v", "")) != self.expected:
            raise PgGone("the server does not know the password")


def connect(dsn, **options):
    return Connection(**parse_dsn(dsn), **options)
