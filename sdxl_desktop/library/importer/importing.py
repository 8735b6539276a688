"""Carry out an import preview: download, convert, install in the library; can be paused and resumed at any time."""

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
from sdxl_desktop.formats.detected_model import ModelKind
from sdxl_desktop.library.checkpoint_names import validate_name
from sdxl_desktop.library.convert.conversion_job import ConversionProgress
from sdxl_desktop.library.convert.conversion_options import ConversionOptions
from sdxl_desktop.library.convert.import_plan import plan_import
from sdxl_desktop.library.convert.resource_estimate import check_resources, format_bytes
from sdxl_desktop.library.convert.run_import import run_import
from sdxl_desktop.library.convert.unet_swap import detect_unet, is_unet_folder, link_or_copy
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.detect.identify import identify
from sdxl_desktop.library.hub.download_job import DownloadProgress
from sdxl_desktop.library.hub.download_paths import RECORD_FILE
from sdxl_desktop.library.hub.hub_address import HubAddress
from sdxl_desktop.library.hub.hub_connection import Downloaded, HubConnection, download
from sdxl_desktop.library.hub.install import DOWNLOADS_FOLDER, install_download, is_ready_to_use
from sdxl_desktop.library.hub.remote_files import HubListing
from sdxl_desktop.library.importer.base_model import BaseModel, base_model_entry, conversion_options, find_converted
from sdxl_desktop.library.importer.import_preview import ImportPreview
from sdxl_desktop.library.importer.import_progress import ImportProgress, PhasedProgress
from sdxl_desktop.library.importer.install_addition import install_addition, usage_hint
from sdxl_desktop.library.importer.resolve import HubResolver, pick_download_folder
from sdxl_desktop.library.scan import Library

_log = logging.getLogger(__name__)

__all__ = ["ImportProgress", "ImportResult", "import_model"]

_ASSUMED_BYTES_PER_SECOND = 10e6
"""Assumed download speed until it is measured; it weights downloads against conversion."""
_OWN_DOWNLOAD_PHASE, _BASE_MODEL_DOWNLOAD_PHASE, _CONVERSION_PHASE = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """The result: a library `checkpoint` or (if None) an addition at `path`. `message` says how to use it,
    `received_bytes` is the number of bytes downloaded."""

    checkpoint: Checkpoint | None
    path: Path
    message: str
    received_bytes: int = 0


def import_model(
    preview: ImportPreview,
    weight_format: WeightFormat | None,
    library: Library,
    emit: Callable[[ImportProgress], None],
    cancel: threading.Event | None = None,
    *,
    keep_download: bool = False,
    connection: HubConnection | None = None,
) -> ImportResult:
    """Download, convert and install. Blocks until done; `emit` is called on this thread.

    `weight_format` is a key of `preview.estimates`. `cancel` pauses: finished work is kept, and calling again resumes,
    as after a kill. The download folder is removed after the conversion, unless `keep_download`. Raises subclasses of
    SdxlDesktopError; DownloadCancelledError or ImportCancelledError after a cancel.
    """
    check_weight_format(preview, weight_format)
    validate_name(preview.name, library.user_folder)
    _check_resources(preview, weight_format, library)
    seconds = [
        (preview.listing.bytes if preview.listing is not None else 0) / _ASSUMED_BYTES_PER_SECOND,
        preview.base_model_bytes.get(weight_format, 0) / _ASSUMED_BYTES_PER_SECOND,
        preview.estimates[weight_format].seconds,
    ]
    _log.info("Importing %s from %s as %s", preview.name, preview.source, weight_format or "it is")
    work = _ImportRun(
        preview, weight_format, library, PhasedProgress(emit, seconds), cancel or threading.Event(), connection
    )
    brought = work.run()
    if not keep_download:
        work.remove_downloads()
    library.missing_checkpoints()  # records it, so that it is reported if it goes missing
    _log.info("Imported %s: %s", preview.name, brought.path)
    return brought


