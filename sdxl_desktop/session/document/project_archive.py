"""A zip file from an untrusted source: every size is limited before anything is unpacked."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from pathlib import Path
from types import TracebackType

_MAX_DIRECTORY_BYTES = 2**20
"""Maximum bytes of the central directory; ten thousand members need half of that."""
_MEMBER_NAME = re.compile(r"(?!.*\.\.)[\w-][\w.-]{0,119}(/[\w-][\w.-]{0,119}){0,3}")
"""Relative, without "..", backslashes or drives."""
_COMPRESSION_METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
)  # other methods may allocate hundreds of megabytes at the start


class _BoundedFile(io.FileIO):
    """A file that returns at most `limit` bytes per read while a limit is set.

    `zipfile` reads the central directory in one call, whatever size the file declares; this is the only way to limit
    exactly the number that `zipfile` uses.
    """

    limit: int | None = None

    def read(self, size: int | None = -1) -> bytes:
        if self.limit is not None and size is not None and size > self.limit:
            raise zipfile.BadZipFile("its directory is too long")
        return super().read(size) or b""


class ProjectArchive:
    """A zip file read member by member; use it in a `with` block.

    For unreadable files, opening and reading raise OSError, BadZipFile, KeyError, ValueError, RuntimeError,
    NotImplementedError, EOFError or zlib.error.
    """

    def __init__(self, path: Path) -> None:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("it is not a file")
        self._file = _BoundedFile(path)
        try:
            self._size = self._file.seek(0, io.SEEK_END)
            self._file.limit = _MAX_DIRECTORY_BYTES
            self._zip = zipfile.ZipFile(self._file)
            self._file.limit = None
            self._check_names()
        except BaseException:
            self._file.close()
            raise

    def _check_names(self) -> None:
        names = self._zip.namelist()
        if len(set(names)) != len(names):
            raise ValueError("it has two members of one name")
        for name in names:
            if not _MEMBER_NAME.fullmatch(name):
                raise ValueError(f"a member is called {name[:60]!r}")

    def __enter__(self) -> ProjectArchive:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()
        self._file.close()

    def size(self, name: str) -> int:
        """Size of a member in bytes, as declared by the archive."""
        info = self._zip.getinfo(name)
        stored = info.compress_type == zipfile.ZIP_STORED
        if info.compress_type not in _COMPRESSION_METHODS or info.flag_bits & 1:
            raise ValueError(f"{name} is packed in a way that projects are not")
        if info.header_offset + info.compress_size > self._size or (stored and info.compress_size != info.file_size):
            raise ValueError(f"{name} lies about its size")
        return info.file_size

    def read_prefix(self, name: str, size: int) -> bytes:
        """Return the first `size` bytes of a member, or fewer."""
        self.size(name)
        with self._zip.open(name) as member:
            return member.read(size)

    def read(self, name: str, limit: int) -> bytes:
        """Return a whole member with a verified checksum; raises ValueError if it exceeds `limit` bytes."""
        size = self.size(name)
        if size > limit:
            raise ValueError(f"{name} is too long")
        with self._zip.open(name) as member:  # `ZipFile.read` would unpack everything before checking the size
            content = member.read(size)
            if len(content) != size or member.read(1):  # the checksum is verified at the end
                raise ValueError(f"{name} lies about its size")
        return content
