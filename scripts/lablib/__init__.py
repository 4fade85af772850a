"""Parts of scripts/lab: a cluster of real servers on one machine, with faults on demand."""


class LabError(Exception):
    """Something that the user of the lab must hear, in whole sentences."""
