"""Combine a lone UNet with a checkpoint in the library, whose other parts are linked, not converted again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from sdxl_desktop.core.parts import GRAPH, OPENVINO_PARTS, TOKENIZERS, WEIGHTS, Part
from sdxl_desktop.formats.detected_model import DetectedModel, ModelKind, ModelLayout
from sdxl_desktop.formats.families import PipelineConfigFolder, clip_vocabulary, family_of
from sdxl_desktop.formats.format_errors import DamagedFileError
from sdxl_desktop.formats.json_files import read_json, read_json_or_empty
from sdxl_desktop.formats.safetensors_header import Tensor, read_tensors
from sdxl_desktop.formats.weight_variants import SAFETENSORS
from sdxl_desktop.library.convert.build_folder import ConversionFolder
from sdxl_desktop.library.detect.checkpoint_folders import weight_files_in
from sdxl_desktop.library.detect.part_matching import Mismatch, match_part
from sdxl_desktop.library.import_record import check_part_sizes
from sdxl_desktop.library.scan import read_checkpoint

UNET_WEIGHTS_STEM = "diffusion_pytorch_model"
REUSED_PARTS = tuple(part for part in OPENVINO_PARTS if part is not Part.UNET)


def is_unet_folder(folder: Path) -> bool:
    """Whether `folder` has a UNet's config.json and weights at its top level and is not a complete checkpoint."""
    if not (folder / "config.json").is_file() or (folder / "model_index.json").is_file():
        return False
    try:
        return "cross_attention_dim" in read_json(folder / "config.json") and bool(unet_files(folder))
    except DamagedFileError:
        return False


def unet_files(folder: Path) -> list[Path]:
    """Return the weights file of the preferred variant, or its shards."""
    return weight_files_in(folder, UNET_WEIGHTS_STEM) or sorted(folder.glob(f"{UNET_WEIGHTS_STEM}*-of-*{SAFETENSORS}"))


def detect_unet(folder: Path, base: Path | None = None) -> DetectedModel:
    """Return the UNet in `folder`; `base`, a converted checkpoint, supplies missing configuration.

    Raises DamagedFileError if it is incomplete or incompatible with `base`.
    """
    config, files = read_json(folder / "config.json"), unet_files(folder)
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors.update(read_tensors(file))
    part = match_part(Part.UNET, config, tensors)
    if isinstance(part, Mismatch):
        raise DamagedFileError(
            f"{folder.name} is not whole.",
            why=f"Of its UNet, {part.reason}.",
            next_step="Download the missing or damaged files again.",
        )
    if base is not None:
        _check_cross_attention_dim(folder, part.config, base)
    has_first = base is None or (base / Part.TEXT_ENCODER).is_dir()
    return DetectedModel(
        path=folder,
        kind=ModelKind.CHECKPOINT,
        layout=ModelLayout.DIFFUSERS,
        family=family_of(dict(part.config), has_first_encoder=has_first),
        parts=(part,),
        files=tuple(files),
        model_index=PipelineConfigFolder(base).index if base is not None else {},
        scheduler_config=PipelineConfigFolder(base).scheduler if base is not None else {},
        tokenizers=_tokenizers(base) if base is not None else {},
    )


def reuse_parts(
    base: Path, workspace: ConversionFolder, on_part: Callable[[str, int], None], progress: Callable[[int], None]
) -> None:
    """Add the finished parts of the converted checkpoint in `base`, except the UNet, to `workspace`: as links if the
    file system supports them, else as copies. `on_part` is called with each part and its bytes. Raises CheckpointError
    if `base` is incomplete."""
    read_checkpoint(base)
    check_part_sizes(base)
    for part in reusable_parts(base):
        files = [file for file in sorted((base / part).iterdir()) if _is_part_file(file)]
        on_part(part, 2 * sum(file.stat().st_size for file in files))
        if workspace.finished(part, progress):
            continue
        with workspace.part(part, progress) as writing:
            for file in files:
                link_or_copy(file, writing / file.name)


def reusable_parts(base: Path) -> Sequence[str]:
    """Return the parts of a converted checkpoint that can be combined with another UNet."""
    return [part for part in REUSED_PARTS if (base / part / GRAPH).is_file()]


def link_or_copy(file: Path, to: Path) -> None:
    """Hard-link `to` to `file` if the file system supports it, else copy it."""
    try:
        os.link(file, to)
    except OSError:
        shutil.copyfile(file, to)


def _is_part_file(file: Path) -> bool:
    return file.is_file() and file.name in ("config.json", GRAPH, WEIGHTS)


def _check_cross_attention_dim(folder: Path, config: object, base: Path) -> None:
    theirs = read_json_or_empty(base / Part.UNET / "config.json")
    width = config.get("cross_attention_dim") if isinstance(config, dict) else None
    if theirs.get("cross_attention_dim") != width:
        raise DamagedFileError(
            f"The UNet in {folder.name} does not go with {base.name}.",
            why=f"It reads text of width {width}; the text encoders there give {theirs.get('cross_attention_dim')}.",
            next_step="Choose the checkpoint that it was made from.",
        )


def _tokenizers(base: Path) -> dict[str, Path]:
    return {
        name: base / name if (base / name).is_dir() else clip_vocabulary()
        for name, encoder in TOKENIZERS.items()
        if (base / encoder).is_dir()
    }
