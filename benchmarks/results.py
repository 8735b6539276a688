"""Result files of benchmarks: rows with their command, machine, versions and date.

One JSON object per run, with the keys `benchmark`, `command`, `machine`, `versions`, `date`, `settings` and `rows`;
`benchmarks.results_page` renders a folder of them. They contain no paths of this machine.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("openvino", "optimum-intel", "diffusers", "torch", "transformers", "nncf", "PySide6-Essentials", "numpy")
Row = Mapping[str, Any]


def machine() -> str:
    """Describe the machine: "AMD EPYC 7R13, 2 cores, 23 GB of memory"."""
    cores, memory = os.cpu_count() or 1, psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {cores} core{'s' * (cores > 1)}, {memory:.0f} GB of memory"


def versions(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the versions of Python and the relevant packages, and `more` from other processes."""
    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {**found, **(more or {})}


def command(module: str, arguments: Sequence[str] | None) -> str:
    """Return the command line of this run, with only the last component of outside paths."""
    given = sys.argv[1:] if arguments is None else arguments
    return shlex.join(["python", "-m", module, *(_plain(word) for word in given)])


def today() -> str:
    return datetime.date.today().isoformat()


def write(
    file: Path,
    benchmark: str,
    *,
    command: str,
    rows: Sequence[Row],
    settings: Row | None = None,
    more_versions: Mapping[str, str] | None = None,
    **further: Any,
) -> None:
    """Write one run atomically; `further` are keys specific to the benchmark."""
    content = {
        "benchmark": benchmark,
        "command": command,
        "machine": machine(),
        "versions": versions(more_versions),
        "date": today(),
        "settings": dict(settings or {}),
        "rows": [dict(row) for row in rows],
        **further,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.writing")
    beside.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    beside.replace(file)


def _plain(word: str) -> str:
    """Return `word`, or the last component if it is a path."""
    option, is_set, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if os.path.isabs(value):
        value = Path(value).name
    return f"{option}{is_set}{value}" if option else value


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
