"""Brings a folder of OpenVINO parts into the library by copying it, so that it stays when the original goes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sdxl_desktop.core.parts import GRAPH, GRAPH_AND_WEIGHTS, OPENVINO_PARTS, TOKENIZERS, WEIGHTS
from sdxl_desktop.core.small_files import SmallFileError, copy_small, is_regular
from sdxl_desktop.formats.documents import read_json, read_json_if_there
from sdxl_desktop.formats.families import clip_vocabulary
from sdxl_desktop.formats.found import Found
from sdxl_desktop.library.convert.descriptions import write_descriptions
from sdxl_desktop.library.convert.job import ConversionPhase, ConversionReporter, Emit
from sdxl_desktop.library.convert.workspace import ConversionFolder, write_json
from sdxl_desktop.library.records import check_parts
from sdxl_desktop.library.scan import read_checkpoint

_CHUNK = 1 << 22
_ALSO = ("preview.json", "README.md")


def copy_parts(found: Found, workspace: ConversionFolder, title: str, emit: Emit) -> None:
    """Copy the parts that there are and write their descriptions; raises CheckpointError for a folder that is not
    whole, before anything is copied."""
    folder = found.path
    read_checkpoint(folder)
    check_parts(folder)
    parts = [part for part in OPENVINO_PARTS if (folder / part / GRAPH).is_file()]
    reporter = ConversionReporter(emit, [(part, _size(folder / part)) for part in parts])
    for part in parts:
        reporter.go_to(part)
        reporter.begin(ConversionPhase.COPYING, 2 * _size(folder / part))
        if workspace.finished(part):
            continue
        with workspace.part(part, reporter.advance) as writing:
            write_json(writing / "config.json", read_json(folder / part / "config.json"))
            for name in (WEIGHTS, GRAPH):
                _copy(folder / part / name, writing, reporter)
    tokenizers = {
        name: folder / name if (folder / name).is_dir() else clip_vocabulary()
        for name, encoder in TOKENIZERS.items()
        if encoder in parts
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
    reporter.finishing()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob(GRAPH_AND_WEIGHTS))


def _copy(file: Path, into: Path, reporter: ConversionReporter) -> None:
    with file.open("rb") as source, (into / file.name).open("wb") as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            reporter.advance(len(chunk))
