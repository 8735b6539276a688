"""Brings a folder of OpenVINO parts into the library by copying it, so that it stays when the original goes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from sdxl_desktop.core.small_files import SmallFileError, copy_small, is_regular
from sdxl_desktop.library.convert.descriptions import write_descriptions
from sdxl_desktop.library.convert.events import Stage
from sdxl_desktop.library.convert.telling import Teller
from sdxl_desktop.library.convert.workspace import ConversionFolder, write_json
from sdxl_desktop.library.detect.documents import read_json, read_json_if_there
from sdxl_desktop.library.detect.families import clip_vocabulary
from sdxl_desktop.library.detect.found import Found
from sdxl_desktop.library.records import check_parts
from sdxl_desktop.library.scan import read_checkpoint

PARTS = ("text_encoder", "text_encoder_2", "unet", "vae_encoder", "vae_decoder")
_CHUNK = 1 << 22
_ALSO = ("preview.json", "README.md")


def copy_parts(found: Found, workspace: ConversionFolder, title: str, emit: Any) -> None:
    """Copy the parts that there are and write their descriptions; raises CheckpointError for a folder that is not
    whole, before anything is copied."""
    folder = found.path
    read_checkpoint(folder)
    check_parts(folder)
    parts = [part for part in PARTS if (folder / part / "openvino_model.xml").is_file()]
    tell = Teller(emit, [(part, _size(folder / part)) for part in parts])
    for part in parts:
        tell.go_to(part)
        tell.stage(Stage.COPYING, 2 * _size(folder / part))
        if workspace.finished(part):
            continue
        with workspace.part(part, tell.advance) as writing:
            write_json(writing / "config.json", read_json(folder / part / "config.json"))
            for kind in ("bin", "xml"):
                _copy(folder / part / f"openvino_model.{kind}", writing, tell)
    tokenizers = {
        name: folder / name if (folder / name).is_dir() else clip_vocabulary()
        for name in ("tokenizer", "tokenizer_2")
        if name.replace("tokenizer", "text_encoder") in parts
    }
    described = Found(
        path=folder,
        kind=found.kind,
        layout=found.layout,
        family=found.family,
        index=found.index,
        scheduler=read_json_if_there(folder / "scheduler" / "scheduler_config.json"),
        tokenizers=tokenizers,
    )
    write_descriptions(described, workspace.whole, title)
    if card := read_json_if_there(folder / "checkpoint.json"):
        write_json(workspace.whole / "checkpoint.json", card)
    for name in _ALSO:
        if is_regular(folder / name):
            with suppress(SmallFileError):  # only words and a preview: what is far too large is left out
                copy_small(folder / name, workspace.whole / name)
    tell.finishing()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("openvino_model.*"))


def _copy(file: Path, into: Path, tell: Teller) -> None:
    with file.open("rb") as source, (into / file.name).open("wb") as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            tell.advance(len(chunk))
