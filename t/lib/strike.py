"""Kills processes at the moment at which the store tells something: strike.py ADDRESS PORT PREFIX CONDITION PID...

CONDITION is a Python expression about `key` (without the prefix) and `value` (its JSON, {} when deleted). Prints "ready"
when it watches, and the instant (microseconds) when it has struck.
"""

import json
import os
import signal
import sys
import time

from lablib.etcd import Etcd


def main():
    address, port, prefix, condition, *pids = sys.argv[1:]
    events = Etcd(address, int(port), None).watch_prefix(prefix, lambda: print("ready", flush=True))
    for key, text in events:
        known = {"key": key.removeprefix(prefix), "value": json.loads(text) if text else {}}
        if eval(condition, known):
            for pid in pids:
                os.kill(int(pid), signal.SIGKILL)
            print(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, flush=True)
            return


main()
