"""Query a repository's commit, files with sizes and hashes, and licence. Only for the worker process.

Responses are not trusted: file names that could leave the download's folder are skipped, and files without a content
hash are rejected.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from sdxl_desktop.library.hub.error_mapping import invalid_response_error
from sdxl_desktop.library.hub.file_selection import relative_path, select_files
from sdxl_desktop.library.hub.hub_address import HubAddress
from sdxl_desktop.library.hub.hub_client import HubClient
from sdxl_desktop.library.hub.hub_errors import HubError
from sdxl_desktop.library.hub.remote_files import MAX_FILE_BYTES, DownloadLayout, HubListing, RemoteFile, is_hash
from sdxl_desktop.library.hub.retry import HubCredentials, OnWait, Retrier
from sdxl_desktop.library.hub.safe_names import find_collision, is_safe_path

_MAX_LICENCE_LENGTH = 100


class _CardData(msgspec.Struct):
    license: object = None
    license_name: object = None


class _ModelInfo(msgspec.Struct, rename={"card_data": "cardData"}):
    """The fields of the API's repository information that are used here."""

    sha: str | None = None
    card_data: _CardData | None = None
    tags: list[str] | None = None
    gated: bool | str | None = None


class _LfsInfo(msgspec.Struct):
    oid: str
    size: int


class _TreeEntry(msgspec.Struct):
    """A file or folder of the API's tree; files stored with Git LFS have `lfs`."""

    type: str
    path: str
    oid: str = ""
    size: int = 0
    lfs: _LfsInfo | None = None


def list_repo(address: HubAddress, credentials: HubCredentials, on_wait: OnWait, *, openvino: bool) -> HubListing:
    """Return the files needed from `address`. Raises HubError."""
    persistence = Retrier(credentials, address.repo, on_wait)
    with HubClient(credentials.token) as client:
        about, commit, tree = _fetch_tree(address, client, persistence)
    plain = {entry.path: entry for entry in tree if entry.type == "file" and is_safe_path(entry.path)}
    layout, chosen = select_files((_unverified_file(entry) for entry in plain.values()), address, openvino=openvino)
    files = tuple(_verified_file(plain[file.path]) for file in chosen)
    _check_path_collisions(files, layout, address)
    return HubListing(
        repo=address.repo,
        commit=commit,
        layout=layout,
        files=files,
        licence=_licence(about),
        gated=bool(about.gated),
        page=address.page,
    )


def _fetch_tree(address: HubAddress, client: HubClient, retrier: Retrier) -> tuple[_ModelInfo, str, list[_TreeEntry]]:
    """Return the repository information, the commit that `address` means, and its files."""
    api = f"/api/models/{address.repo}"
    about = retrier.call(lambda: client.get_json(f"{api}/revision/{quote(address.revision, safe='')}", _ModelInfo))
    commit = about.sha or ""
    if not is_hash(commit):
        raise invalid_response_error("It does not say which commit that is.")
    everything = {"recursive": "true", "expand": "false"}
    tree = retrier.call(lambda: client.get_paginated(f"{api}/tree/{commit}", list[_TreeEntry], everything))
    return about, commit, tree


def _unverified_file(entry: _TreeEntry) -> RemoteFile:
    """Not validated yet: a repository may contain many files that are not needed."""
    size = entry.lfs.size if entry.lfs is not None else entry.size
    return RemoteFile(entry.path, min(max(0, size), MAX_FILE_BYTES))


def _verified_file(entry: _TreeEntry) -> RemoteFile:
    size, digest = (entry.lfs.size, entry.lfs.oid) if entry.lfs is not None else (entry.size, entry.oid)
    try:
        if not digest:
            raise ValueError("no hash")
        kind = "blob" if entry.lfs is None else "sha256"
        return RemoteFile(entry.path, size, **{kind: digest})
    except ValueError as problem:
        raise HubError(
            f"What the hub says of {entry.path} makes no sense.",
            why=f"It gives {min(size, 2 * MAX_FILE_BYTES):,} bytes and {digest[:40]!r}, "
            "and that is no size or no hash.",
            next_step="Try again later, or without the mirror if you use one.",
        ) from problem


def _check_path_collisions(files: tuple[RemoteFile, ...], layout: DownloadLayout, address: HubAddress) -> None:
    if same := find_collision(relative_path(file, layout, address) for file in files):
        raise HubError(
            f"Two files of {address.repo} would lie in one place.",
            why=f"{same} and another differ in upper and lower case alone, or one is a folder of the other.",
            next_step="Tell the repository's owner, or choose another one.",
        )


def _licence(info: _ModelInfo) -> str:
    """The name of a custom licence, if any ("sai-nc-community"), else the identifier."""
    card = info.card_data or _CardData()
    named = next((name for name in (card.license_name, card.license) if isinstance(name, str) and name), "")
    if not named:
        named = next((tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")), "")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in named).split())[:_MAX_LICENCE_LENGTH]