def check_weight_format(preview: ImportPreview, weight_format: WeightFormat | None) -> None:
    """Raise CheckpointError, listing the choices and their cost, unless `weight_format` can be chosen."""
    if preview.advice:
        raise CheckpointError(f"{preview.title} is nothing to import.", next_step=preview.advice)
    if weight_format in preview.estimates:
        return
    if weight_format is not None:
        raise CheckpointError(
            f"{preview.title} is taken as it is, without being converted.", next_step="Leave the weight format out."
        )
    formats = ", ".join(str(choice) for choice in preview.estimates if choice is not None)
    costs = "; ".join(
        f"{choice}: {about.seconds / 60:.0f} min, {format_bytes(about.memory)} of memory, "
        f"{format_bytes(about.disk)} of disk"
        for choice, about in preview.estimates.items()
    )
    hint = f"; {preview.suggested_format} fits this computer's memory" if preview.suggested_format is not None else ""
    raise CheckpointError(
        "A weight format must be chosen.",
        why=f"It is never chosen silently. Converting takes about, {costs}.",
        next_step=f"Choose one of {formats}{hint}.",
    )


def _check_resources(preview: ImportPreview, weight_format: WeightFormat | None, library: Library) -> None:
    """Raise ImportFailedError if the disk has no room for the remaining download plus the conversion."""
    coming = preview.download_bytes_for(weight_format) - preview.downloaded_bytes_for(weight_format)
    about = preview.estimates[weight_format]
    if coming > 0 and weight_format is not None:
        check_resources(replace(about, disk_meanwhile=about.disk_meanwhile + coming), library.user_folder)


