"""What an operator does when a cluster does not come back by itself."""

import os
import time

from .. import LabError, bringup
from .faults import fail_interval

PATIENCE = 5  # failIntervals, at least seconds
LOG_BYTES = 256 * 1024


class Operator:
    def __init__(self, lab, say):
        self.lab, self.say, self.count = lab, say, 0

    def wait_until_whole(self, timeout):
        """The master's name; LabError if it takes longer."""
        end = time.monotonic() + timeout
        while True:
            try:
                return bringup.wait_for_cluster(self.lab, PATIENCE * max(1, fail_interval(self.lab)))
            except LabError:
                if time.monotonic() > end:
                    raise
                self.help_standbys()

    def help_standbys(self):
        try:
            master = self.lab.master()
        except LabError:
            return
        for node in bringup.not_streaming(self.lab, master) if master else []:
            if self.has_lost_its_wal(node):
                self.make_anew(node)

    def has_lost_its_wal(self, node):
        """This version does not notice a standby that waits for WAL which nobody has any more."""
        if not self.lab.postmaster(node):
            return False
        try:
            with open(os.path.join(self.lab.folder(node), "data", "postgres.log"), "rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
                tail = file.read().decode(errors="replace")
        except OSError:
            return False
        gone = tail.rfind("could not receive data from WAL stream: ERROR:  requested WAL segment")
        return gone > max(tail.rfind("started streaming WAL"), tail.rfind("starting PostgreSQL"))

    def make_anew(self, node):
        """As docs/operations.md says ("A standby does not stream")."""
        self.count += 1
        self.say(f"{node} waits for WAL that nobody has any more: made anew")
        if not self.lab.stop_member(node):
            self.lab.crash(node)
        data = os.path.join(self.lab.folder(node), "data", "postgres")
        if os.path.exists(data):
            os.rename(data, f"{data}.aside-{self.count}")
        self.lab.start_member(node)
