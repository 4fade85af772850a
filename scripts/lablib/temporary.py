"""A lab for the length of a block, for the benchmarks."""

import json
import os
import shutil
import subprocess

from . import LabError
from .cluster import Lab, scratch_directory

LAB = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "lab")


class TemporaryLab:
    """Made at the beginning of the block and removed at its end. `base` is its directory, with room
    for files of the caller's; `place` is where it is made (None: the scratch directory)."""

    def __init__(self, spec, *arguments, place=None):
        self.base = scratch_directory("stolon-bench-", place)
        self.lab = Lab(os.path.join(self.base, "lab"))
        spec_file = os.path.join(self.base, "spec")
        self.arguments = ["up", "--quiet", "--spec", spec_file, *arguments]
        with open(spec_file, "w") as file:
            json.dump(spec, file)

    def __enter__(self):
        if subprocess.run([LAB, "--dir", self.lab.dir, *self.arguments]).returncode != 0:
            self.__exit__()
            raise LabError("the lab did not come up")
        return self.lab.load()

    def __exit__(self, *_):
        if os.path.exists(self.lab.file):
            self.lab.load().destroy()
        shutil.rmtree(self.base)
