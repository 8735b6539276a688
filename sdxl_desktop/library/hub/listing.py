"""Asks the hub what a repository holds: commit, files with sizes and hashes, licence. Only for the own process."""

from __future__ import annotations

from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile

from sdxl_desktop.library.hub.address import Address, endpoint, is_plain_path
from sdxl_desktop.library.hub.choosing import choose
from sdxl_desktop.library.hub.errors import HubError
from sdxl_desktop.library.hub.files import Listing, RemoteFile
from sdxl_desktop.library.hub.patience import Caller, OnWait, Persistence
from sdxl_desktop.library.hub.problems import no_hub


def ask(address: Address, caller: Caller, on_wait: OnWait, *, openvino: bool) -> Listing:
    """What `address` holds and which of it is needed. Raises HubError."""
    hub = HfApi(endpoint=endpoint(), token=caller.token or False)
    persistence = Persistence(caller, address.repo, on_wait)
    try:
        return _ask(hub, address, persistence, openvino=openvino)
    except (KeyError, TypeError, AttributeError) as problem:  # JSON, but of something else
        raise no_hub() from problem


def _ask(hub: HfApi, address: Address, persistence: Persistence, *, openvino: bool) -> Listing:
    about = persistence.until_done(lambda: hub.model_info(address.repo, revision=address.revision, timeout=30))
    commit = str(about.sha or "")
    if not commit:
        raise HubError("The hub did not say which commit that is.", next_step="Try again, or without a mirror.")
    tree = persistence.until_done(
        lambda: list(hub.list_repo_tree(address.repo, recursive=True, revision=commit, expand=False))
    )
    files = [_file(entry) for entry in tree if isinstance(entry, RepoFile)]
    layout, chosen = choose([file for file in files if is_plain_path(file.path)], address, openvino=openvino)
    return Listing(
        repo=address.repo,
        commit=commit,
        layout=layout,
        files=tuple(chosen),
        licence=_licence(about),
        gated=bool(about.gated),
        page=address.page,
    )


def _file(entry: RepoFile) -> RemoteFile:
    if entry.lfs is not None:
        return RemoteFile(entry.path, int(entry.lfs.size), sha256=str(entry.lfs.sha256))
    return RemoteFile(entry.path, int(entry.size), blob=str(entry.blob_id))


def _licence(about: Any) -> str:
    """The name of a licence of their own where they have one ("sai-nc-community"), else the identifier."""
    card = about.card_data
    named = (card.get("license_name") or card.get("license")) if card is not None else None
    if isinstance(named, str):
        return named
    tags = [tag.removeprefix("license:") for tag in about.tags or () if tag.startswith("license:")]
    return tags[0] if tags else ""
