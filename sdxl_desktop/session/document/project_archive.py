"""A zip file from anywhere, opened without trust: every size is bounded before anything is unpacked."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from pathlib import Path
from types import TracebackType

_MAX_DIRECTORY_BYTES = 2**20
"""Bytes of the central directory; ten thousand members need half of that."""
_MEMBER_NAME = re.compile(r"(?!.*\.\.)[\w-][\w.-]{0,119}(/[\w-][\w.-]{0,119}){0,3}")
"""Relative, without a way up, without backslashes or drives."""
_COMPRESSION_METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
)  # the others may ask for hundreds of megabytes to begin with


class _BoundedFile(io.FileIO):
    """A file that hands out no more than `limit` bytes at once while there is a limit.

    `zipfile` reads the central directory whole, however large it says it is; this is the only way to bound it that
    looks at the very number that `zipfile` does.
    """

    limit: int | None = None

    def read(self, size: int | None = -1) -> bytes:
        if self.limit is not None and size is not None and size > self.limit:
            raise zipfile.BadZipFile("its directory is too long")
        return super().read(size) or b""


class ProjectArchive:
    """A zip file to be read member by member; use it in a `with` block.

    Opening and reading raise OSError, BadZipFile, KeyError, ValueError, RuntimeError, NotImplementedError, EOFError
    or zlib.error over what cannot be read.
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
        """Bytes of a member, as far as the archive can be believed."""
        info = self._zip.getinfo(name)
        stored = info.compress_type == zipfile.ZIP_STORED
        if info.compress_type not in _COMPRESSION_METHODS or info.flag_bits & 1:
            raise ValueError(f"{name} is packed in a way that projects are not")
        if info.header_offset + info.compress_size > self._size or (stored and info.compress_size != info.file_size):
            raise ValueError(f"{name} lies about its size")
        return info.file_size

    def read_prefix(self, name: str, size: int) -> bytes:
        """The first `size` bytes of a member, or fewer."""
        self.size(name)
        with self._zip.open(name) as member:
            return member.read(size)

    def read(self, name: str, limit: int) -> bytes:
        """A whole member, whose check sum is right; raises ValueError when it has more than `limit` bytes."""
        size = self.size(name)
        if size > limit:
            raise ValueError(f"{name} is too long")
        with self._zip.open(name) as member:  # `ZipFile.read` would unpack all there is before it looks at the size
            content = member.read(size)
            if len(content) != size or member.read(1):  # at the end the check sum is looked at
                raise ValueError(f"{name} lies about its size")
        return content
