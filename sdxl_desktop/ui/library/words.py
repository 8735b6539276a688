"""What the page of checkpoints says: sizes, times, kinds and stages in plain words."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from typing import assert_never

from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.found import Kind as Found
from sdxl_desktop.library.bring.offers import Offer
from sdxl_desktop.library.bring.progress import BringProgress
from sdxl_desktop.library.catalogue import Entry, Kind
from sdxl_desktop.library.convert.forecast import gigabytes
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.holdings import Holding
from sdxl_desktop.library.quantize.comparison import Comparison, Side
from sdxl_desktop.session.bringing import Job, JobState
from sdxl_desktop.session.library_memory import JobNote
from sdxl_desktop.session.tasks import ComparisonNote, Note, Outcome, QuantizationNote, Reduced

KINDS = {
    CheckpointKind.BASE: "draws from words",
    CheckpointKind.REFINER: "refiner: finishes pictures",
    CheckpointKind.INPAINT: "inpainting: fills masked areas",
}
_FAMILIES = {
    Family.BASE: "SDXL",
    Family.REFINER: "SDXL refiner",
    Family.INPAINT: "SDXL inpainting",
    Family.SSD_1B: "SSD-1B",
    Family.VEGA: "Segmind-Vega",
    Family.LCM: "SDXL, few steps",
    Family.LCM_SSD_1B: "SSD-1B, few steps",
    Family.OTHER: "SDXL's kind",
}
READY_MADE = "ready-made, nothing is converted"
_ADDITION = "an addition, to be used with any checkpoint of its family"
_PERHAPS = "if it turns out to be a LoRA, an embedding or a VAE"
_DAY = 86_400
_DIFFERENT, _ALIKE = 20.0, 35.0
"""Decibels between which only looking tells."""


def size(count: float) -> str:
    """Bytes in words."""
    return gigabytes(count)


def about(seconds: float) -> str:
    """A time that nobody knows exactly: "a few seconds", "about 4 min", "about 1 h 20 min"."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {max(10, round(seconds / 10) * 10)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"about {hours} h {rest} min" if rest and hours < 10 else f"about {hours} h"


def used(when: float, now: float | None = None) -> str:
    """When something was drawn with it: "used today", "used on 3 May 2026", "" for never."""
    if when <= 0:
        return ""
    days = int(((now or time.time()) - when) // _DAY)
    if days <= 0:
        return "used today"
    if days == 1:
        return "used yesterday"
    if days < 14:
        return f"used {days} days ago"
    day = date.fromtimestamp(when)
    return f"used on {day.day} {day:%B %Y}"


def kind_line(holding: Holding) -> str:
    """Family and format: "SSD-1B, few steps · int8"."""
    family = _FAMILIES[holding.family] if holding.family is not None else ""
    few_step = holding.checkpoint is not None and holding.checkpoint.few_step
    facts = (
        f"{family}, few steps" if few_step and family and "few" not in family else family,
        holding.weights.value if holding.weights is not None else "",
    )
    return " · ".join(fact for fact in facts if fact)


def format_title(weights: WeightFormat | None) -> str:
    """ "int8" and what it means, for a table."""
    return weights.value if weights is not None else "as it is"


def as_it_is(offer: Offer) -> str:
    """What becomes of `offer` when it is not converted."""
    if offer.kind is Found.CHECKPOINT:
        return READY_MADE
    return _ADDITION if offer.kind is not None else _PERHAPS


def what_it_is(offer: Offer) -> str:
    if offer.family is not None:
        return offer.family.label
    if offer.entry is not None:
        return entry_kind(offer.entry)
    return offer.kind.value if offer.kind is not None else "only its download will tell"


def entry_kind(entry: Entry) -> str:
    """What an entry of the catalogue is."""
    return {
        Kind.SHIPPED: "checkpoint",
        Kind.CHECKPOINT: "checkpoint",
        Kind.UNET: "checkpoint",
        Kind.LORA: "LoRA",
        Kind.VAE: "VAE",
    }[entry.kind]


def job_title(note: Note) -> str:
    """What a job is about: "SDXL base (int8)", "Compare mine and mine-int8"."""
    match note:
        case JobNote():
            return f"{note.title} ({note.weights})" if note.weights is not None else note.title
        case QuantizationNote():
            return note.title
        case ComparisonNote():
            return f"Compare {note.title}"
    assert_never(note)


def outcome(found: Outcome | None) -> str:
    """What came of a job."""
    match found:
        case Reduced():
            return f"Ready · {size(found.bytes)} on the disk, was {size(found.bytes_before)}"
        case Comparison():
            return comparison(found)
        case None:
            return "Done"
    assert_never(found)


def apart(found: Comparison) -> str:
    """How far the pictures of a comparison are apart: "41.3 dB apart"."""
    return "identical pictures" if found.psnr is None else f"{found.psnr:.1f} dB apart"


def comparison(found: Comparison) -> str:
    """What a comparison found, a fact on each line, the first checkpoint's numbers before the second's."""
    said = apart(found)
    facts = [f"{said[:1].upper()}{said[1:]}{_meaning(found.psnr)}"]
    facts += [
        f"{name}: {one} → {other}"
        for name, (one, other) in (
            ("On the disk", _both(found, lambda side: size(side.bytes))),
            ("A step", _both(found, lambda side: f"{side.seconds_per_step:.3g} s")),
            (
                "Memory while drawing",
                _both(found, lambda side: size(side.memory_drawing) if side.memory_drawing else ""),
            ),
        )
        if one and other
    ]
    return "\n".join(facts)


def _meaning(psnr: float | None) -> str:
    """How to read it, where that is certain."""
    if psnr is None or _DIFFERENT <= psnr < _ALIKE:
        return ""
    return ", can hardly be told apart" if psnr >= _ALIKE else ", different pictures, which may be as good"


def _both(found: Comparison, words: Callable[[Side], str]) -> tuple[str, str]:
    return words(found.first), words(found.second)


def job_line(job: Job) -> str:
    """Where a job stands: "Downloading unet · 34 % · about 12 min left"."""
    match job.state:
        case JobState.WAITING:
            return "Waiting for its turn"
        case JobState.PAUSING:
            return ("Discarding…" if job.can_pause else "Stopping…") if job.discarding else "Pausing…"
        case JobState.PAUSED:
            return f"Paused{_share(job)}"
        case JobState.FAILED:
            return f"Stopped{_share(job)}"
        case JobState.RUNNING:
            return _progress_line(job.progress)
        case JobState.DONE:
            return outcome(job.outcome)


def _share(job: Job) -> str:
    return f" at {job.progress.fraction:.0%}" if job.progress is not None else ""


def _progress_line(progress: BringProgress | None) -> str:
    if progress is None:
        return "Starting…"
    stage = progress.stage[:1].upper() + progress.stage[1:]
    what = progress.what.rsplit("/", 1)[0].replace("_", " ")
    words = [f"{stage} ({what})" if what else stage, f"{progress.fraction:.0%}"]
    if progress.seconds_left is not None:
        words.append(f"{about(progress.seconds_left)} left")
    return " · ".join(words)
