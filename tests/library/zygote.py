"""Imports what a conversion needs, then forks a conversion for each job on its standard input: imports are paid once.

For each line it prints the child's process id, and its exit status when it is over.
"""

from __future__ import annotations

import os
import sys
import warnings

warnings.simplefilter("ignore")

from sdxl_desktop.library.convert import converting  # noqa: E402, F401  (the heavy imports)
from sdxl_desktop.library.convert.host import do  # noqa: E402
from sdxl_desktop.library.convert.job import Job  # noqa: E402

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os._exit(do(Job.read(line), sys.stderr.buffer))
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
