"""What was compiled and is kept on disk: listed, described, and thrown away when it is stale or the room is needed.

    compiled/unet-9f2c…-1a2b3c4d/     one folder for each content, device and shape
        card.json                     what the blobs cannot tell; its time is when they were used last
        *.blob                        OpenVINO's own; one may serve several precisions
        .unfinished                   while something is being compiled into it, naming the mark of who does
        .in-use-<process>-…           a mark for each engine that holds it

Parts with LoRAs fused into them lie in the folder beside it and count towards the same quota. Any process may take
away anything at any time: whoever reads here expects files to vanish.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import msgspec

from sdxl_desktop.core.checksum_file import append_checksum
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.settings import DEFAULT_COMPILED_QUOTA_GB, Preferences
from sdxl_desktop.engine import atomic_folder, compiled_blobs, in_use_markers
from sdxl_desktop.engine.compile_cache_entries import (
    BLOB_INFO_FILE,
    COMPILED_KIND,
    FUSED_KIND,
    INCOMPLETE_MARKER,
    BlobInfo,
    CompileCacheEntry,
    PruneResult,
    StaleReason,
    are_weights_missing,
    read_blob_info,
)
from sdxl_desktop.engine.compile_key import CompileKey, shared_file_hashes

GB = 10**9
_REMOVING_PREFIX = ".removing-"
_CLAIM_TIMEOUT_SECONDS = 10.0
"""Seconds within which whoever made a claim has written a name into it."""
_RECENT_SECONDS = 3600.0
"""Seconds since its last use within which a fused part is left alone: an engine may be about to compile it."""


@dataclass(frozen=True, slots=True)
class RuntimeVersion:
    """What a blob depends on beside its key: OpenVINO's version and what is known of the device and its driver."""

    openvino: str
    driver: str


@dataclass(frozen=True, slots=True)
class BlobOrigin:
    """The checkpoint folder that a part was loaded for; `derived` when additions have changed its weights."""

    checkpoint: Path
    derived: bool = False


@dataclass(frozen=True, slots=True)
class CacheSlot:
    """A folder to compile into or load from, marked as in use until it is released."""

    folder: Path
    marker: Path


@cache
def openvino_version() -> str:
    """The installed OpenVINO's version, without importing it; "" where it cannot be known."""
    try:
        return importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        return ""


class _StoredPreferences(msgspec.Struct):
    compiled_quota_gb: int = DEFAULT_COMPILED_QUOTA_GB


class _StoredSettings(msgspec.Struct):
    preferences: _StoredPreferences = msgspec.field(default_factory=_StoredPreferences)


def quota_from_settings(settings: Path) -> int:
    """Bytes that the person lets compiled parts take, by the settings file as it is now; else the default."""
    try:
        kept = msgspec.json.decode(settings.read_bytes(), type=_StoredSettings)
        return Preferences(compiled_quota_gb=kept.preferences.compiled_quota_gb).compiled_quota_gb * GB
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, SettingsError):
        return DEFAULT_COMPILED_QUOTA_GB * GB


