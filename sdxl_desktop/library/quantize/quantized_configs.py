"""Write the quantized checkpoint's configurations: the source's, and how it was made."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sdxl_desktop.core.parts import TOKENIZERS
from sdxl_desktop.core.untrusted_files import UntrustedFileError, copy_limited, is_regular_file
from sdxl_desktop.formats.detected_model import DetectedModel
from sdxl_desktop.formats.families import clip_vocabulary
from sdxl_desktop.formats.json_files import read_json_or_empty
from sdxl_desktop.library.convert.build_folder import write_json
from sdxl_desktop.library.convert.config_writer import write_checkpoint_configs
from sdxl_desktop.library.detect.identify import identify
from sdxl_desktop.library.quantize.quantization_job import QuantizationJob

_EXTRA_FILES = ("preview.json", "README.md")


def write_quantized_configs(source: Path, folder: Path, job: QuantizationJob) -> str | None:
    """Write model_index.json, checkpoint.json, scheduler and tokenizers of the checkpoint in `folder`, made from the
    one in `source`; returns the name of its family, if known."""
    found = identify(source)
    tokenizers = {
        name: source / name if (source / name).is_dir() else clip_vocabulary()
        for name, encoder in TOKENIZERS.items()
        if (folder / encoder).is_dir()
    }
    described = DetectedModel(
        path=source,
        kind=found.kind,
        layout=found.layout,
        family=found.family,
        model_index=found.model_index,
        scheduler_config=read_json_or_empty(source / "scheduler" / "scheduler_config.json"),
        tokenizers=tokenizers,
    )
    write_checkpoint_configs(described, folder, job.title)
    own = read_json_or_empty(folder / "checkpoint.json")
    card = {**own, **read_json_or_empty(source / "checkpoint.json")}
    title = str(card.get("title") or job.source_name)
    write_json(
        folder / "checkpoint.json",
        {
            **card,
            "title": f"{title} ({job.method})",
            "description": quantized_description(card.get("description"), job),
        },
    )
    for name in _EXTRA_FILES:
        if is_regular_file(source / name):
            with suppress(UntrustedFileError):  # only text and a preview: skipped if far too large
                copy_limited(source / name, folder / name)
    return found.family.value if found.family else None


def quantized_description(source_description: object, job: QuantizationJob) -> str:
    """Return a readable description: the source's own, and how the quantized checkpoint was made from it."""
    how, calibration = f"Made from {job.source_name}: {job.method.label}.", job.calibration
    if calibration is not None:
        how += (
            f" Calibrated on {calibration.samples} samples from {len(calibration.picture_prompts)} pictures"
            f" at {calibration.steps} steps and guidance {calibration.guidance_scale:g}."
        )
    return f"{source_description} {how}".strip() if source_description else how
