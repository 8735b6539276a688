"""The cache of compiled parts on disk: slots to compile into, and the deletion of what is stale or exceeds the quota.

    compiled/unet-9f2c…-1a2b3c4d/     one folder for each content, device and shape
        card.json                     metadata of the blobs (`BlobInfo`); its mtime is their last use
        *.blob                        written by OpenVINO; one may serve several precisions
        .unfinished                   exists during compilation; contains the name of the compiling process's marker
        .in-use-<process>-…           a marker for each engine that uses the folder

Parts with fused LoRAs are in the sibling folder `fused` and count towards the same quota. Any process may delete
anything at any time, so code that reads here must expect files to vanish.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import msgspec

from sdxl_desktop.core.checksum_file import append_checksum
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.settings import DEFAULT_COMPILED_QUOTA_GB, Preferences
from sdxl_desktop.engine import compiled_blobs, in_use_markers
from sdxl_desktop.engine.compile_cache_entries import (
    BLOB_INFO_FILE,
    COMPILED_KIND,
    FUSED_KIND,
    INCOMPLETE_MARKER,
    REMOVING_PREFIX,
    BlobInfo,
    CompileCacheEntry,
    PruneResult,
    StaleReason,
    are_weights_missing,
    list_entries,
    list_folders,
    read_blob_info,
)
from sdxl_desktop.engine.compile_key import CompileKey, shared_file_hashes

GB = 10**9
_CLAIM_TIMEOUT_SECONDS = 10.0
"""Seconds within which a process that creates a claim file has written its marker name into it."""
_RECENT_SECONDS = 3600.0
"""Seconds since its last use within which a fused part is not deleted: an engine may be about to compile it."""


@dataclass(frozen=True, slots=True)
class RuntimeVersion:
    """What a blob depends on besides its key: the OpenVINO version, and the device and driver as far as known."""

    openvino: str
    driver: str


@dataclass(frozen=True, slots=True)
class BlobOrigin:
    """The checkpoint folder that a part was loaded for; `derived` if additions (LoRAs) changed its weights."""

    checkpoint: Path
    derived: bool = False


@dataclass(frozen=True, slots=True)
class CacheSlot:
    """A folder to compile into or load from, marked as in use until it is released."""

    folder: Path
    marker: Path


@cache
def openvino_version() -> str:
    """Return the version of the installed OpenVINO without importing it; "" if unknown."""
    try:
        return importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        return ""


class _StoredPreferences(msgspec.Struct):
    compiled_quota_gb: int = DEFAULT_COMPILED_QUOTA_GB


class _StoredSettings(msgspec.Struct):
    preferences: _StoredPreferences = msgspec.field(default_factory=_StoredPreferences)


def quota_from_settings(settings: Path) -> int:
    """Return the user's quota for compiled parts in bytes, from the settings file; the default if unreadable."""
    try:
        kept = msgspec.json.decode(settings.read_bytes(), type=_StoredSettings)
        return Preferences(compiled_quota_gb=kept.preferences.compiled_quota_gb).compiled_quota_gb * GB
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, SettingsError):
        return DEFAULT_COMPILED_QUOTA_GB * GB


