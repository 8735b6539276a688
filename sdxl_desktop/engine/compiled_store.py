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

from sdxl_desktop.core.checked_file import checked
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.file_hashes import FileHashes
from sdxl_desktop.core.settings import DEFAULT_COMPILED_QUOTA_GB, Preferences
from sdxl_desktop.engine import compiled_blobs, in_use
from sdxl_desktop.engine.compile_key import CompileKey, hashes_in
from sdxl_desktop.engine.compiled_entries import (
    CARD,
    COMPILED,
    FUSED,
    UNFINISHED,
    Card,
    Entry,
    Pruned,
    Stale,
    read_card,
    weights_gone,
)
from sdxl_desktop.engine.openvino.adapters import whole

GB = 10**9
_REMOVING = ".removing-"
_CLAIMING = 10.0
"""Seconds within which whoever made a claim has written a name into it."""
_RECENTLY = 3600.0
"""Seconds since its last use within which a fused part is left alone: an engine may be about to compile it."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a blob depends on beside its key: OpenVINO's version and what is known of the device and its driver."""

    openvino: str
    driver: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The checkpoint folder that a part was loaded for; `derived` when additions have changed its weights."""

    checkpoint: Path
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """A folder to compile into or load from, marked as in use until it is released."""

    folder: Path
    mark: Path


@cache
def openvino_version() -> str:
    """The installed OpenVINO's version, without importing it; "" where it cannot be known."""
    try:
        return importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        return ""


class _KeptPreferences(msgspec.Struct):
    compiled_quota_gb: int = DEFAULT_COMPILED_QUOTA_GB


class _KeptSettings(msgspec.Struct):
    preferences: _KeptPreferences = msgspec.field(default_factory=_KeptPreferences)


def preferred_quota(settings: Path) -> int:
    """Bytes that the person lets compiled parts take, by the settings file as it is now; else the default."""
    try:
        kept = msgspec.json.decode(settings.read_bytes(), type=_KeptSettings)
        return Preferences(compiled_quota_gb=kept.preferences.compiled_quota_gb).compiled_quota_gb * GB
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, SettingsError):
        return DEFAULT_COMPILED_QUOTA_GB * GB


