"""Imports what a conversion needs, then forks a conversion for each job on its standard input: imports are paid once.

For each job it prints the child's process id, and its exit status when it has ended. The conversions' messages are
appended to the file that is its argument.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings

warnings.simplefilter("ignore")

from sdxl_desktop.library.convert import conversion  # noqa: E402, F401  (the heavy imports)
from sdxl_desktop.library.convert.conversion_worker import HOST  # noqa: E402
from sdxl_desktop.workers import protocol  # noqa: E402
from tests.garbage import without_garbage_collections  # noqa: E402

gc.collect()
gc.freeze()  # a collection in a child would copy every page of what was imported
with open(sys.argv[1], "ab") as reported:
    print("ready", flush=True)
    while True:
        try:
            job = protocol.read(sys.stdin.buffer)
        except EOFError:
            break
        child = os.fork()
        if child == 0:
            with without_garbage_collections():
                os._exit(HOST.run(job, lambda message: protocol.write(reported, message)))
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)
