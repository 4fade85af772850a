"""A writing client of a lab, for the demo and the benchmarks."""

import os
import signal
import subprocess
import sys
import time

from . import LabError, pgwire, writerlog

WRITER = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "writer")


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


class Client:
    """Writes through `dsn` in the background. `prefix` runs it on the client host."""

    def __init__(self, dsn, log, prefix=(), source="writer", interval=0.002, timeout=120):
        self.log = log
        command = [sys.executable, WRITER, "--dsn", dsn, "--log", log, "--source", source]
        command += ["--interval", str(interval), "--timeout", str(timeout)]
        self.process = subprocess.Popen([*prefix, *command], start_new_session=True)

    def events(self):
        return writerlog.read(self.log)

    def wait_for_acks(self, count=1, since=0, timeout=60.0):
        """Until `count` rows have been acknowledged after the instant `since`."""
        end = time.monotonic() + timeout
        while True:
            events = self.events()
            if len(writerlog.acked(events, since)) >= count:
                return events
            if time.monotonic() > end:
                errors = writerlog.errors(events)
                last = f" The last error: {errors[-1].text}" if errors else ""
                raise LabError(f"The client got no acknowledgement for {timeout:g} s.{last}")
            if self.process.poll() is not None:
                raise LabError("The writing client ended by itself.")
            time.sleep(0.05)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                # It waits for an answer.
                self.process.kill()
                self.process.wait()


def prepare(connection):
    connection.query(writerlog.TABLE)


def stored_numbers(connection, source="writer"):
    rows = connection.query(f"select number from acked where source = '{source}'", timeout=30)
    return [int(row[0]) for row in rows]


def retry(action, timeout=30.0):
    """Repeats something that fails while a cluster fails over."""
    end = time.monotonic() + timeout
    while True:
        try:
            return action()
        except (pgwire.PgError, pgwire.PgGone) as problem:
            if time.monotonic() > end:
                raise LabError(f"still failing after {timeout:g} s: {problem}") from None
            time.sleep(0.05)
