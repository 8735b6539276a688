"""Text formatting for the library dialog: sizes, times, kinds and stages."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from typing import assert_never

from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.formats.detected_model import ModelKind as Found
from sdxl_desktop.formats.families import Family
from sdxl_desktop.library.catalogue import CatalogueEntry, CatalogueKind
from sdxl_desktop.library.convert.resource_estimate import format_bytes
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.importer.import_preview import ImportPreview
from sdxl_desktop.library.importer.import_progress import ImportProgress
from sdxl_desktop.library.inventory import InstalledCheckpoint
from sdxl_desktop.library.quantize.comparison_result import CheckpointComparison, ComparedCheckpoint
from sdxl_desktop.session.checkpoint_jobs import (
    ComparisonJobSpec,
    JobOutcome,
    JobSpec,
    QuantizationJobSpec,
    QuantizationResult,
)
from sdxl_desktop.session.library_jobs import JobState, LibraryJob
from sdxl_desktop.session.library_state import ImportJobSpec
from sdxl_desktop.ui.formatting import format_duration

CHECKPOINT_KIND_TITLES = {
    CheckpointKind.BASE: "draws from words",
    CheckpointKind.REFINER: "refiner: finishes pictures",
    CheckpointKind.INPAINT: "inpainting: fills masked areas",
}
_FAMILY_TITLES = {
    Family.BASE: "SDXL",
    Family.REFINER: "SDXL refiner",
    Family.INPAINT: "SDXL inpainting",
    Family.SSD_1B: "SSD-1B",
    Family.VEGA: "Segmind-Vega",
    Family.LCM: "SDXL, few steps",
    Family.LCM_SSD_1B: "SSD-1B, few steps",
    Family.OTHER: "SDXL's kind",
}
NOT_CONVERTED = "ready-made, nothing is converted"
_ADDITION_DESCRIPTION = "an addition, to be used with any checkpoint of its family"
_MAYBE_ADDITION_DESCRIPTION = "if it turns out to be a LoRA, an embedding or a VAE"
_SECONDS_PER_DAY = 86_400
_DIFFERENT_PSNR, _ALIKE_PSNR = 20.0, 35.0
"""Decibels between which the PSNR alone does not tell whether two pictures differ visibly."""


def format_size(count: float) -> str:
    """Format a number of bytes."""
    return format_bytes(count)


def format_last_used(timestamp: float, now: float | None = None) -> str:
    """Format the time of the last use: "used today", "used on 3 May 2026", "" for never."""
    if timestamp <= 0:
        return ""
    days = int(((now or time.time()) - timestamp) // _SECONDS_PER_DAY)
    if days <= 0:
        return "used today"
    if days == 1:
        return "used yesterday"
    if days < 14:
        return f"used {days} days ago"
    day = date.fromtimestamp(timestamp)
    return f"used on {day.day} {day:%B %Y}"


def family_and_format(holding: InstalledCheckpoint) -> str:
    """Return family and format: "SSD-1B, few steps · int8"."""
    family = _FAMILY_TITLES[holding.family] if holding.family is not None else ""
    few_step = holding.checkpoint is not None and holding.checkpoint.is_few_step
    facts = (
        f"{family}, few steps" if few_step and family and "few" not in family else family,
        holding.weight_format.value if holding.weight_format is not None else "",
    )
    return " · ".join(fact for fact in facts if fact)


def weight_format_title(weights: WeightFormat | None) -> str:
    """ "int8" with its description, for a table."""
    return weights.value if weights is not None else "as it is"


def unconverted_description(preview: ImportPreview) -> str:
    """Describe what is stored when `preview` is not converted."""
    if preview.kind is Found.CHECKPOINT:
        return NOT_CONVERTED
    return _ADDITION_DESCRIPTION if preview.kind is not None else _MAYBE_ADDITION_DESCRIPTION


def preview_kind(preview: ImportPreview) -> str:
    if preview.family is not None:
        return preview.family.label
    if preview.entry is not None:
        return catalogue_entry_kind(preview.entry)
    return preview.kind.value if preview.kind is not None else "unknown until it is downloaded"


def catalogue_entry_kind(entry: CatalogueEntry) -> str:
    """Return the kind of a catalogue entry."""
    return {
        CatalogueKind.SHIPPED: "checkpoint",
        CatalogueKind.CHECKPOINT: "checkpoint",
        CatalogueKind.UNET: "checkpoint",
        CatalogueKind.LORA: "LoRA",
        CatalogueKind.VAE: "VAE",
    }[entry.kind]


def format_job_title(note: JobSpec) -> str:
    """Return a job's title: "SDXL base (int8)", "Compare mine and mine-int8"."""
    match note:
        case ImportJobSpec():
            return f"{note.title} ({note.weights})" if note.weights is not None else note.title
        case QuantizationJobSpec():
            return note.title
        case ComparisonJobSpec():
            return f"Compare {note.title}"
    assert_never(note)


