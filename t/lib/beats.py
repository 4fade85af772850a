"""Notes when etcd shows that a key was put: beats.py ADDRESS PORT KEY. Prints "watching" when it does, and then the instant
(microseconds of CLOCK_MONOTONIC) of each put, a line each."""

import sys
import time

from lablib.etcd import Etcd


def main():
    address, port, key = sys.argv[1:]
    for _ in Etcd(address, int(port), None).watch(key, lambda: print("watching", flush=True)):
        print(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, flush=True)


main()
