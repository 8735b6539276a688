"""What the hub says that it has: files with sizes and hashes, and which of them are wanted."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Layout(StrEnum):
    """What the wanted files make together."""

    DIFFUSERS = "diffusers"
    OPENVINO = "openvino"
    SINGLE_FILE = "single file"
    PART = "part"
    """One network with its config.json, such as a VAE."""


class RemoteFile(msgspec.Struct, frozen=True):
    """`path` in its repository; `size` in bytes; `sha256` of large files, else "" and `blob` is Git's name for it:
    SHA-1 of "blob <size>\\0" and the content."""

    path: str
    size: int
    sha256: str = ""
    blob: str = ""

    @property
    def content(self) -> str:
        """A name for exactly this content."""
        return self.sha256 or self.blob


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What will be downloaded. `commit` pins the revision, so that a download that goes on later is of the same files.

    `licence` is the hub's name for it, "" where the repository states none; `gated` repositories want their licence
    accepted on `page` first.
    """

    repo: str
    commit: str
    layout: Layout
    files: tuple[RemoteFile, ...]
    licence: str = ""
    gated: bool = False
    page: str = ""

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)