def format_outcome(outcome: JobOutcome | None) -> str:
    """Describe a job's outcome."""
    match outcome:
        case QuantizationResult():
            return f"Ready · {format_size(outcome.bytes)} on the disk, was {format_size(outcome.bytes_before)}"
        case CheckpointComparison():
            return format_comparison(outcome)
        case None:
            return "Done"
    assert_never(outcome)


def format_psnr(comparison: CheckpointComparison) -> str:
    """Format the difference between the pictures of a comparison: "41.3 dB apart"."""
    return "identical pictures" if comparison.psnr is None else f"{comparison.psnr:.1f} dB apart"


def format_comparison(comparison: CheckpointComparison) -> str:
    """Format a comparison's result, one fact per line, the first checkpoint's numbers before the second's."""
    psnr_text = format_psnr(comparison)
    facts = [f"{psnr_text[:1].upper()}{psnr_text[1:]}{_psnr_meaning(comparison.psnr)}"]
    facts += [
        f"{name}: {one} → {other}"
        for name, (one, other) in (
            ("On the disk", _for_both_sides(comparison, lambda side: format_size(side.bytes))),
            ("A step", _for_both_sides(comparison, lambda side: f"{side.seconds_per_step:.3g} s")),
            (
                "Memory while drawing",
                _for_both_sides(
                    comparison, lambda side: format_size(side.memory_drawing) if side.memory_drawing else ""
                ),
            ),
        )
        if one and other
    ]
    return "\n".join(facts)


def _psnr_meaning(psnr: float | None) -> str:
    """Interpret the PSNR where that is certain, else return ""."""
    if psnr is None or _DIFFERENT_PSNR <= psnr < _ALIKE_PSNR:
        return ""
    return ", can hardly be told apart" if psnr >= _ALIKE_PSNR else ", different pictures, which may be as good"


def _for_both_sides(
    comparison: CheckpointComparison, format_side: Callable[[ComparedCheckpoint], str]
) -> tuple[str, str]:
    return format_side(comparison.first), format_side(comparison.second)


def format_job_status(job: LibraryJob) -> str:
    """Describe a job's state: "Downloading unet · 34 % · about 12 min left"."""
    match job.state:
        case JobState.WAITING:
            return "Waiting for its turn"
        case JobState.PAUSING:
            return ("Discarding…" if job.can_pause else "Stopping…") if job.discarding else "Pausing…"
        case JobState.PAUSED:
            return f"Paused{_progress_suffix(job)}"
        case JobState.FAILED:
            return f"Stopped{_progress_suffix(job)}"
        case JobState.RUNNING:
            return _format_progress(job.progress)
        case JobState.DONE:
            return format_outcome(job.outcome)


def _progress_suffix(job: LibraryJob) -> str:
    return f" at {job.progress.fraction:.0%}" if job.progress is not None else ""


def _format_progress(progress: ImportProgress | None) -> str:
    if progress is None:
        return "Starting…"
    phase = progress.stage[:1].upper() + progress.stage[1:]
    what = progress.what.rsplit("/", 1)[0].replace("_", " ")
    words = [f"{phase} ({what})" if what else phase, f"{progress.fraction:.0%}"]
    if progress.seconds_left is not None:
        words.append(f"{format_duration(progress.seconds_left)} left")
    return " · ".join(words)
