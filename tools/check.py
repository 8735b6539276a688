"""Runs every check of the project in sequence and prints a summary: `python -m tools.check`.

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

import psutil

ROOT = Path(__file__).resolve().parent.parent
CHECKS = {
    "format": ["-m", "ruff", "format", "--check", "."],
    "lint": ["-m", "ruff", "check", "."],
    "types": ["-m", "mypy"],
    "imports": ["-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"],
    "tests": [
        *("-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--durations", "10"),
        *("--max-worker-restart", "0"),  # after a crash the run ends and names the test; else it may hang
    ],
}
LIMIT = 45 * 60
"""Timeout in seconds per check; far more than any needs, so that a hang ends and is located."""


@dataclass(frozen=True)
class Outcome:
    """The result of one check."""

    name: str
    passed: bool
    seconds: float
    problem: str = ""

    def __str__(self) -> str:
        return f"{'ok    ' if self.passed else 'FAILED'}  {self.name:<8} {self.seconds:6.1f} s{self.problem}"


def check(name: str, limit: float = LIMIT) -> Outcome:
    """Run one check with visible output, for at most `limit` seconds."""
    print(f"\n=== {name}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as running:
        environment = {**os.environ, "RUNNING_TESTS_FOLDER": running}  # tests/conftest.py writes into it
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # tests start many processes, which would all compile anew
        with subprocess.Popen([sys.executable, *CHECKS[name]], cwd=ROOT, env=environment) as process:
            code, problem = _wait(process, limit, Path(running))
    return Outcome(name, code == 0, time.monotonic() - started, problem)


def _wait(process: subprocess.Popen[bytes], limit: float, running: Path) -> tuple[int, str]:
    """Return the exit code of `process`, negative if it did not end by itself, and a short description of how it
    ended."""
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        during = _during(running)
        _end(process.pid)
        return -signal.SIGABRT, f"  stopped after {limit:.0f} s{during}"
    except KeyboardInterrupt:
        _end(process.pid)
        raise
    return code, f"  {signal.Signals(-code).name}{_during(running)}" if code < 0 else ""


def _during(running: Path) -> str:
    """Return the tests that had started and not ended."""
    names = sorted({file.read_text(encoding="utf-8") for file in running.iterdir()} - {""})
    return f" during {', '.join(names)}" if names else ""


def _end(pid: int) -> None:
    """End a process and its descendants; Python processes of pytest dump their tracebacks first."""
    try:
        root = psutil.Process(pid)
        family = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for sign in (signal.SIGABRT, None):
        for each in family:
            try:
                each.kill() if sign is None else each.send_signal(sign)
            except (psutil.Error, ValueError):  # Windows has no SIGABRT to send
                continue
        psutil.wait_procs(family, timeout=5)


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
