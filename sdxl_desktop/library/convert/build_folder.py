"""The folder in which a checkpoint is built: finished parts survive kills, unfinished ones are restarted.

It lies in the library folder under a name that the library ignores, so the finished checkpoint is moved into place by
one atomic rename and is never incomplete.
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
"""In a finished checkpoint: its source, and the size and hash of each of its files."""
SOURCE_FILE, SOURCE_SHA256 = "source_file", "source_sha256"
"""In the record: name and SHA-256 of the file that was imported, if it was one file."""
_MANIFEST = "manifest.json"
_VERSION = 1
_CHUNK = 1 << 22
_LOCK_TIMEOUT = 3.0
"""Seconds: the lock of a killed process is released shortly after its end."""

FileHashes = dict[str, dict[str, Any]]
"""Size and hash by file name."""
ByteCountCallback = Callable[[int], None]


def source_key(path: Path, files: tuple[Path, ...], weights: str) -> str:
    """Return a key for the conversion of exactly these files, in their current state, to `weights`."""
    digest = hashlib.blake2b(f"{_VERSION} {weights} {path.resolve()}".encode(), digest_size=10)
    for file in files:
        digest.update(f"{file.resolve()} {file_state(file)}".encode())
    return digest.hexdigest()


def hash_file(file: Path, progress: ByteCountCallback = lambda count: None) -> dict[str, Any]:
    """Return the size and BLAKE2b hash of `file`, read once."""
    digest, size = hashlib.blake2b(digest_size=16), 0
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            progress(len(chunk))
    return {"size": size, "hash": digest.hexdigest()}


def write_json(file: Path, content: object) -> None:
    """Write `content` to a temporary file and rename it, so that a kill leaves either the old or the new content."""
    writing = file.with_name(f"{file.name}.writing")
    with writing.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    writing.replace(file)


class ConversionFolder:
    """`whole` becomes the checkpoint; `manifest.json` lists its finished parts."""

    def __init__(self, home: Path, key: str) -> None:
        self.folder = home / WORK_FOLDER_NAME / key
        self.whole = self.folder / "whole"
        self.spool = self.folder / "spool"
        self._writing = self.folder / "writing"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder's lock. Unfinished files of an earlier, killed holder are deleted.

        Raises ImportFailedError if another process holds it, or if it cannot be written.
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
        """Whether `part` is unchanged since it was finished; otherwise it is removed."""
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
        """Bytes of `part` when it was finished; 0 if it was not."""
        return sum(about["size"] for about in self._manifest().get(part, {}).values())

    def done_bytes(self) -> int:
        """Bytes of the finished parts, without checking them."""
        return sum(about["size"] for files in self._manifest().values() for about in files.values())

    @contextlib.contextmanager
    def part(self, part: str, progress: ByteCountCallback = lambda count: None) -> Iterator[Path]:
        """Yield an empty folder to write `part` in; afterwards its files are hashed and moved into place."""
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
        """Write the record of all files, including `about`. Parts are not read again: they were hashed when written."""
        known = self._manifest()
        files: FileHashes = {}
        for file in sorted(self.whole.rglob("*")):
            if file.is_file() and file.name != RECORD_FILE:
                name = file.relative_to(self.whole)
                files[name.as_posix()] = known.get(name.parts[0], {}).get(name.name) or hash_file(file)
        write_json(self.whole / RECORD_FILE, {"version": _VERSION, **about, "files": files})

    def move_to(self, place: Path) -> None:
        """Rename the checkpoint to `place`, atomically; raises ImportFailedError if `place` exists."""
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
        """Delete the folder and its contents."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.folder.parent.rmdir()  # fails if another import is running

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
