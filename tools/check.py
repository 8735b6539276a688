"""Runs every check of the project, one after the other, and sums up: `python -m tools.check`.

With names it runs only those: `python -m tools.check lint types`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS = {
    "format": ["-m", "ruff", "format", "--check", "."],
    "lint": ["-m", "ruff", "check", "."],
    "types": ["-m", "mypy"],
    "imports": ["-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"],
    "tests": ["-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"],
}


@dataclass(frozen=True)
class Outcome:
    """How one check went."""

    name: str
    passed: bool
    seconds: float
    crash: str = ""

    def __str__(self) -> str:
        return f"{'ok    ' if self.passed else 'FAILED'}  {self.name:<8} {self.seconds:6.1f} s{self.crash}"


def check(name: str) -> Outcome:
    """Run one check with its output in plain sight."""
    print(f"\n=== {name}", flush=True)
    started = time.monotonic()
    with tempfile.NamedTemporaryFile("r", suffix=".txt") as running:
        surroundings = {**os.environ, "RUNNING_TEST_FILE": running.name}  # tests/conftest.py writes it
        command = [sys.executable, *CHECKS[name]]
        code = subprocess.run(command, cwd=ROOT, env=surroundings, check=False).returncode
        crash = f"  {signal.Signals(-code).name} during {running.read() or 'its start'}" if code < 0 else ""
    return Outcome(name, code == 0, time.monotonic() - started, crash)


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"There is no check called {', '.join(unknown)}; there are: {', '.join(CHECKS)}.", file=sys.stderr)
        return 2
    outcomes = [check(name) for name in names or CHECKS]
    print("\n=== summary")
    print("\n".join(str(outcome) for outcome in outcomes), flush=True)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
