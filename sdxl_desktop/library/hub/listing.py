"""Asks the hub what a repository holds: commit, files with sizes and hashes, licence. Only for the own process.

Whatever answers is not trusted: names that could lie elsewhere than in the download's folder are passed over, and
contents that are not named by their hash are refused.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from sdxl_desktop.library.hub.address import Address
from sdxl_desktop.library.hub.choosing import choose, relative_path
from sdxl_desktop.library.hub.client import HubClient
from sdxl_desktop.library.hub.errors import HubError
from sdxl_desktop.library.hub.files import MOST_BYTES, Layout, Listing, RemoteFile, is_digest
from sdxl_desktop.library.hub.problems import no_hub
from sdxl_desktop.library.hub.retry import Caller, OnWait, Persistence
from sdxl_desktop.library.hub.safe_names import colliding, is_plain_path

_LONGEST_LICENCE = 100


class _Card(msgspec.Struct):
    license: object = None
    license_name: object = None


class _About(msgspec.Struct, rename={"card": "cardData"}):
    """What the API says of a repository, as far as it counts here."""

    sha: str | None = None
    card: _Card | None = None
    tags: list[str] | None = None
    gated: bool | str | None = None


class _Large(msgspec.Struct):
    oid: str
    size: int


class _Entry(msgspec.Struct):
    """A file or a folder of the API's tree; what is kept as one large object has `lfs`."""

    type: str
    path: str
    oid: str = ""
    size: int = 0
    lfs: _Large | None = None


def ask(address: Address, caller: Caller, on_wait: OnWait, *, openvino: bool) -> Listing:
    """What `address` holds and which of it is needed. Raises HubError."""
    persistence = Persistence(caller, address.repo, on_wait)
    with HubClient(caller.token) as client:
        about, commit, tree = _asked(address, client, persistence)
    plain = {entry.path: entry for entry in tree if entry.type == "file" and is_plain_path(entry.path)}
    layout, chosen = choose((_sized(entry) for entry in plain.values()), address, openvino=openvino)
    files = tuple(_checked(plain[file.path]) for file in chosen)
    _check_places(files, layout, address)
    return Listing(
        repo=address.repo,
        commit=commit,
        layout=layout,
        files=files,
        licence=_licence(about),
        gated=bool(about.gated),
        page=address.page,
    )


def _asked(address: Address, client: HubClient, persistence: Persistence) -> tuple[_About, str, list[_Entry]]:
    """What is said of the repository, the commit that `address` means, and what is in that."""
    api = f"/api/models/{address.repo}"
    about = persistence.until_done(lambda: client.answer(f"{api}/revision/{quote(address.revision, safe='')}", _About))
    commit = about.sha or ""
    if not is_digest(commit):
        raise no_hub("It does not say which commit that is.")
    everything = {"recursive": "true", "expand": "false"}
    tree = persistence.until_done(lambda: client.pages(f"{api}/tree/{commit}", list[_Entry], everything))
    return about, commit, tree


def _sized(entry: _Entry) -> RemoteFile:
    """Not checked yet: a repository may hold much that is not wanted."""
    size = entry.lfs.size if entry.lfs is not None else entry.size
    return RemoteFile(entry.path, min(max(0, size), MOST_BYTES))


def _checked(entry: _Entry) -> RemoteFile:
    size, digest = (entry.lfs.size, entry.lfs.oid) if entry.lfs is not None else (entry.size, entry.oid)
    try:
        if not digest:
            raise ValueError("no hash")
        kind = "blob" if entry.lfs is None else "sha256"
        return RemoteFile(entry.path, size, **{kind: digest})
    except ValueError as problem:
        raise HubError(
            f"What the hub says of {entry.path} makes no sense.",
            why=f"It gives {min(size, 2 * MOST_BYTES):,} bytes and {digest[:40]!r}, and that is no size or no hash.",
            next_step="Try again later, or without the mirror if you use one.",
        ) from problem


def _check_places(files: tuple[RemoteFile, ...], layout: Layout, address: Address) -> None:
    if same := colliding(relative_path(file, layout, address) for file in files):
        raise HubError(
            f"Two files of {address.repo} would lie in one place.",
            why=f"{same} and another differ in upper and lower case alone, or one is a folder of the other.",
            next_step="Tell the repository's owner, or choose another one.",
        )


def _licence(about: _About) -> str:
    """The name of a licence of their own where they have one ("sai-nc-community"), else the identifier."""
    card = about.card or _Card()
    named = next((name for name in (card.license_name, card.license) if isinstance(name, str) and name), "")
    if not named:
        named = next((tag.removeprefix("license:") for tag in about.tags or () if tag.startswith("license:")), "")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in named).split())[:_LONGEST_LICENCE]
