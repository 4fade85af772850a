"""What a writer's log says: acknowledged rows, the outage that the client saw, its errors."""

TABLE = (
    "create table if not exists acked (source text, number bigint, "
    "at timestamptz not null default clock_timestamp(), primary key (source, number))"
)


class Event:
    __slots__ = ("at", "kind", "number", "text")

    def __init__(self, line):
        parts = line.split(" ", 3)
        self.at, self.kind, self.number = int(parts[0]), parts[1], int(parts[2])
        self.text = parts[3] if len(parts) > 3 else ""


def read(path):
    events = []
    try:
        with open(path) as file:
            for line in file:
                # The last line may be half written.
                if line.endswith("\n"):
                    events.append(Event(line.rstrip("\n")))
    except FileNotFoundError:
        pass
    return events


def acked(events, since=0):
    return [event for event in events if event.kind == "ack" and event.at >= since]


def errors(events, since=0):
    """What a client noticed as an error: refusals, broken connections, lost answers."""
    return [e for e in events if e.kind in ("error", "lost", "refused") and e.at >= since]


def outage(events, since):
    """Seconds from `since` (microseconds) to the end of the longest pause between two
    acknowledgements that ends after it; None if nothing was acknowledged afterwards.

    The longest pause, not the first one: an acknowledgement that was already on its way when the
    fault struck is not the end of the outage.
    """
    times = [event.at for event in acked(events)]
    before = [at for at in times if at < since]
    after = [at for at in times if at >= since]
    if not after:
        return None
    points = before[-1:] + after
    longest = max(zip(points, points[1:]), key=lambda pair: pair[1] - pair[0], default=None)
    if longest is None:
        return (after[0] - since) / 1e6
    return (longest[1] - max(longest[0], since)) / 1e6


def missing(events, rows):
    """Numbers that were acknowledged and are not among `rows`."""
    return sorted({event.number for event in acked(events)} - set(rows))