@dataclass(frozen=True, slots=True)
class CompileCache:
    """The compiled parts in `folder`, and the fused ones beside it. `verified` are the blobs' hashes that were taken in
    this process."""

    folder: Path
    verified_hashes: FileHashCache = field(default_factory=FileHashCache, compare=False, repr=False)

    @property
    def fused_folder(self) -> Path:
        return self.folder.parent / "fused"

    # Compiling

    def acquire(self, key: CompileKey, runtime: RuntimeVersion) -> CacheSlot | None:
        """The slot for `key`, free of damaged blobs and of what a killed compilation or another runtime left in it.

        None when it cannot be written, or another process is compiling there: then compiling merely takes its time.
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
        """Describe what is in `slot` and trust it from now on. `seconds`: what compiling took, None if it was loaded.

        A card that cannot be written costs only what it would have told.
        """
        card = read_blob_info(slot.folder / BLOB_INFO_FILE) or BlobInfo.from_key(key, runtime.openvino, runtime.driver)
        known = card.seconds.get(key.precision)
        seen = list(card.checkpoints)
        if origin is not None and str(origin.checkpoint) not in seen:
            seen.append(str(origin.checkpoint))
        derived = card.derived if origin is None else origin.derived and (card.derived or not card.checkpoints)
        took = {**card.seconds, key.precision: known if seconds is None else round(seconds, 3)}
        beside = slot.folder / f"{BLOB_INFO_FILE}.{slot.marker.name}"
        with suppress(OSError):
            sums = compiled_blobs.blob_checksums(slot.folder, self.verified_hashes)
            card = msgspec.structs.replace(card, seconds=took, checkpoints=tuple(seen), derived=derived, blobs=sums)
            beside.write_bytes(append_checksum(msgspec.json.encode(card)))
            os.replace(beside, slot.folder / BLOB_INFO_FILE)
            (slot.folder / INCOMPLETE_MARKER).unlink(missing_ok=True)

    def discard(self, slot: CacheSlot) -> None:
        """What is in it is not to be loaded again; it is no longer in use here."""
        with suppress(OSError):
            compiled_blobs.remove_all_blobs(slot.folder)
        self.release(slot)

    def _abandon(self, slot: CacheSlot) -> None:
        """As if it had never been taken."""
        with suppress(OSError):
            (slot.folder / INCOMPLETE_MARKER).unlink(missing_ok=True)
            slot.marker.unlink(missing_ok=True)

    def release(self, slot: CacheSlot) -> None:
        """It is no longer in use; it was until now."""
        with suppress(OSError):
            os.utime(slot.folder / BLOB_INFO_FILE)
        with suppress(OSError):
            slot.marker.unlink(missing_ok=True)

    # Looking

    def entries(self) -> tuple[CompileCacheEntry, ...]:
        """Everything that is kept, the most recently used first."""
        compiled = [entry for folder in _list_folders(self.folder) if (entry := _compiled_entry(folder)) is not None]
        held = {entry.weights_key for entry in compiled if entry.in_use}
        fused = [entry for folder in _list_folders(self.fused_folder) if (entry := _fused_entry(folder)) is not None]
        fused = [replace(entry, in_use=entry.weights_key in held) for entry in fused]
        return tuple(sorted([*compiled, *fused], key=lambda entry: entry.last_used, reverse=True))

    def entries_with_stale_reasons(
        self, runtime: Callable[[str], RuntimeVersion | None], checkpoint_folders: Sequence[Path] | None
    ) -> tuple[CompileCacheEntry, ...]:
        """`entries`, and for each whether it is stale. `runtime` gives a device's present one, None where that is not
        known; its driver may be "" for the same reason. `library`: every checkpoint folder there is, None when nobody
        has looked; then weights count as gone only where they were seen to have changed."""
        hashes = shared_file_hashes(self.folder.parent)
        return tuple(
            replace(entry, stale_reason=_stale_reason(entry, runtime, checkpoint_folders, hashes))
            for entry in self.entries()
        )

    # Throwing away

    def prune(
        self,
        quota_bytes: int,
        runtime: Callable[[str], RuntimeVersion | None],
        *,
        checkpoint_folders: Sequence[Path] | None = None,
    ) -> PruneResult:
        """Throw away what is stale (see `judged`), then the least recently used until at most `quota` bytes are kept.

        What a running engine uses is never thrown away, even where it alone is more than the quota.
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
        """Throw everything away that no running engine uses."""
        return self.remove(self.entries())

    def remove(self, entries: Sequence[CompileCacheEntry]) -> PruneResult:
        """Throw these away, but for what a running engine uses."""
        self._finish_removals()
        gone = [entry for entry in entries if self._remove(entry)]
        return PruneResult(tuple(gone), tuple(entry for entry in entries if entry not in gone))

    def _remove(self, entry: CompileCacheEntry) -> bool:
        """Whether it is gone. It is moved away first, so that nothing half removed is ever taken for whole."""
        if entry.in_use or (entry.kind == COMPILED_KIND and not _claim_for_removal(entry.folder)):
            return False
        aside = self.folder / f"{_REMOVING_PREFIX}{uuid.uuid4().hex[:12]}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            entry.folder.rename(aside)
        except OSError:
            return not entry.folder.exists()
        shutil.rmtree(aside, ignore_errors=True)
        return True

    def _finish_removals(self) -> None:
        """Finish what a killed process was removing."""
        for folder in _list_folders(self.folder):
            if folder.name.startswith(_REMOVING_PREFIX):
                shutil.rmtree(folder, ignore_errors=True)


