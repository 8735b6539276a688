"""Parse an id or URL of the hub into repository, revision and file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from sdxl_desktop.formats.weight_variants import KNOWN_ENDINGS
from sdxl_desktop.library.hub.hub_errors import AddressError
from sdxl_desktop.library.hub.remote_files import is_repo_id
from sdxl_desktop.library.hub.safe_names import is_safe_path

HUGGINGFACE_URL = "https://huggingface.co"
DEFAULT_REVISION = "main"
_HUGGINGFACE_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_REVISION = re.compile(r"[\w][\w./+-]{0,199}")
_UNSUPPORTED_REPO_KINDS = ("datasets", "spaces", "collections", "papers", "docs", "api", "kernels")


def endpoint() -> str:
    """The hub's URL, or the mirror in HF_ENDPOINT."""
    return (os.environ.get("HF_ENDPOINT", "").strip() or HUGGINGFACE_URL).rstrip("/")


def display_endpoint() -> str:
    """The endpoint for display, without user name and password."""
    before, mark, rest = endpoint().rpartition("@")
    scheme = before.partition("://")[0] if "://" in before else ""
    return f"{scheme}://{rest}" if mark and scheme else rest


def endpoint_label() -> str:
    """A readable name for the current endpoint."""
    return "the hub" if endpoint() == HUGGINGFACE_URL else f"the mirror {display_endpoint().rpartition('://')[2]}"


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A repository ("owner/name") at a revision, and one `file` or `folder` in it, or (both empty) all needed files."""

    repo: str
    revision: str = DEFAULT_REVISION
    file: str = ""
    folder: str = ""

    @property
    def page(self) -> str:
        """The web page for users; licences are accepted there, on the hub itself and not on a mirror."""
        return f"{HUGGINGFACE_URL}/{self.repo}"

    @property
    def name(self) -> str:
        """A short name that is valid as a folder name."""
        return PurePosixPath(self.file).stem if self.file else self.repo.split("/")[1]

    def __str__(self) -> str:
        return "/".join(part for part in (self.repo, self.file or self.folder) if part)


def looks_like_address(text: str) -> bool:
    """Whether `text` may be a hub address rather than a local file or folder. Does not use the network."""
    try:
        parse_address(text)
    except AddressError:
        return False
    return True


def parse_address(text: str) -> HubAddress:
    """Parse `text`: "owner/name", "owner/name@revision", "hf://owner/name@revision/file" or the URL of a page on the
    hub or on the mirror in HF_ENDPOINT (/tree/, /blob/, /resolve/, /raw/, ?revision=…). Raises AddressError."""
    plain = text.strip().strip("<>\"'`").strip()
    if plain.startswith(("/", ".", "~")):
        raise _address_error(text, "It looks like a file or folder here.")
    if plain.startswith("hf://"):
        return _parse_id(plain.removeprefix("hf://"), text)
    if "://" not in plain and plain.split("/")[0].lower() in _known_hosts():
        plain = f"https://{plain}"
    if "://" in plain:
        return _parse_url(plain, text)
    return _parse_id(plain, text)


def _known_hosts() -> tuple[str, ...]:
    return (*_HUGGINGFACE_HOSTS, urlsplit(endpoint()).netloc.lower())


def _parse_id(plain: str, text: str) -> HubAddress:
    """owner/name[@revision][/path]"""
    owner, _, rest = plain.strip("/").partition("/")
    name, _, path = rest.partition("/")
    name, _, revision = name.partition("@")
    return _address(f"{owner}/{name}", revision or DEFAULT_REVISION, path, text)


def _parse_url(plain: str, text: str) -> HubAddress:
    try:
        parts = urlsplit(plain)
    except ValueError as problem:
        raise _address_error(text, f"It is no URL: {problem}.") from problem
    if parts.scheme not in ("http", "https") or parts.netloc.lower() not in _known_hosts():
        raise _address_error(text, "That is a page of another site.")
    prefix = urlsplit(endpoint()).path  # a mirror may be below the root of its host
    path = parts.path.removeprefix(prefix) if prefix and parts.path.startswith(f"{prefix}/") else parts.path
    words = [unquote(word) for word in path.split("/") if word]
    if words[:1] == ["models"]:
        words = words[1:]
    if words and words[0] in _UNSUPPORTED_REPO_KINDS:
        raise _address_error(text, f"It leads to the hub's {words[0]}, where no checkpoints are.")
    if len(words) < 2:
        raise _address_error(text, "It leads to no repository.")
    repo, way, rest = "/".join(words[:2]), words[2:3], words[3:]
    asked = parse_qs(parts.query).get("revision", [""])[0]
    if way and way[0] in ("tree", "blob", "resolve", "raw") and rest:
        return _address(repo, asked or unquote(rest[0]), "/".join(rest[1:]), text)
    return _address(repo, asked or DEFAULT_REVISION, "", text)


def _address(repo: str, revision: str, path: str, text: str) -> HubAddress:
    if not is_repo_id(repo):
        raise _address_error(text)
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise _address_error(text, f"{revision[:80]!r} cannot be a revision.")
    path = path.strip("/")
    if not is_safe_path(path):
        raise _address_error(text, f"{path[:80]!r} cannot be a file there.")
    is_file = path.lower().endswith(KNOWN_ENDINGS)
    return HubAddress(repo, revision, file=path if is_file else "", folder="" if is_file else path)


def _address_error(text: str, why: str = "") -> AddressError:
    shown = " ".join(text.split())[:120]
    return AddressError(
        f"{shown!r} names nothing on the hub.",
        why=why,
        next_step='Give an id such as "stabilityai/stable-diffusion-xl-base-1.0", or the URL of a page or file at '
        "huggingface.co.",
    )
