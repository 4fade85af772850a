"""What must hold whatever has happened. Each check takes the evidence and returns what is wrong, one text for each case;
nothing means that it holds."""

import bisect

from .clients import lsn


def one_server_per_epoch(evidence):
    wrong, owner = [], {}
    for o in evidence.of_primaries:
        first = owner.setdefault(o.epoch, o)
        if o.role == "master" and first.role == "master" and first.keeper != o.keeper:
            wrong.append(f"two servers in one epoch: {first}; {o}")
    return wrong


def only_masters_answer(evidence):
    return [str(o) for o in evidence.of_primaries if o.role != "master"]


def epochs_do_not_overlap(evidence):
    """What was begun after an acknowledgement of a later epoch is not acknowledged by an earlier one."""
    firsts = {}
    for o in evidence.of_primaries:
        firsts.setdefault(o.epoch, o)  # They are in the order of their acknowledgements.
    first_later, earliest = {}, None  # epoch -> the first acknowledgement of all later ones
    for epoch in sorted(firsts, reverse=True):
        first_later[epoch] = earliest
        if earliest is None or firsts[epoch].ack < earliest.ack:
            earliest = firsts[epoch]
    return [
        f"{o}; but before: {first_later[o.epoch]}"
        for o in evidence.of_primaries
        if first_later[o.epoch] and first_later[o.epoch].ack < o.attempt
    ]


def _backwards(items, end):
    return (items[index] for index in range(end - 1, -1, -1))


def replaced_masters_are_silent(evidence):
    """What was begun after another db was seen to be named is not acknowledged by an earlier epoch."""
    wrong = []
    namings = [n for n in evidence.namings if n.db]
    times = [n.at for n in namings]
    db_of = {n.epoch: n.db for n in namings}
    for o in evidence.of_primaries:
        own = db_of.get(o.epoch)
        for naming in _backwards(namings, bisect.bisect_left(times, o.attempt)):
            if own is None or naming.epoch <= o.epoch:
                break
            # A server that is named again goes on with what it has.
            if naming.db != own:
                wrong.append(f"{o}; but db {naming.db} was seen to be named in epoch {naming.epoch} at {naming.at}")
                break
    return wrong


def primaries_show_what_was_acknowledged(evidence):
    """A read that was begun after a row was acknowledged sees it, unless the row was lost with an earlier master."""
    wrong = []
    # Both in the order of time: rows by their acknowledgement, reads by when their snapshot can have been taken.
    writes = iter(evidence.writes)
    write = next(writes, None)
    newest, newest_of_epoch = {}, {}  # source -> write, (source, epoch) -> write
    reads = [o for o in evidence.of_primaries if not o.is_write and not o.began_standby]
    for read in sorted(reads, key=lambda o: o.begun):
        while write and write.ack < read.begun:
            if (write.client, write.number) in evidence.rows:
                newest[write.client] = write
            newest_of_epoch[write.client, write.epoch] = write
            write = next(writes, None)
        for source, seen in read.newest.items():
            for expected in (newest.get(source), newest_of_epoch.get((source, read.epoch))):
                if expected and expected.number > (seen or 0):
                    wrong.append(f"{read} saw {source} up to #{seen}; but before: {expected}")
                    break
    return wrong


def must_be_there(evidence, write):
    """Whether the last master's WAL contains the commit: from the lineage alone."""
    line = evidence.line_of(write)
    if line == evidence.timeline:
        return True
    # The position was asked for after the commit, so that the commit record lies before it.
    return bool(write.after) and line in evidence.ended and write.after["lsn"] <= evidence.ended[line]


def rows_of_the_lineage_are_there(evidence):
    """Acknowledged in the last timeline, or before the point at which a later master left the row's timeline."""
    return [
        f"{w}, timeline {evidence.line_of(w)}, {w.after}"
        for w in evidence.writes
        if (w.client, w.number) not in evidence.rows and must_be_there(evidence, w)
    ]


def _confirmed_by(evidence, db, line):
    """How far this db had confirmed a timeline, as the timeline's masters told readers."""
    furthest, by = 0, None
    for read in evidence.operations:
        if read.is_write or read.standby or evidence.line_of(read) != line:
            continue
        for name, _, position in (entry.partition("=") for entry in read.confirmed.split()):
            if name.endswith(db) and position and lsn(position) > furthest:
                furthest, by = lsn(position), f"db {db} confirmed {position} before the ack of {read}"
    return furthest, by


def had_by_winner(evidence, line):
    """[(LSN, why)]: what the master that left this timeline, in the last master's lineage, had of it."""
    lineage = sorted(evidence.ended) + [evidence.timeline]
    if line not in evidence.ended:
        return []
    epoch = evidence.beginnings.get(lineage[lineage.index(line) + 1])
    had = []
    for event in evidence.history:
        if event["epoch"] == epoch and event["chosen"]["timeline"] == line:
            had.append((lsn(event["chosen"]["lsn"]), str(event)))
    return had + [_confirmed_by(evidence, n.db, line) for n in evidence.namings if n.db and n.epoch == epoch]


def winners_keep_what_they_had(evidence):
    """An acknowledged row that lies before the position with which a master won, or that it had confirmed to the one
    before, is there. (A position may lie within a record, so that a timeline may well be left a little before.)"""
    wrong, had = [], {}
    for write in evidence.writes:
        line = evidence.line_of(write)
        if (write.client, write.number) in evidence.rows or not write.after or not line:
            continue
        if line not in had:
            had[line] = had_by_winner(evidence, line)
        for position, why in had[line]:
            if write.after["lsn"] <= position:
                wrong.append(f"{write}, {write.after}, is missing; but {why}")
    return wrong


ALL = {
    "an epoch is one server's": one_server_per_epoch,
    "no primary without a mandate answers": only_masters_answer,
    "no two servers acknowledge in overlapping epochs": epochs_do_not_overlap,
    "a replaced master acknowledges nothing": replaced_masters_are_silent,
    "no primary answers from before what was acknowledged": primaries_show_what_was_acknowledged,
    "every acknowledged row of the lineage is there": rows_of_the_lineage_are_there,
    "a winner keeps what it had confirmed": winners_keep_what_they_had,
}
