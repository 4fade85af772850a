"""Evidence with one thing changed that must not be: shows that a check would have noticed it in this very run."""

from dataclasses import replace

from . import checks


def _with(evidence, old, **changes):
    """The evidence with one operation changed."""
    return replace(evidence, operations=[replace(o, **changes) if o is old else o for o in evidence.operations])


def _without(evidence, write):
    return write and replace(evidence, rows=evidence.rows - {(write.client, write.number)})


def _last_of_an_earlier_epoch(evidence):
    """An operation of the last epoch, said to be of an earlier one of another server."""
    last = evidence.of_primaries[-1]
    earlier = [o for o in evidence.of_primaries if o.epoch < last.epoch and o.keeper != last.keeper]
    return earlier and _with(evidence, last, epoch=earlier[-1].epoch, keeper=earlier[-1].keeper)


def _two_servers(evidence):
    last = evidence.of_primaries[-1]
    return _with(evidence, last, keeper=last.keeper + "x")


def _no_mandate(evidence):
    return _with(evidence, evidence.of_primaries[-1], role="replaced")


def _blind_read(evidence):
    reads = [o for o in evidence.of_primaries if not o.is_write and not o.began_standby]
    return reads and _with(evidence, reads[-1], newest=dict.fromkeys(reads[-1].newest, 0))


def _row_of_the_last_timeline(evidence):
    found = [w for w in evidence.writes if evidence.line_of(w) == evidence.timeline]
    return _without(evidence, next(reversed(found), None))


def _row_that_the_winner_had(evidence):
    for write in evidence.writes:
        line = evidence.line_of(write)
        if write.after and line in evidence.ended:
            had = checks.had_by_winner(evidence, line)
            if any(write.after["lsn"] <= position for position, _ in had):
                return _without(evidence, write)
    return None


_DOCTORS = {
    checks.one_server_per_epoch: _two_servers,
    checks.only_masters_answer: _no_mandate,
    checks.epochs_do_not_overlap: _last_of_an_earlier_epoch,
    checks.replaced_masters_are_silent: _last_of_an_earlier_epoch,
    checks.primaries_show_what_was_acknowledged: _blind_read,
    checks.rows_of_the_lineage_are_there: _row_of_the_last_timeline,
    checks.winners_keep_what_they_had: _row_that_the_winner_had,
}


def unnoticed(evidence):
    """Names of the checks that would not have noticed, and of those for which the run has nothing to be changed."""
    blind, untried = [], []
    for name, check in checks.ALL.items():
        changed = _DOCTORS[check](evidence)
        if not changed:
            untried.append(name)
        elif not check(changed):
            blind.append(name)
    return blind, untried