@dataclass(frozen=True, slots=True)
class CompiledStore:
    """The compiled parts in `folder`, and the fused ones beside it. `verified` are the blobs' hashes that were taken in
    this process."""

    folder: Path
    verified: FileHashes = field(default_factory=FileHashes, compare=False, repr=False)

    @property
    def fused(self) -> Path:
        return self.folder.parent / "fused"

    # Compiling

    def take(self, key: CompileKey, runtime: Runtime) -> Slot | None:
        """The slot for `key`, free of damaged blobs and of what a killed compilation or another runtime left in it.

        None when it cannot be written, or another process is compiling there: then compiling merely takes its time.
        """
        folder = self.folder / folder_name(key)
        try:
            unfit = _is_unfit(read_card(folder / CARD), key, runtime)
            if unfit and in_use.is_in_use(folder):
                return None
            if unfit or _is_left_over(folder):
                shutil.rmtree(folder)
            folder.mkdir(parents=True, exist_ok=True)
            mark = in_use.mark(folder)
            if not _claim(folder / UNFINISHED, mark.name):
                mark.unlink(missing_ok=True)
                return None
        except OSError:
            return None
        slot = Slot(folder, mark)
        try:
            card = read_card(folder / CARD)
            compiled_blobs.remove_damaged(folder, {} if card is None else card.blobs, self.verified)
        except OSError:
            self._give_back(slot)
            return None
        return slot

    def keep(self, slot: Slot, key: CompileKey, origin: Origin | None, runtime: Runtime, seconds: float | None) -> None:
        """Describe what is in `slot` and trust it from now on. `seconds`: what compiling took, None if it was loaded.

        A card that cannot be written costs only what it would have told.
        """
        card = read_card(slot.folder / CARD) or Card.of(key, runtime.openvino, runtime.driver)
        known = card.seconds.get(key.precision)
        seen = list(card.checkpoints)
        if origin is not None and str(origin.checkpoint) not in seen:
            seen.append(str(origin.checkpoint))
        derived = card.derived if origin is None else origin.derived and (card.derived or not card.checkpoints)
        took = {**card.seconds, key.precision: known if seconds is None else round(seconds, 3)}
        beside = slot.folder / f"{CARD}.{slot.mark.name}"
        with suppress(OSError):
            sums = compiled_blobs.sums(slot.folder, self.verified)
            card = msgspec.structs.replace(card, seconds=took, checkpoints=tuple(seen), derived=derived, blobs=sums)
            beside.write_bytes(checked(msgspec.json.encode(card)))
            os.replace(beside, slot.folder / CARD)
            (slot.folder / UNFINISHED).unlink(missing_ok=True)

    def discard(self, slot: Slot) -> None:
        """What is in it is not to be loaded again; it is no longer in use here."""
        with suppress(OSError):
            compiled_blobs.remove_all(slot.folder)
        self.release(slot)

    def _give_back(self, slot: Slot) -> None:
        """As if it had never been taken."""
        with suppress(OSError):
            (slot.folder / UNFINISHED).unlink(missing_ok=True)
            slot.mark.unlink(missing_ok=True)

    def release(self, slot: Slot) -> None:
        """It is no longer in use; it was until now."""
        with suppress(OSError):
            os.utime(slot.folder / CARD)
        with suppress(OSError):
            slot.mark.unlink(missing_ok=True)

    # Looking

    def entries(self) -> tuple[Entry, ...]:
        """Everything that is kept, the most recently used first."""
        compiled = [entry for folder in _folders(self.folder) if (entry := _compiled(folder)) is not None]
        held = {entry.weights for entry in compiled if entry.in_use}
        fused = [entry for folder in _folders(self.fused) if (entry := _fused(folder)) is not None]
        fused = [replace(entry, in_use=entry.weights in held) for entry in fused]
        return tuple(sorted([*compiled, *fused], key=lambda entry: entry.last_used, reverse=True))

    def judged(self, runtime: Callable[[str], Runtime | None], library: Sequence[Path] | None) -> tuple[Entry, ...]:
        """`entries`, and for each whether it is stale. `runtime` gives a device's present one, None where that is not
        known; its driver may be "" for the same reason. `library`: every checkpoint folder there is, None when nobody
        has looked; then weights count as gone only where they were seen to have changed."""
        hashes = hashes_in(self.folder.parent)
        return tuple(replace(entry, stale=_stale(entry, runtime, library, hashes)) for entry in self.entries())

    # Throwing away

    def prune(
        self, quota: int, runtime: Callable[[str], Runtime | None], *, library: Sequence[Path] | None = None
    ) -> Pruned:
        """Throw away what is stale (see `judged`), then the least recently used until at most `quota` bytes are kept.

        What a running engine uses is never thrown away, even where it alone is more than the quota.
        """
        self._sweep()
        entries = self.judged(runtime, library)
        gone = {entry.folder: entry for entry in entries if entry.stale and self._remove(entry)}
        kept = [entry for entry in entries if entry.folder not in gone]
        total = sum(entry.bytes for entry in kept)
        for entry in reversed(kept):
            if total <= quota:
                break
            wanted_soon = entry.kind == FUSED and time.time() - entry.last_used < _RECENTLY
            if not wanted_soon and self._remove(entry):
                gone[entry.folder] = entry
                total -= entry.bytes
        return Pruned(tuple(gone.values()), tuple(entry for entry in kept if entry.folder not in gone))

    def clear(self) -> Pruned:
        """Throw everything away that no running engine uses."""
        return self.remove(self.entries())

    def remove(self, entries: Sequence[Entry]) -> Pruned:
        """Throw these away, but for what a running engine uses."""
        self._sweep()
        gone = [entry for entry in entries if self._remove(entry)]
        return Pruned(tuple(gone), tuple(entry for entry in entries if entry not in gone))

    def _remove(self, entry: Entry) -> bool:
        """Whether it is gone. It is moved away first, so that nothing half removed is ever taken for whole."""
        if entry.in_use or (entry.kind == COMPILED and not _claimed_for_removal(entry.folder)):
            return False
        aside = self.folder / f"{_REMOVING}{uuid.uuid4().hex[:12]}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            entry.folder.rename(aside)
        except OSError:
            return not entry.folder.exists()
        shutil.rmtree(aside, ignore_errors=True)
        return True

    def _sweep(self) -> None:
        """Finish what a killed process was removing."""
        for folder in _folders(self.folder):
            if folder.name.startswith(_REMOVING):
                shutil.rmtree(folder, ignore_errors=True)


def folder_name(key: CompileKey) -> str:
    """The same for keys that differ in precision and threads alone: OpenVINO tells these apart where it must."""
    told_apart = hashlib.blake2b(f"{key.device}/{key.shape}".encode(), digest_size=4).hexdigest()
    return f"{key.component}-{key.checkpoint}-{told_apart}"


