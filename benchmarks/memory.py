"""Peak memory for one picture: ours and plain optimum-intel, alternating (A B A B), in fresh processes.

    python -m benchmarks.memory --checkpoint DIR [--size 512] [--steps 2] [--rounds 2] [--json OUT]

Both have their compiled parts in a cache, which a first, uncounted run of each fills. Memory is the peak of the whole
process tree, sampled five times a second: anonymous (which the system cannot drop and read again), and all, mapped
files included. Linux only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import one_picture, results

WHO = ("ours", "optimum")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["SDXL_DESKTOP_HOME"] = home
        setting = {
            "checkpoint": str(asked.checkpoint.resolve()),
            "size": asked.size,
            "steps": asked.steps,
            "home": home,
            "prompt": one_picture.PROMPT,
        }
        for counted in [False] + [True] * asked.rounds:
            for who in WHO:
                new = {**setting, "prompt": f"{one_picture.PROMPT}, {len(rows)}"}  # so that the text encoders run
                drawn = one_picture.measure(who, new)
                row = {"who": who, "counted": counted, **{name: round(n, 3) for name, n in asdict(drawn).items()}}
                rows.append(row)
                print(row, flush=True)
    for who in WHO:
        own = [row for row in rows if row["who"] == who and row["counted"]]
        print(
            f"{who:8} anonymous {statistics.median(row['anonymous'] for row in own):.2f} GB   "
            f"total {statistics.median(row['total'] for row in own):.2f} GB"
        )
    if asked.json is not None:
        settings = {"size": asked.size, "steps": asked.steps, "rounds": asked.rounds}
        told = results.command("benchmarks.memory", arguments)
        results.write(asked.json, "memory", command=told, rows=rows, settings=settings)


if __name__ == "__main__":
    main()
