"""Verify that a checkpoint is unchanged: by recorded hashes if there are any, else by the sizes of its parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdxl_desktop.core.additions import file_name_only
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.parts import GRAPH, OPENVINO_PARTS, WEIGHTS
from sdxl_desktop.formats.format_errors import DamagedFileError
from sdxl_desktop.formats.json_files import read_json_or_empty
from sdxl_desktop.library.convert.build_folder import RECORD_FILE, SOURCE_FILE, SOURCE_SHA256, hash_file
from sdxl_desktop.library.scan import read_checkpoint

_SHA256 = re.compile("[0-9a-f]{64}")
_GRAPH_LIMIT = 256 * 2**20
_CONSTANT_OFFSET_AND_SIZE = re.compile(rb'offset="(\d+)"[^>]*?\bsize="(\d+)"|\bsize="(\d+)"[^>]*?offset="(\d+)"')


def read_import_record(folder: Path) -> dict[str, Any]:
    """Return what was recorded when the checkpoint in `folder` was imported (source, weights, family, files), or {}."""
    try:
        return read_json_or_empty(folder / RECORD_FILE)
    except DamagedFileError:
        return {}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The one file that a checkpoint was imported from: its name without suffix, and its SHA-256, 64 digits; "" if
    unknown."""

    name: str = ""
    sha256: str = ""


def read_source_file(folder: Path) -> SourceFile:
    """Return what is known of the file that the checkpoint in `folder` was imported from; never raises."""
    record = read_import_record(folder)
    name, digest = record.get(SOURCE_FILE), record.get(SOURCE_SHA256)
    return SourceFile(
        file_name_only(Path(name[:255])).stem if isinstance(name, str) else "",
        digest if isinstance(digest, str) and _SHA256.fullmatch(digest) else "",
    )


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """`problems` are readable messages, empty if all is well; `files` is the number of files checked, `by_hash` whether
    hashes were compared."""

    problems: tuple[str, ...]
    files: int
    by_hash: bool


def verify_checkpoint(folder: Path, progress: Callable[[int], None] = lambda count: None) -> VerificationResult:
    """Check every file of the checkpoint in `folder`."""
    problems: list[str] = []
    try:
        read_checkpoint(folder)
        recorded = read_json_or_empty(folder / RECORD_FILE).get("files")
    except SdxlDesktopError as problem:
        return VerificationResult((str(problem),), 0, by_hash=False)
    if not isinstance(recorded, dict):
        try:
            count = check_part_sizes(folder)
        except DamagedFileError as problem:
            return VerificationResult((str(problem),), 0, by_hash=False)
        return VerificationResult((), count, by_hash=False)
    for name, about in recorded.items():
        if wrong := _file_problem(folder, str(name), about, progress):
            problems.append(wrong)
    return VerificationResult(tuple(problems), len(recorded), by_hash=True)


def _file_problem(folder: Path, name: str, recorded: Any, progress: Callable[[int], None]) -> str:
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()) or not isinstance(recorded, dict):
        return f"The record of {name[:80]} makes no sense."
    if not file.is_file():
        return f"{name} is missing."
    if file.stat().st_size != recorded.get("size"):
        return f"{name} has {file.stat().st_size:,} bytes, and had {recorded.get('size'):,}."
    return "" if hash_file(file, progress) == recorded else f"{name} has changed since it was imported."


def check_part_sizes(folder: Path) -> int:
    """Raise DamagedFileError unless the .bin of every OpenVINO part in `folder` contains all the weights that its graph
    refers to; returns the number of files checked."""
    count = 0
    for part in OPENVINO_PARTS:
        graph, weights = (folder / part / name for name in (GRAPH, WEIGHTS))
        if not graph.is_file():
            continue
        count += 2
        if graph.stat().st_size > _GRAPH_LIMIT or not graph.read_bytes()[-200:].rstrip().endswith(b"</net>"):
            raise _incomplete_error(folder, f"The graph of its {part.replace('_', ' ')} is not whole.")
        places = _CONSTANT_OFFSET_AND_SIZE.findall(graph.read_bytes())
        needed = max((int(a or d) + int(b or c) for a, b, c, d in places), default=0)
        there = weights.stat().st_size if weights.is_file() else 0
        if there < needed:
            raise _incomplete_error(
                folder, f"The weights of its {part.replace('_', ' ')} have {there:,} bytes of {needed:,}."
            )
    return count


def _incomplete_error(folder: Path, why: str) -> DamagedFileError:
    return DamagedFileError(f"{folder.name} is not whole.", why=why, next_step="Copy, download or import it again.")
