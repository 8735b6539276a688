"""The folder in which a checkpoint comes together: finished parts are kept through kills, the rest is begun again.

It lies in the library's own folder under a name that the library never looks at, so that the finished checkpoint is
moved to its place by one rename, and is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock

from sdxl_desktop.core.file_hashes import file_state
from sdxl_desktop.core.untrusted_files import UntrustedFileError, read_json_object
from sdxl_desktop.library.detect.import_errors import ImportFailedError

WORK_FOLDER_NAME = ".importing"
RECORD_FILE = "import.json"
"""In a finished checkpoint: where it came from, and size and hash of each of its files."""
_MANIFEST = "manifest.json"
_VERSION = 1
_CHUNK = 1 << 22
_LOCK_TIMEOUT = 3.0
"""Seconds: what a killed process held is let go a little after its end."""

FileHashes = dict[str, dict[str, Any]]
"""Size and hash by a file's name."""
ByteCountCallback = Callable[[int], None]


def source_key(path: Path, files: tuple[Path, ...], weights: str) -> str:
    """A name for the work of converting exactly these files, as they are now, to `weights`."""
    digest = hashlib.blake2b(f"{_VERSION} {weights} {path.resolve()}".encode(), digest_size=10)
    for file in files:
        digest.update(f"{file.resolve()} {file_state(file)}".encode())
    return digest.hexdigest()


def hash_file(file: Path, progress: ByteCountCallback = lambda count: None) -> dict[str, Any]:
    """Size and BLAKE2b hash of `file`, read once."""
    digest, size = hashlib.blake2b(digest_size=16), 0
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            progress(len(chunk))
    return {"size": size, "hash": digest.hexdigest()}


def write_json(file: Path, content: object) -> None:
    """Write `content` beside its place and move it there, so that a kill leaves the old or the new."""
    writing = file.with_name(f"{file.name}.writing")
    with writing.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    writing.replace(file)


class ConversionFolder:
    """`whole` is what becomes the checkpoint; `manifest.json` says which parts in it are finished."""

    def __init__(self, home: Path, key: str) -> None:
        self.folder = home / WORK_FOLDER_NAME / key
        self.whole = self.folder / "whole"
        self.spool = self.folder / "spool"
        self._writing = self.folder / "writing"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Work in it alone. What an earlier, killed holder left half done is thrown away.

        Raises ImportFailedError when another process works in it, or when it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.folder / "lock", timeout=_LOCK_TIMEOUT):
                for unfinished in (self._writing, self.spool):
                    shutil.rmtree(unfinished, ignore_errors=True)
                self.whole.mkdir(exist_ok=True)
                yield
        except filelock.Timeout as problem:
            raise ImportFailedError(
                "This checkpoint is being imported already.",
                next_step="Wait until the other import has finished, or stop it.",
            ) from problem
        except OSError as problem:
            raise ImportFailedError(
                f"The checkpoint cannot be written in {self.folder.parent.parent}.",
                why=f"{problem.strerror or problem}.",
                next_step="Make room on the disk, or choose another folder for checkpoints in the settings.",
            ) from problem

    def finished(self, part: str, progress: ByteCountCallback = lambda count: None) -> bool:
        """Whether `part` is there as it was when it was finished; else it is removed."""
        files = self._manifest().get(part)
        folder = self.whole / part
        if (
            files
            and folder.is_dir()
            and all(_is_intact(folder / name, about, progress) for name, about in files.items())
        ):
            return True
        shutil.rmtree(folder, ignore_errors=True)
        return False

    def part_bytes(self, part: str) -> int:
        """Bytes of `part` when it was finished; 0 when it was not."""
        return sum(about["size"] for about in self._manifest().get(part, {}).values())

    def done_bytes(self) -> int:
        """Bytes of the parts that were finished, without looking whether they still are."""
        return sum(about["size"] for files in self._manifest().values() for about in files.values())

    @contextlib.contextmanager
    def part(self, part: str, progress: ByteCountCallback = lambda count: None) -> Iterator[Path]:
        """Yields an empty folder to write `part` in; afterwards it is hashed, moved to its place and kept."""
        shutil.rmtree(self._writing, ignore_errors=True)
        self._writing.mkdir(parents=True)
        yield self._writing
        files = {file.name: hash_file(file, progress) for file in sorted(self._writing.iterdir())}
        for file in self._writing.iterdir():
            _fsync(file)
        shutil.rmtree(self.whole / part, ignore_errors=True)
        self._writing.rename(self.whole / part)
        write_json(self.folder / _MANIFEST, {**self._manifest(), part: files})

    def finish(self, about: dict[str, Any]) -> None:
        """Write the record of all files, `about` in it. Parts are not read again: they were hashed when written."""
        known = self._manifest()
        files: FileHashes = {}
        for file in sorted(self.whole.rglob("*")):
            if file.is_file() and file.name != RECORD_FILE:
                name = file.relative_to(self.whole)
                files[name.as_posix()] = known.get(name.parts[0], {}).get(name.name) or hash_file(file)
        write_json(self.whole / RECORD_FILE, {"version": _VERSION, **about, "files": files})

    def move_to(self, place: Path) -> None:
        """Make it the checkpoint at `place`, at once; raises ImportFailedError when something is there."""
        if place.exists():
            raise ImportFailedError(
                f"There is a checkpoint called {place.name} already.", next_step="Give this one another name."
            )
        try:
            self.whole.rename(place)
        except OSError as problem:
            raise ImportFailedError(
                f"The finished checkpoint cannot be moved to {place}.",
                why=f"{problem.strerror or problem}.",
                next_step="Import it again: what is finished is kept.",
            ) from problem
        self.discard()

    def discard(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.folder.parent.rmdir()  # unless another import is under way

    def _manifest(self) -> dict[str, FileHashes]:
        try:
            return read_json_object(self.folder / _MANIFEST)
        except UntrustedFileError:
            return {}


def _is_intact(file: Path, recorded: dict[str, Any], progress: ByteCountCallback) -> bool:
    return file.is_file() and file.stat().st_size == recorded["size"] and hash_file(file, progress) == recorded


def _fsync(file: Path) -> None:
    with file.open("rb") as stream, contextlib.suppress(OSError):
        os.fsync(stream.fileno())