@dataclass
class _ImportRun:
    """One import. `download_folders` are not needed afterwards."""

    preview: ImportPreview
    weight_format: WeightFormat | None
    library: Library
    progress: PhasedProgress
    cancel: threading.Event
    connection: HubConnection | None
    download_folders: list[Path] = field(default_factory=list)
    received_bytes: int = 0
    _downloaded_bytes: int = 0

    def run(self) -> ImportResult:
        path, source = self._fetch_source()
        if isinstance(path, Checkpoint):
            return self._checkpoint_result(path)
        if self.preview.fuses_lora and self.weight_format is not None:
            return self._convert_with_lora(path, source)
        if path.is_dir() and is_unet_folder(path):
            return self._convert_with_unet(path, source)
        if path.is_dir() and (path / "config.json").is_file() and not (path / "model_index.json").is_file():
            return self._install_addition(ModelKind.VAE, path)
        if isinstance(self.preview.source, HubAddress):
            kind = identify(path).kind
            if kind in (ModelKind.LORA, ModelKind.EMBEDDING, ModelKind.VAE):
                return self._install_addition(kind, path)
        return self._convert(path, conversion_options(self.preview.entry, source))

    def remove_downloads(self) -> None:
        """Remove the downloads that were converted or installed."""
        for folder in self.download_folders:
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # the folder may hold other downloads
            (self.library.user_folder / DOWNLOADS_FOLDER).rmdir()

    def _fetch_source(self) -> tuple[Path | Checkpoint, str]:
        """Return the path to convert and the source to record; or the checkpoint, if it is ready-made."""
        offer = self.preview
        if isinstance(offer.source, Path):
            return offer.source, ""
        assert offer.listing is not None
        folder = pick_download_folder(self.library.user_folder, offer.name, offer.listing)
        done = self._download(_OWN_DOWNLOAD_PHASE, offer.source, offer.listing, folder)
        if is_ready_to_use(done):
            return install_download(done, self.library.user_folder, offer.entry, offer.name), ""
        self.download_folders.append(done.folder)
        return done.path, f"{offer.source}@{offer.listing.commit[:12]}"

    def _convert_with_unet(self, unet: Path, source: str) -> ImportResult:
        """Combine the UNet in the folder `unet` with the other parts of its base model."""
        base_model = self._resolve_base_model(unet)
        converted = find_converted(base_model.entry, self.weight_format, self.library)
        if converted is not None:
            return self._convert(
                unet, conversion_options(self.preview.entry, source or unet.name, reuse_parts_from=converted)
            )
        missing = base_model.missing_files(self.library, self.weight_format, fusing=False)
        assert missing is not None
        whole = self._download_base_model(base_model, missing)
        (whole / Part.UNET).mkdir(exist_ok=True)
        for file in sorted(unet.iterdir()):
            if file.is_file() and file.name != RECORD_FILE and not (whole / Part.UNET / file.name).exists():
                link_or_copy(file, whole / Part.UNET / file.name)
        return self._convert(whole, conversion_options(self.preview.entry, source or unet.name))

    def _convert_with_lora(self, lora: Path, source: str) -> ImportResult:
        """Fuse the LoRA in the file `lora` into its base model."""
        base_model = self.preview.base_model
        assert base_model is not None
        converted = find_converted(base_model.entry, self.weight_format, self.library)
        missing = base_model.missing_files(self.library, self.weight_format, fusing=True)
        assert missing is not None
        folder = self._download_base_model(base_model, missing)
        extras = conversion_options(self.preview.entry, source, lora=lora, reuse_parts_from=converted)
        return self._convert(folder / Part.UNET if converted is not None else folder, extras)

    def _resolve_base_model(self, unet: Path) -> BaseModel:
        if self.preview.base_model is not None and self.preview.base_model.listing is not None:
            return self.preview.base_model
        entry = (
            self.preview.base_model.entry
            if self.preview.base_model is not None
            else base_model_entry(None, detect_unet(unet).family)
        )
        if entry is None:
            raise CheckpointError(
                f"{self.preview.title} is a UNet alone.", why="It goes with no checkpoint that is known here."
            )
        if find_converted(entry, self.weight_format, self.library) is not None:
            return BaseModel(entry)
        resolver = HubResolver(
            self.library.user_folder,
            self._download_progress_handler(_BASE_MODEL_DOWNLOAD_PHASE),
            self.cancel,
            self.connection or HubConnection.default(),
        )
        return BaseModel(entry, resolver.list_files(entry.address, entry.id))

    def _download_base_model(self, base_model: BaseModel, missing: HubListing) -> Path:
        folder = pick_download_folder(self.library.user_folder, base_model.download_name(self.preview.name), missing)
        self.download_folders.append(folder)
        return self._download(_BASE_MODEL_DOWNLOAD_PHASE, base_model.entry.address, missing, folder).folder

    def _download(self, phase: int, address: HubAddress, listing: HubListing, folder: Path) -> Downloaded:
        self.progress.start_phase(phase)
        self._downloaded_bytes = 0
        done = download(
            address, listing, folder, self._download_progress_handler(phase), self.cancel, connection=self.connection
        )
        self.received_bytes += done.received_bytes
        return done

    def _download_progress_handler(self, phase: int) -> Callable[[DownloadProgress], None]:
        def tell(progress: DownloadProgress) -> None:
            fell = progress.done < self._downloaded_bytes
            self._downloaded_bytes = progress.done
            rate, left = progress.bytes_per_second, None
            if rate is not None and rate > 0:
                left = (progress.total - progress.done) / rate
            words = f"{progress.phase}, since {progress.why}" if progress.why else progress.phase.value
            self.progress.update(
                words,
                progress.file,
                progress.done,
                progress.total,
                progress.fraction,
                seconds_left=left,
                restarted=fell,
            )

        return tell

    def _convert(self, path: Path, extras: ConversionOptions) -> ImportResult:
        self.progress.start_phase(_CONVERSION_PHASE)

        def tell(progress: ConversionProgress) -> None:
            what = progress.part.replace("_", " ")
            self.progress.update(
                progress.phase.value, what, progress.done, progress.total, progress.fraction, use_estimate=True
            )

        extras = replace(extras, licence=self.preview.licence)
        plan = plan_import(path, self.library.user_folder, self.preview.name, extras)
        return self._checkpoint_result(run_import(plan, self.weight_format, tell, self.cancel))

    def _install_addition(self, kind: ModelKind, path: Path) -> ImportResult:
        there = install_addition(kind, path, self.preview.name, self.library)
        return ImportResult(
            checkpoint=None, path=there, message=usage_hint(kind, there), received_bytes=self.received_bytes
        )

    def _checkpoint_result(self, checkpoint: Checkpoint) -> ImportResult:
        words = f"It is ready: sdxl-desktop generate … --checkpoint {checkpoint.name}"
        return ImportResult(
            checkpoint=checkpoint, path=checkpoint.folder, message=words, received_bytes=self.received_bytes
        )
