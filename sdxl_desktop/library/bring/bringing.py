"""Does what an offer says: downloads, converts, puts it into the library; to be paused and gone on with any time."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.found import Kind
from sdxl_desktop.library.bring.asking import Asking, free_folder
from sdxl_desktop.library.bring.kin import Kin, base_of, extras_for, made_of
from sdxl_desktop.library.bring.offers import Offer
from sdxl_desktop.library.bring.placing import how_to_use, place
from sdxl_desktop.library.bring.progress import BringProgress, Journey
from sdxl_desktop.library.checkpoint_names import checked_name
from sdxl_desktop.library.convert.extras import Extras
from sdxl_desktop.library.convert.forecast import check_room, gigabytes
from sdxl_desktop.library.convert.grafting import holds_unet_alone, link_or_copy, unet_alone
from sdxl_desktop.library.convert.job import ConversionProgress
from sdxl_desktop.library.convert.plan import plan_import
from sdxl_desktop.library.convert.running import run_import
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.detect.identify import identify
from sdxl_desktop.library.hub.address import Address
from sdxl_desktop.library.hub.arrival import DOWNLOADS, is_ready, join_library
from sdxl_desktop.library.hub.files import Listing
from sdxl_desktop.library.hub.job import DownloadProgress
from sdxl_desktop.library.hub.places import RECORD
from sdxl_desktop.library.hub.running import Downloaded, Line, download
from sdxl_desktop.library.scan import Library

_log = logging.getLogger(__name__)

__all__ = ["BringProgress", "Brought", "bring"]

_BYTES_A_SECOND = 10e6
"""What a line is expected to bring before it is known: it weighs downloads against conversion."""
_OWN, _KIN, _CONVERSION = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What is there now: a `checkpoint` of the library, or (None then) an addition at `path`. `words` say how it is
    used, `received` bytes came over the line."""

    checkpoint: Checkpoint | None
    path: Path
    words: str
    received: int = 0


def bring(
    offer: Offer,
    weights: WeightFormat | None,
    library: Library,
    emit: Callable[[BringProgress], None],
    cancel: threading.Event | None = None,
    *,
    keep_download: bool = False,
    line: Line | None = None,
) -> Brought:
    """Download, convert, put into the library. Blocks for as long as it takes; `emit` is called on this thread.

    `weights` is a key of `offer.forecasts`. A `cancel` pauses: what is there is kept, and calling again goes on, as it
    does after a kill. The download's folder is removed once it is converted, unless `keep_download`. Raises subclasses
    of SdxlDesktopError; DownloadStoppedError or ImportCancelledError after a cancel.
    """
    check_choice(offer, weights)
    checked_name(offer.name, library.own)
    _check_room(offer, weights, library)
    seconds = [
        (offer.listing.bytes if offer.listing is not None else 0) / _BYTES_A_SECOND,
        offer.kin_bytes.get(weights, 0) / _BYTES_A_SECOND,
        offer.forecasts[weights].seconds,
    ]
    _log.info("Bringing in %s from %s as %s", offer.name, offer.source, weights or "it is")
    work = _Work(offer, weights, library, Journey(emit, seconds), cancel or threading.Event(), line)
    brought = work.do()
    if not keep_download:
        work.clean_up()
    library.missing()  # so that it is missed when it goes
    _log.info("%s is there: %s", offer.name, brought.path)
    return brought


def check_choice(offer: Offer, weights: WeightFormat | None) -> None:
    """Raise CheckpointError, naming what there is to choose from and what it takes, unless `weights` can be chosen."""
    if offer.advice:
        raise CheckpointError(f"{offer.title} is nothing to import.", next_step=offer.advice)
    if weights in offer.forecasts:
        return
    if weights is not None:
        raise CheckpointError(
            f"{offer.title} is taken as it is, without being converted.", next_step="Leave the weight format out."
        )
    formats = ", ".join(str(choice) for choice in offer.forecasts if choice is not None)
    costs = "; ".join(
        f"{choice}: {about.seconds / 60:.0f} min, {gigabytes(about.memory)} of memory, {gigabytes(about.disk)} of disk"
        for choice, about in offer.forecasts.items()
    )
    hint = f"; {offer.suggested} fits this computer's memory" if offer.suggested is not None else ""
    raise CheckpointError(
        "A weight format must be chosen.",
        why=f"It is never chosen silently. Converting takes about, {costs}.",
        next_step=f"Choose one of {formats}{hint}.",
    )


def _check_room(offer: Offer, weights: WeightFormat | None, library: Library) -> None:
    """Raise ImportFailedError when what is still to come over the line and the conversion do not fit together."""
    coming = offer.bytes_for(weights) - offer.kept_for(weights)
    about = offer.forecasts[weights]
    if coming > 0 and weights is not None:
        check_room(replace(about, disk_meanwhile=about.disk_meanwhile + coming), library.own)


