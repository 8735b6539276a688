"""Brings one file from the hub, going on where an earlier attempt ended, and checks it. Only for the own process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

import httpx

from sdxl_desktop.library.hub.client import HubClient, plain_bytes, raise_for_status
from sdxl_desktop.library.hub.errors import DamagedDownloadError, disk_problem
from sdxl_desktop.library.hub.files import RemoteFile
from sdxl_desktop.library.hub.retry import Persistence

_CHUNK = 1 << 20
OnBytes = Callable[[int], None]


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def new_digest(file: RemoteFile) -> _Digest:
    """What `file.content` is made with: SHA-256 for large files, Git's SHA-1 of a blob for the others."""
    if file.sha256:
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)


class Transfer:
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
        on_found: OnBytes,
        on_bytes: OnBytes,
    ) -> None:
        self._url, self._client = url, client
        self._file, self._partial = file, partial
        self._on_found, self._on_bytes = on_found, on_bytes
        self._digest = new_digest(file)
        self._have = self._furthest = 0
        self.received = 0

    def fetch(self, persistence: Persistence) -> None:
        """Leave the whole, verified file in `partial`. A file with another content than it should have is fetched once
        more from its start. Raises HubError; what came stays in `partial` unless it is known to be wrong."""
        try:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            for attempt in (1, 2):
                with self._partial.open("a+b", buffering=0) as stream:
                    self._take_stock(stream)
                    persistence.until_done(lambda: self._go_on(stream, persistence))
                    os.fsync(stream.fileno())
                if self._digest.hexdigest() == self._file.content:
                    return
                self._partial.unlink()
                self._on_found(-self._have)
                if attempt == 2:
                    raise self._wrong()
        except httpx.HTTPError:
            raise
        except OSError as problem:
            raise disk_problem(problem, str(self._partial.parent)) from problem

    def _take_stock(self, stream: BinaryIO) -> None:
        """Read what is there already into the digest."""
        self._digest, self._have = new_digest(self._file), 0
        stream.seek(0)
        while data := stream.read(_CHUNK):
            self._digest.update(data)
            self._have += len(data)
            self._on_found(len(data))
        if self._have > self._file.size:
            self._begin_again(stream)

    def _begin_again(self, stream: BinaryIO) -> None:
        self._on_found(-self._have)
        stream.truncate(0)
        self._digest, self._have = new_digest(self._file), 0

    def _go_on(self, stream: BinaryIO, persistence: Persistence) -> None:
        """One connection: take what it brings. Returns when all bytes are there, else raises what ended it."""
        if self._have == self._file.size:
            return
        wanted = {"Range": f"bytes={self._have}-"} if self._have else {}
        with self._client.stream(self._url, wanted) as response:
            if response.status_code == 416:  # it has fewer bytes than are here
                self._begin_again(stream)
                raise httpx.RemoteProtocolError("the hub knows no such part of the file")
            raise_for_status(response)
            if self._have and not self._continues(response):
                self._begin_again(stream)
            for data in plain_bytes(response, self._file.size):  # as they come: a cut loses nothing that was here
                self._write(stream, data)
                if self._have > self._furthest:  # not where a server begins at the start again and again
                    self._furthest = self._have
                    persistence.progressed()
                if self._have == self._file.size:
                    break  # whatever follows cannot belong to it, and may have no end
        if self._have < self._file.size:
            raise httpx.RemoteProtocolError("the connection ended before the file did")

    def _continues(self, response: httpx.Response) -> bool:
        """Whether the answer goes on where this file ends, and is not the whole file again."""
        said = response.headers.get("content-range", "")
        return response.status_code == 206 and said.startswith(f"bytes {self._have}-")

    def _write(self, stream: BinaryIO, data: bytes) -> None:
        self.received += len(data)
        rest = memoryview(data)[: max(0, self._file.size - self._have)]  # what is too much cannot belong to it
        while rest:
            written = stream.write(rest)
            self._digest.update(bytes(rest[:written]))
            self._have += written
            self._on_bytes(written)
            rest = rest[written:]

    def _wrong(self) -> DamagedDownloadError:
        kind = "SHA-256" if self._file.sha256 else "Git hash"
        return DamagedDownloadError(
            f"{self._file.path} came damaged, twice.",
            why=f"Its {kind} should be {self._file.content[:12]}… and is {self._digest.hexdigest()[:12]}….",
            next_step="Try again later, or without the mirror or proxy if you use one.",
        )
