"""The hub's file listing: files with sizes and hashes, and the layout of the selected ones."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from sdxl_desktop.library.hub.safe_names import is_safe_path


class DownloadLayout(StrEnum):
    """What the selected files form together."""

    DIFFUSERS = "diffusers"
    OPENVINO = "openvino"
    SINGLE_FILE = "single file"
    PART = "part"
    """One network with its config.json, such as a VAE."""


_SHA1_DIGITS, _SHA256_DIGITS = 40, 64
"""Hexadecimal digits."""
MAX_FILE_BYTES = 2**42
_REPOSITORY_PATTERN = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def is_hash(text: str, digits: tuple[int, ...] = (_SHA1_DIGITS, _SHA256_DIGITS)) -> bool:
    """Whether `text` is a hash as Git and the hub write it: that many lower-case hexadecimal digits."""
    return len(text) in digits and not text.strip("0123456789abcdef")


def is_repo_id(text: str) -> bool:
    """Whether `text` is a valid repository id: "owner/name"."""
    return _REPOSITORY_PATTERN.fullmatch(text) is not None and ".." not in text


class RemoteFile(msgspec.Struct, frozen=True):
    """`path` in its repository; `size` in bytes; `sha256` for large files, else "" and `blob` is Git's object id: SHA-1
    of "blob <size>\\0" and the content. Raises ValueError for a path that could leave the download's folder, an
    impossible size, or an invalid hash."""

    path: str
    size: int
    sha256: str = ""
    blob: str = ""

    def __post_init__(self) -> None:
        if not self.path or not is_safe_path(self.path):
            raise ValueError("no path of a file")
        if not 0 <= self.size <= MAX_FILE_BYTES:
            raise ValueError("no size of a file")
        if not is_hash(self.sha256, (0, _SHA256_DIGITS)) or not is_hash(self.blob, (0, _SHA1_DIGITS, _SHA256_DIGITS)):
            raise ValueError("no hash")

    @property
    def content_hash(self) -> str:
        """A key for exactly this content."""
        return self.sha256 or self.blob


class HubListing(msgspec.Struct, frozen=True, kw_only=True):
    """The files to download. `commit` pins the revision, so that a resumed download gets the same files.

    `licence` is the hub's name for it, "" if the repository states none; `gated` repositories require their licence to
    be accepted on `page` first. Raises ValueError for an invalid repository id or commit.
    """

    repo: str
    commit: str
    layout: DownloadLayout
    files: tuple[RemoteFile, ...]
    licence: str = ""
    gated: bool = False
    page: str = ""

    def __post_init__(self) -> None:
        if not is_repo_id(self.repo) or not is_safe_path(self.commit):
            raise ValueError("no repository, or no commit of it")

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)
