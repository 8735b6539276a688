"""Writes what the quantized checkpoint says of itself: the source's descriptions, and how it was made."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sdxl_desktop.core.parts import TOKENIZERS
from sdxl_desktop.core.small_files import SmallFileError, copy_small, is_regular
from sdxl_desktop.formats.documents import read_json_if_there
from sdxl_desktop.formats.families import clip_vocabulary
from sdxl_desktop.formats.found import Found
from sdxl_desktop.library.convert.descriptions import write_descriptions
from sdxl_desktop.library.convert.workspace import write_json
from sdxl_desktop.library.detect.identify import identify
from sdxl_desktop.library.quantize.job import QuantizationJob

_ALSO = ("preview.json", "README.md")


def describe(source: Path, folder: Path, job: QuantizationJob) -> str | None:
    """Write model_index.json, checkpoint.json, scheduler and tokenizers of the checkpoint in `folder`, which was made
    of the one in `source`; returns the name of its family where that is known."""
    found = identify(source)
    tokenizers = {
        name: source / name if (source / name).is_dir() else clip_vocabulary()
        for name, encoder in TOKENIZERS.items()
        if (folder / encoder).is_dir()
    }
    described = Found(
        path=source,
        kind=found.kind,
        layout=found.layout,
        family=found.family,
        index=found.index,
        scheduler=read_json_if_there(source / "scheduler" / "scheduler_config.json"),
        tokenizers=tokenizers,
    )
    write_descriptions(described, folder, job.title)
    own = read_json_if_there(folder / "checkpoint.json")
    card = {**own, **read_json_if_there(source / "checkpoint.json")}
    title = str(card.get("title") or job.source_name)
    write_json(
        folder / "checkpoint.json",
        {
            **card,
            "title": f"{title} ({job.method})",
            "description": words(card.get("description"), job),
        },
    )
    for name in _ALSO:
        if is_regular(source / name):
            with suppress(SmallFileError):  # only words and a preview: what is far too large is left out
                copy_small(source / name, folder / name)
    return found.family.value if found.family else None


def words(of_source: object, job: QuantizationJob) -> str:
    """A description for people: the source's own, and how this was made of it."""
    how, calibration = f"Made from {job.source_name}: {job.method.label}.", job.calibration
    if calibration is not None:
        how += (
            f" Calibrated on {calibration.samples} samples from {len(calibration.pictures)} pictures"
            f" at {calibration.steps} steps and guidance {calibration.guidance_scale:g}."
        )
    return f"{of_source} {how}".strip() if of_source else how