def _claim(unfinished: Path, name: str) -> bool:
    """Say that the mark called `name` compiles here; False when another living process does."""
    with suppress(FileExistsError), unfinished.open("x", encoding="utf-8") as file:
        file.write(name)
        return True
    return False


def _claimed_for_removal(folder: Path) -> bool:
    """Whether nobody uses `folder` and, from now on, nobody can: it is claimed as if to compile into it, and engines
    mark before they claim. Looking and then removing would leave a moment for an engine to come in between."""
    try:
        if _is_left_over(folder):
            (folder / UNFINISHED).unlink(missing_ok=True)
        mark = in_use.mark(folder)
        claimed = _claim(folder / UNFINISHED, mark.name)
        if claimed and not in_use.is_in_use(folder, besides=mark):
            return True
        if claimed:
            (folder / UNFINISHED).unlink(missing_ok=True)
        mark.unlink(missing_ok=True)
    except OSError:
        return not folder.exists()
    return False


def _is_left_over(folder: Path) -> bool:
    """Whether a compilation in it was begun and nobody goes on with it. A claim without a name is being made just now,
    unless it is old: then whoever made it was killed before the name was in it."""
    unfinished = folder / UNFINISHED
    try:
        name = unfinished.read_text(encoding="utf-8")
        if not name and time.time() - unfinished.stat().st_mtime < _CLAIMING:
            return False
    except FileNotFoundError:
        return False
    return not (in_use.lives(name) and (folder / name).exists())


def _is_unfit(card: Card | None, key: CompileKey, runtime: Runtime) -> bool:
    """Whether what the card describes was compiled for something else, or by something else."""
    return card is not None and (_is_outdated(card, runtime) or not card.describes(key))


def _is_outdated(card: Card, runtime: Runtime) -> bool:
    return card.openvino != runtime.openvino or (runtime.driver != "" and card.driver != runtime.driver)


def _stale(
    entry: Entry, runtime: Callable[[str], Runtime | None], library: Sequence[Path] | None, hashes: FileHashes
) -> Stale | None:
    if entry.in_use or entry.kind != COMPILED:
        return None
    if entry.stale is not None:
        return entry.stale
    card = read_card(entry.folder / CARD)
    present = runtime(entry.device)
    if present is not None and card is not None and _is_outdated(card, present):
        return Stale.OTHER_RUNTIME
    return Stale.NO_WEIGHTS if card is not None and weights_gone(card, library, hashes) else None


def _compiled(folder: Path) -> Entry | None:
    """None when it vanished, or is on its way out."""
    if folder.name.startswith(_REMOVING):
        return None
    files = _sizes(folder)
    card = read_card(folder / CARD)
    try:
        last_used = (folder / CARD if card is not None else folder).stat().st_mtime
        unfinished = (folder / UNFINISHED).exists()
    except OSError:
        return None
    held = in_use.is_in_use(folder)
    if card is None:
        part, _, content = folder.name.partition("-")
        stale = None if held else Stale.UNFINISHED if unfinished else Stale.UNKNOWN
        return Entry(
            folder=folder, part=part, content=content, bytes=sum(files), last_used=last_used, in_use=held, stale=stale
        )
    return Entry(
        folder=folder,
        part=card.component,
        content=card.content,
        checkpoints=tuple(Path(name).name for name in card.checkpoints),
        device=card.device,
        shape=card.shape,
        precisions=tuple(card.seconds),
        seconds=max((seconds for seconds in card.seconds.values() if seconds is not None), default=None),
        bytes=sum(files),
        last_used=last_used,
        in_use=held,
        stale=Stale.UNFINISHED if unfinished and not held else None,
    )


def _fused(folder: Path) -> Entry | None:
    try:
        if not whole.is_whole(folder):
            return None
        part, _, content = folder.name.rpartition("-")
        last_used = whole.last_used(folder)
    except OSError:
        return None
    return Entry(folder=folder, kind=FUSED, part=part, content=content, bytes=sum(_sizes(folder)), last_used=last_used)


def _folders(folder: Path) -> Iterable[Path]:
    try:
        return whole.folders(folder)
    except OSError:
        return ()


def _sizes(folder: Path) -> Iterator[int]:
    """Bytes of each file, without those that vanish."""
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                yield (Path(place) / name).stat().st_size
