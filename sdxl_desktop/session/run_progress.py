"""Which runs of a batch or a grid are finished: a file in their folder, one JSON line per picture."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from sdxl_desktop.core.errors import OutputError, describe_error
from sdxl_desktop.core.regular_files import read_regular

_MAX_BYTES = 2**28


class FinishedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A finished picture: the `key` of its run, its file's name in the folder, and its seed."""

    key: str
    file: str
    seed: int


class RunProgress:
    """The finished runs recorded in `file`. Lines that a kill has cut short, or that make no sense, are ignored."""

    def __init__(self, file: Path) -> None:
        """Read the file, if there is one; raises OutputError if it cannot be read."""
        self.file = file
        self.finished: dict[str, FinishedRun] = {}
        try:
            content = read_regular(file, _MAX_BYTES) if os.path.lexists(file) else b""
        except OSError as problem:
            raise self._error(problem) from problem
        self._ends_in_line = content.endswith(b"\n") or not content
        for line in content.splitlines():
            try:
                one = msgspec.json.decode(line, type=FinishedRun)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if Path(one.file).name == one.file and (file.parent / one.file).is_file():
                self.finished[one.key] = one

    def add(self, run: FinishedRun) -> None:
        """Record a finished run on the disk; raises OutputError."""
        content: dict[str, Any] = msgspec.to_builtins(run)
        line = json.dumps(content).encode() + b"\n"
        try:
            with self.file.open("ab") as stream:
                stream.write(line if self._ends_in_line else b"\n" + line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as problem:
            raise self._error(problem) from problem
        self._ends_in_line = True
        self.finished[run.key] = run

    def _error(self, problem: OSError) -> OutputError:
        return OutputError(
            f"{self.file} cannot be used, so that finished pictures could not be recorded.",
            why=describe_error(problem),
            next_step="Choose another folder, or free space there.",
        )