def cache_folder_name(key: CompileKey) -> str:
    """The same for keys that differ in precision and threads alone: OpenVINO tells these apart where it must."""
    told_apart = hashlib.blake2b(f"{key.device}/{key.shape}".encode(), digest_size=4).hexdigest()
    return f"{key.component}-{key.content_id}-{told_apart}"


def _claim(unfinished: Path, name: str) -> bool:
    """Say that the mark called `name` compiles here; False when another living process does."""
    with suppress(FileExistsError), unfinished.open("x", encoding="utf-8") as file:
        file.write(name)
        return True
    return False


def _claim_for_removal(folder: Path) -> bool:
    """Whether nobody uses `folder` and, from now on, nobody can: it is claimed as if to compile into it, and engines
    mark before they claim. Looking and then removing would leave a moment for an engine to come in between."""
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
    """Whether a compilation in it was begun and nobody goes on with it. A claim without a name is being made just now,
    unless it is old: then whoever made it was killed before the name was in it."""
    unfinished = folder / INCOMPLETE_MARKER
    try:
        name = unfinished.read_text(encoding="utf-8")
        if not name and time.time() - unfinished.stat().st_mtime < _CLAIM_TIMEOUT_SECONDS:
            return False
    except FileNotFoundError:
        return False
    return not (in_use_markers.is_owner_alive(name) and (folder / name).exists())


def _is_mismatched(card: BlobInfo | None, key: CompileKey, runtime: RuntimeVersion) -> bool:
    """Whether what the card describes was compiled for something else, or by something else."""
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


def _compiled_entry(folder: Path) -> CompileCacheEntry | None:
    """None when it vanished, or is on its way out."""
    if folder.name.startswith(_REMOVING_PREFIX):
        return None
    files = _file_sizes(folder)
    card = read_blob_info(folder / BLOB_INFO_FILE)
    try:
        last_used = (folder / BLOB_INFO_FILE if card is not None else folder).stat().st_mtime
        unfinished = (folder / INCOMPLETE_MARKER).exists()
    except OSError:
        return None
    held = in_use_markers.is_in_use(folder)
    if card is None:
        part, _, content = folder.name.partition("-")
        stale = None if held else StaleReason.INCOMPLETE if unfinished else StaleReason.UNKNOWN
        return CompileCacheEntry(
            folder=folder,
            part=part,
            content_id=content,
            size_bytes=sum(files),
            last_used=last_used,
            in_use=held,
            stale_reason=stale,
        )
    return CompileCacheEntry(
        folder=folder,
        part=card.component,
        content_id=card.content,
        checkpoints=tuple(Path(name).name for name in card.checkpoints),
        device=card.device,
        shape=card.shape,
        precisions=tuple(card.seconds),
        compile_seconds=max((seconds for seconds in card.seconds.values() if seconds is not None), default=None),
        size_bytes=sum(files),
        last_used=last_used,
        in_use=held,
        stale_reason=StaleReason.INCOMPLETE if unfinished and not held else None,
    )


def _fused_entry(folder: Path) -> CompileCacheEntry | None:
    try:
        if not atomic_folder.is_complete(folder):
            return None
        part, _, content = folder.name.rpartition("-")
        last_used = atomic_folder.last_used(folder)
    except OSError:
        return None
    return CompileCacheEntry(
        folder=folder,
        kind=FUSED_KIND,
        part=part,
        content_id=content,
        size_bytes=sum(_file_sizes(folder)),
        last_used=last_used,
    )


def _list_folders(folder: Path) -> Iterable[Path]:
    try:
        return atomic_folder.list_folders(folder)
    except OSError:
        return ()


def _file_sizes(folder: Path) -> Iterator[int]:
    """Bytes of each file, without those that vanish."""
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                yield (Path(place) / name).stat().st_size