@dataclass
class _Work:
    """One bringing. `folders` are the downloads that are not needed afterwards."""

    offer: Offer
    weights: WeightFormat | None
    library: Library
    journey: Journey
    cancel: threading.Event
    line: Line | None
    folders: list[Path] = field(default_factory=list)
    received: int = 0
    _done: int = 0

    def do(self) -> Brought:
        path, source = self._source()
        if isinstance(path, Checkpoint):
            return self._checkpoint(path)
        if self.offer.fusing and self.weights is not None:
            return self._fuse(path, source)
        if path.is_dir() and holds_unet_alone(path):
            return self._graft(path, source)
        if path.is_dir() and (path / "config.json").is_file() and not (path / "model_index.json").is_file():
            return self._place(Kind.VAE, path)
        if isinstance(self.offer.source, Address):
            kind = identify(path).kind
            if kind in (Kind.LORA, Kind.EMBEDDING, Kind.VAE):
                return self._place(kind, path)
        return self._convert(path, extras_for(self.offer.entry, source))

    def clean_up(self) -> None:
        """Remove the downloads that were converted or placed."""
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # others may be there
            (self.library.own / DOWNLOADS).rmdir()

    def _source(self) -> tuple[Path | Checkpoint, str]:
        """What is to be converted, and what is recorded as its source; or the checkpoint, which came ready-made."""
        offer = self.offer
        if isinstance(offer.source, Path):
            return offer.source, ""
        assert offer.listing is not None
        folder = free_folder(self.library.own, offer.name, offer.listing)
        done = self._download(_OWN, offer.source, offer.listing, folder)
        if is_ready(done):
            return join_library(done, self.library.own, offer.entry, offer.name), ""
        self.folders.append(done.folder)
        return done.path, f"{offer.source}@{offer.listing.commit[:12]}"

    def _graft(self, unet: Path, source: str) -> Brought:
        """The UNet in the folder `unet` between the parts of the checkpoint that it goes with."""
        kin = self._kin(unet)
        converted = made_of(kin.entry, self.weights, self.library)
        if converted is not None:
            return self._convert(unet, extras_for(self.offer.entry, source or unet.name, parts_of=converted))
        missing = kin.missing(self.library, self.weights, fusing=False)
        assert missing is not None
        whole = self._download_kin(kin, missing)
        (whole / Part.UNET).mkdir(exist_ok=True)
        for file in sorted(unet.iterdir()):
            if file.is_file() and file.name != RECORD and not (whole / Part.UNET / file.name).exists():
                link_or_copy(file, whole / Part.UNET / file.name)
        return self._convert(whole, extras_for(self.offer.entry, source or unet.name))

    def _fuse(self, lora: Path, source: str) -> Brought:
        """The LoRA in the file `lora`, fused into the checkpoint that it goes with."""
        kin = self.offer.kin
        assert kin is not None
        converted = made_of(kin.entry, self.weights, self.library)
        missing = kin.missing(self.library, self.weights, fusing=True)
        assert missing is not None
        folder = self._download_kin(kin, missing)
        extras = extras_for(self.offer.entry, source, lora=lora, parts_of=converted)
        return self._convert(folder / Part.UNET if converted is not None else folder, extras)

    def _kin(self, unet: Path) -> Kin:
        if self.offer.kin is not None and self.offer.kin.listing is not None:
            return self.offer.kin
        entry = self.offer.kin.entry if self.offer.kin is not None else base_of(None, unet_alone(unet).family)
        if entry is None:
            raise CheckpointError(
                f"{self.offer.title} is a UNet alone.", why="It goes with no checkpoint that is known here."
            )
        if made_of(entry, self.weights, self.library) is not None:
            return Kin(entry)
        asking = Asking(self.library.own, self._tell_download(_KIN), self.cancel, self.line or Line.usual())
        return Kin(entry, asking.what(entry.address, entry.id))

    def _download_kin(self, kin: Kin, missing: Listing) -> Path:
        folder = free_folder(self.library.own, kin.download_name(self.offer.name), missing)
        self.folders.append(folder)
        return self._download(_KIN, kin.entry.address, missing, folder).folder

    def _download(self, leg: int, address: Address, listing: Listing, folder: Path) -> Downloaded:
        self.journey.next_leg(leg)
        self._done = 0
        done = download(address, listing, folder, self._tell_download(leg), self.cancel, line=self.line)
        self.received += done.received
        return done

    def _tell_download(self, leg: int) -> Callable[[DownloadProgress], None]:
        def tell(progress: DownloadProgress) -> None:
            fell = progress.done < self._done
            self._done = progress.done
            rate, left = progress.bytes_per_second, None
            if rate is not None and rate > 0:
                left = (progress.total - progress.done) / rate
            words = f"{progress.phase}, since {progress.why}" if progress.why else progress.phase.value
            self.journey.on(
                words, progress.file, progress.done, progress.total, progress.fraction, seconds_left=left, fell=fell
            )

        return tell

    def _convert(self, path: Path, extras: Extras) -> Brought:
        self.journey.next_leg(_CONVERSION)

        def tell(progress: ConversionProgress) -> None:
            what = progress.part.replace("_", " ")
            self.journey.on(progress.phase.value, what, progress.done, progress.total, progress.fraction, expected=True)

        extras = replace(extras, licence=self.offer.licence)
        plan = plan_import(path, self.library.own, self.offer.name, extras)
        return self._checkpoint(run_import(plan, self.weights, tell, self.cancel))

    def _place(self, kind: Kind, path: Path) -> Brought:
        there = place(kind, path, self.offer.name, self.library)
        return Brought(checkpoint=None, path=there, words=how_to_use(kind, there), received=self.received)

    def _checkpoint(self, made: Checkpoint) -> Brought:
        words = f"It is ready: sdxl-desktop generate … --checkpoint {made.name}"
        return Brought(checkpoint=made, path=made.folder, words=words, received=self.received)