@dataclass(frozen=True, slots=True)
class CompileCache:
    """The compiled parts in `folder` and the fused parts in its sibling `fused`.

    `verified_hashes` are the blob hashes computed in this process."""

    folder: Path
    verified_hashes: FileHashCache = field(default_factory=FileHashCache, compare=False, repr=False)

    @property
    def fused_folder(self) -> Path:
        return self.folder.parent / "fused"

    # Compiling

    def acquire(self, key: CompileKey, runtime: RuntimeVersion) -> CacheSlot | None:
        """Return the slot for `key`, after removing damaged blobs and leftovers of a killed compilation or another
        runtime.

        Returns None if the folder is not writable or another process is compiling there; then the part is compiled
        without the cache.
        """
        folder = self.folder / cache_folder_name(key)
        try:
            unfit = _is_mismatched(read_blob_info(folder / BLOB_INFO_FILE), key, runtime)
            if unfit and in_use_markers.is_in_use(folder):
                return None
            if unfit or _is_abandoned(folder):
                shutil.rmtree(folder)
            folder.mkdir(parents=True, exist_ok=True)
            mark = in_use_markers.create_marker(folder)
            if not _claim(folder / INCOMPLETE_MARKER, mark.name):
                mark.unlink(missing_ok=True)
                return None
        except OSError:
            return None
        slot = CacheSlot(folder, mark)
        try:
            card = read_blob_info(folder / BLOB_INFO_FILE)
            compiled_blobs.remove_damaged_blobs(folder, {} if card is None else card.blobs, self.verified_hashes)
        except OSError:
            self._abandon(slot)
            return None
        return slot

    def commit(
        self,
        slot: CacheSlot,
        key: CompileKey,
        origin: BlobOrigin | None,
        runtime: RuntimeVersion,
        seconds: float | None,
    ) -> None:
        """Write the `BlobInfo` of `slot` and mark it as complete. `seconds`: compile time, None if it was loaded.

        If the file cannot be written, only its information is lost.
        """
        card = read_blob_info(slot.folder / BLOB_INFO_FILE) or BlobInfo.from_key(key, runtime.openvino, runtime.driver)
        known = card.seconds.get(key.precision)
        seen = list(card.checkpoints)
        if origin is not None and str(origin.checkpoint) not in seen:
            seen.append(str(origin.checkpoint))
        derived = card.derived if origin is None else origin.derived and (card.derived or not card.checkpoints)
        took = {**card.seconds, key.precision: known if seconds is None else round(seconds, 3)}
        temporary = slot.folder / f"{BLOB_INFO_FILE}.{slot.marker.name}"
        with suppress(OSError):
            sums = compiled_blobs.blob_checksums(slot.folder, self.verified_hashes)
            card = msgspec.structs.replace(card, seconds=took, checkpoints=tuple(seen), derived=derived, blobs=sums)
            temporary.write_bytes(append_checksum(msgspec.json.encode(card)))
            os.replace(temporary, slot.folder / BLOB_INFO_FILE)
            (slot.folder / INCOMPLETE_MARKER).unlink(missing_ok=True)

    def discard(self, slot: CacheSlot) -> None:
        """Delete the blobs in `slot`, so that they are not loaded again, and release it."""
        with suppress(OSError):
            compiled_blobs.remove_all_blobs(slot.folder)
        self.release(slot)

    def _abandon(self, slot: CacheSlot) -> None:
        """Undo `acquire`."""
        with suppress(OSError):
            (slot.folder / INCOMPLETE_MARKER).unlink(missing_ok=True)
            slot.marker.unlink(missing_ok=True)

    def release(self, slot: CacheSlot) -> None:
        """Set the last use of `slot` to now and remove its in-use marker."""
        with suppress(OSError):
            os.utime(slot.folder / BLOB_INFO_FILE)
        with suppress(OSError):
            slot.marker.unlink(missing_ok=True)

    # Listing

    def entries(self) -> tuple[CompileCacheEntry, ...]:
        """Return all entries, most recently used first."""
        return list_entries(self.folder, self.fused_folder)

    def entries_with_stale_reasons(
        self, runtime: Callable[[str], RuntimeVersion | None], checkpoint_folders: Sequence[Path] | None
    ) -> tuple[CompileCacheEntry, ...]:
        """Return `entries` with their stale reasons.

        `runtime` returns the current runtime of a device, None if unknown; its driver is "" if unknown.
        `checkpoint_folders`: all checkpoint folders, None if not known; then weights count as missing only if they are
        known to have changed."""
        hashes = shared_file_hashes(self.folder.parent)
        return tuple(
            replace(entry, stale_reason=_stale_reason(entry, runtime, checkpoint_folders, hashes))
            for entry in self.entries()
        )

    # Deleting

    def prune(
        self,
        quota_bytes: int,
        runtime: Callable[[str], RuntimeVersion | None],
        *,
        checkpoint_folders: Sequence[Path] | None = None,
    ) -> PruneResult:
        """Delete stale entries (see `entries_with_stale_reasons`), then the least recently used ones until at most
        `quota_bytes` remain.

        Entries that a running engine uses are never deleted, even if they alone exceed the quota.
        """
        self._finish_removals()
        entries = self.entries_with_stale_reasons(runtime, checkpoint_folders)
        gone = {entry.folder: entry for entry in entries if entry.stale_reason and self._remove(entry)}
        kept = [entry for entry in entries if entry.folder not in gone]
        total = sum(entry.size_bytes for entry in kept)
        for entry in reversed(kept):
            if total <= quota_bytes:
                break
            wanted_soon = entry.kind == FUSED_KIND and time.time() - entry.last_used < _RECENT_SECONDS
            if not wanted_soon and self._remove(entry):
                gone[entry.folder] = entry
                total -= entry.size_bytes
        return PruneResult(tuple(gone.values()), tuple(entry for entry in kept if entry.folder not in gone))

    def clear(self) -> PruneResult:
        """Delete all entries that no running engine uses."""
        return self.remove(self.entries())

    def remove(self, entries: Sequence[CompileCacheEntry]) -> PruneResult:
        """Delete `entries`, except those that a running engine uses."""
        self._finish_removals()
        gone = [entry for entry in entries if self._remove(entry)]
        return PruneResult(tuple(gone), tuple(entry for entry in entries if entry not in gone))

    def _remove(self, entry: CompileCacheEntry) -> bool:
        """Delete `entry`; returns whether it is gone. It is renamed first, so that a partly deleted folder is never
        taken for a complete one."""
        if entry.in_use or (entry.kind == COMPILED_KIND and not _claim_for_removal(entry.folder)):
            return False
        aside = self.folder / f"{REMOVING_PREFIX}{uuid.uuid4().hex[:12]}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            entry.folder.rename(aside)
        except OSError:
            return not entry.folder.exists()
        shutil.rmtree(aside, ignore_errors=True)
        return True

    def _finish_removals(self) -> None:
        """Finish removals that a killed process began."""
        for folder in list_folders(self.folder):
            if folder.name.startswith(REMOVING_PREFIX):
                shutil.rmtree(folder, ignore_errors=True)


