"""Download one file from the hub, resuming an earlier attempt, and verify it. Only for the worker process."""

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
    """Return the hash for `file.content_hash`: SHA-256 for large files, Git's SHA-1 of a blob for others."""
    if file.sha256:
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)


class FileTransfer:
    """The transfer of the file at `url` to `partial`, which another process may have started. `on_bytes` is called with
    bytes as they are written, `on_existing` with those that existed (negative if discarded); `received_bytes` counts
    the bytes downloaded."""

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
        """Write the complete, verified file to `partial`. A file whose content is wrong is downloaded once more from
        its start. Raises HubError; the received bytes stay in `partial` unless they are known to be wrong."""
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
        """Feed the existing bytes to the hash."""
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
        """Receive over one connection. Returns when all bytes are there, else raises the error that ended it."""
        if self._size == self._file.size:
            return
        wanted = {"Range": f"bytes={self._size}-"} if self._size else {}
        with self._client.stream(self._url, wanted) as response:
            if response.status_code == 416:  # the server's file is shorter than ours
                self._restart(stream)
                raise httpx.RemoteProtocolError("the hub knows no such part of the file")
            raise_for_status(response)
            if self._size and not self._is_continuation(response):
                self._restart(stream)
            for data in iter_decoded(response, self._file.size):  # in pieces: a broken connection loses none of them
                self._write(stream, data)
                if self._size > self._max_size:  # not if a server starts from the beginning again and again
                    self._max_size = self._size
                    retrier.reset_failures()
                if self._size == self._file.size:
                    break  # the rest is not part of the file and may be endless
        if self._size < self._file.size:
            raise httpx.RemoteProtocolError("the connection ended before the file did")

    def _is_continuation(self, response: httpx.Response) -> bool:
        """Whether the response continues at the end of this file rather than sending the whole file again."""
        content_range = response.headers.get("content-range", "")
        return response.status_code == 206 and content_range.startswith(f"bytes {self._size}-")

    def _write(self, stream: BinaryIO, data: bytes) -> None:
        self.received_bytes += len(data)
        rest = memoryview(data)[: max(0, self._file.size - self._size)]  # excess bytes are not part of the file
        while rest:
            written = stream.write(rest)
            self._digest.update(bytes(rest[:written]))
            self._size += written
            self._on_bytes(written)
            rest = rest[written:]

    def _checksum_error(self) -> ChecksumMismatchError:
        kind = "SHA-256" if self._file.sha256 else "Git hash"
        return ChecksumMismatchError(
            f"{self._file.path} was damaged in two downloads.",
            why=f"Its {kind} should be {self._file.content_hash[:12]}… and is {self._digest.hexdigest()[:12]}….",
            next_step="Try again later, or without the mirror or proxy if you use one.",
        )
