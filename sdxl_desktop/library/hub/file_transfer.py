"""Brings one file from the hub, going on where an earlier attempt ended, and checks it. Only for the own process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

import httpx

from sdxl_desktop.library.hub.hub_client import HubClient, iter_decoded, raise_for_status
from sdxl_desktop.library.hub.hub_errors import ChecksumMismatchError, disk_error
from sdxl_desktop.library.hub.remote_files import RemoteFile
from sdxl_desktop.library.hub.retry import Retrier

_CHUNK = 1 << 20
ByteCountCallback = Callable[[int], None]


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def new_hash(file: RemoteFile) -> _Hash:
    """What `file.content` is made with: SHA-256 for large files, Git's SHA-1 of a blob for the others."""
    if file.sha256:
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)


class FileTransfer:
    """Of the file at `url` into `partial`, which another process may have begun. `on_bytes` hears of bytes as they are
    written, `on_found` of those that were there (below zero where they are thrown away), `received` counts those that
    came over the line."""

    def __init__(
        self,
        url: str,
        client: HubClient,
        file: RemoteFile,
        partial: Path,
        *,
        on_existing: ByteCountCallback,
        on_bytes: ByteCountCallback,
    ) -> None:
        self._url, self._client = url, client
        self._file, self._partial = file, partial
        self._on_existing, self._on_bytes = on_existing, on_bytes
        self._digest = new_hash(file)
        self._size = self._max_size = 0
        self.received_bytes = 0

    def run(self, retrier: Retrier) -> None:
        """Leave the whole, verified file in `partial`. A file with another content than it should have is fetched once
        more from its start. Raises HubError; what came stays in `partial` unless it is known to be wrong."""
        try:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            for attempt in (1, 2):
                with self._partial.open("a+b", buffering=0) as stream:
                    self._hash_existing(stream)
                    retrier.call(lambda: self._receive(stream, retrier))
                    os.fsync(stream.fileno())
                if self._digest.hexdigest() == self._file.content_hash:
                    return
                self._partial.unlink()
                self._on_existing(-self._size)
                if attempt == 2:
                    raise self._checksum_error()
        except httpx.HTTPError:
            raise
        except OSError as problem:
            raise disk_error(problem, str(self._partial.parent)) from problem

    def _hash_existing(self, stream: BinaryIO) -> None:
        """Read what is there already into the digest."""
        self._digest, self._size = new_hash(self._file), 0
        stream.seek(0)
        while data := stream.read(_CHUNK):
            self._digest.update(data)
            self._size += len(data)
            self._on_existing(len(data))
        if self._size > self._file.size:
            self._restart(stream)

    def _restart(self, stream: BinaryIO) -> None:
        self._on_existing(-self._size)
        stream.truncate(0)
        self._digest, self._size = new_hash(self._file), 0

    def _receive(self, stream: BinaryIO, retrier: Retrier) -> None:
        """One connection: take what it brings. Returns when all bytes are there, else raises what ended it."""
        if self._size == self._file.size:
            return
        wanted = {"Range": f"bytes={self._size}-"} if self._size else {}
        with self._client.stream(self._url, wanted) as response:
            if response.status_code == 416:  # it has fewer bytes than are here
                self._restart(stream)
                raise httpx.RemoteProtocolError("the hub knows no such part of the file")
            raise_for_status(response)
            if self._size and not self._is_continuation(response):
                self._restart(stream)
            for data in iter_decoded(response, self._file.size):  # as they come: a cut loses nothing that was here
                self._write(stream, data)
                if self._size > self._max_size:  # not where a server begins at the start again and again
                    self._max_size = self._size
                    retrier.reset_failures()
                if self._size == self._file.size:
                    break  # whatever follows cannot belong to it, and may have no end
        if self._size < self._file.size:
            raise httpx.RemoteProtocolError("the connection ended before the file did")

    def _is_continuation(self, response: httpx.Response) -> bool:
        """Whether the answer goes on where this file ends, and is not the whole file again."""
        said = response.headers.get("content-range", "")
        return response.status_code == 206 and said.startswith(f"bytes {self._size}-")

    def _write(self, stream: BinaryIO, data: bytes) -> None:
        self.received_bytes += len(data)
        rest = memoryview(data)[: max(0, self._file.size - self._size)]  # what is too much cannot belong to it
        while rest:
            written = stream.write(rest)
            self._digest.update(bytes(rest[:written]))
            self._size += written
            self._on_bytes(written)
            rest = rest[written:]

    def _checksum_error(self) -> ChecksumMismatchError:
        kind = "SHA-256" if self._file.sha256 else "Git hash"
        return ChecksumMismatchError(
            f"{self._file.path} came damaged, twice.",
            why=f"Its {kind} should be {self._file.content_hash[:12]}… and is {self._digest.hexdigest()[:12]}….",
            next_step="Try again later, or without the mirror or proxy if you use one.",
        )