def cache_folder_name(key: CompileKey) -> str:
    """Return the folder name for `key`. Keys that differ only in precision and threads share one: OpenVINO
    distinguishes these where needed."""
    told_apart = hashlib.blake2b(f"{key.device}/{key.shape}".encode(), digest_size=4).hexdigest()
    return f"{key.component}-{key.content_id}-{told_apart}"


def _claim(unfinished: Path, name: str) -> bool:
    """Claim the folder for the marker called `name`; returns False if the claim file already exists."""
    with suppress(FileExistsError), unfinished.open("x", encoding="utf-8") as file:
        file.write(name)
        return True
    return False


def _claim_for_removal(folder: Path) -> bool:
    """Claim `folder` for removal; returns False if it is in use.

    It is claimed as if for compiling, and engines create their marker before they claim. Merely checking before
    removing would leave a race with an engine that starts in between."""
    try:
        if _is_abandoned(folder):
            (folder / INCOMPLETE_MARKER).unlink(missing_ok=True)
        mark = in_use_markers.create_marker(folder)
        claimed = _claim(folder / INCOMPLETE_MARKER, mark.name)
        if claimed and not in_use_markers.is_in_use(folder, ignored_marker=mark):
            return True
        if claimed:
            (folder / INCOMPLETE_MARKER).unlink(missing_ok=True)
        mark.unlink(missing_ok=True)
    except OSError:
        return not folder.exists()
    return False


def _is_abandoned(folder: Path) -> bool:
    """Whether `folder` has an unfinished compilation whose process is gone. An empty claim file is just being written,
    unless it is old: then its process was killed before it wrote the name."""
    unfinished = folder / INCOMPLETE_MARKER
    try:
        name = unfinished.read_text(encoding="utf-8")
        if not name and time.time() - unfinished.stat().st_mtime < _CLAIM_TIMEOUT_SECONDS:
            return False
    except FileNotFoundError:
        return False
    return not (in_use_markers.is_owner_alive(name) and (folder / name).exists())


def _is_mismatched(card: BlobInfo | None, key: CompileKey, runtime: RuntimeVersion) -> bool:
    """Whether `card` describes blobs compiled for another key or with another runtime."""
    return card is not None and (_is_outdated(card, runtime) or not card.matches(key))


def _is_outdated(card: BlobInfo, runtime: RuntimeVersion) -> bool:
    return card.openvino != runtime.openvino or (runtime.driver != "" and card.driver != runtime.driver)


def _stale_reason(
    entry: CompileCacheEntry,
    runtime: Callable[[str], RuntimeVersion | None],
    library: Sequence[Path] | None,
    hashes: FileHashCache,
) -> StaleReason | None:
    if entry.in_use or entry.kind != COMPILED_KIND:
        return None
    if entry.stale_reason is not None:
        return entry.stale_reason
    card = read_blob_info(entry.folder / BLOB_INFO_FILE)
    present = runtime(entry.device)
    if present is not None and card is not None and _is_outdated(card, present):
        return StaleReason.OTHER_RUNTIME
    return StaleReason.NO_WEIGHTS if card is not None and are_weights_missing(card, library, hashes) else None
