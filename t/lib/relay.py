#!/usr/bin/env python3
"""Relays TCP connections to a port of 127.0.0.1, and holds back or delays what goes through on demand.

Prints the port that it listens on. Then each line of stdin is an order, answered by "ok":

    hold requests|answers         what goes in this direction waits here
    let_go requests|answers       and is sent on, even when its sender has left meanwhile
    delay requests|answers SECONDS

Notes in --log when a request that contains --mark has come: microseconds of CLOCK_MONOTONIC, a line each.
Ends when stdin does.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time


class Direction:
    """What goes one way, in all connections."""

    def __init__(self):
        self.open = asyncio.Event()
        self.open.set()
        self.delay = 0.0

    async def pump(self, reader, writer, seen=None):
        """Pieces are read as they come, so that each is delayed from its own arrival on."""
        pieces = asyncio.Queue()
        sender = asyncio.create_task(self._send(pieces, writer))
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if seen:
                    seen(data)
                pieces.put_nowait((time.monotonic() + self.delay, data))
        pieces.put_nowait((time.monotonic() + self.delay, b""))
        await sender

    async def _send(self, pieces, writer):
        with contextlib.suppress(OSError):
            while True:
                due, data = await pieces.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self.open.wait()
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()


class Relay:
    def __init__(self, options):
        self.options = options
        self.mark = options.mark.encode()
        self.log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.directions = {"requests": Direction(), "answers": Direction()}

    def see(self, data):
        if self.mark in data:
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            os.write(self.log, f"{now}\n".encode())

    async def connected(self, reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.options.to)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            self.directions["requests"].pump(reader, back, self.see),
            self.directions["answers"].pump(there, writer),
        )
        for end in writer, back:
            end.close()

    def obey(self, order, direction, *arguments):
        if order == "hold":
            self.directions[direction].open.clear()
        elif order == "let_go":
            self.directions[direction].open.set()
        elif order == "delay":
            self.directions[direction].delay = float(arguments[0])
        else:
            raise ValueError(order)

    async def run(self):
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        orders = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
        )
        while line := await orders.readline():
            try:
                self.obey(*line.decode().split())
                print("ok", flush=True)
            except (KeyError, TypeError, ValueError) as problem:
                print(f"not understood: {problem!r}", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=int, required=True, help="a port of 127.0.0.1")
    parser.add_argument("--mark", required=True)
    parser.add_argument("--log", required=True)
    relay = Relay(parser.parse_args())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(relay.run())
    # Connections are not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
