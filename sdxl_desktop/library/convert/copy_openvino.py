"""Import a folder of OpenVINO parts by copying it, so that it does not depend on the original."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sdxl_desktop.core.parts import GRAPH, GRAPH_AND_WEIGHTS, OPENVINO_PARTS, TOKENIZERS, WEIGHTS
from sdxl_desktop.core.untrusted_files import UntrustedFileError, copy_limited, is_regular_file
from sdxl_desktop.formats.detected_model import DetectedModel
from sdxl_desktop.formats.families import clip_vocabulary
from sdxl_desktop.formats.json_files import read_json, read_json_or_empty
from sdxl_desktop.library.convert.build_folder import ConversionFolder, write_json
from sdxl_desktop.library.convert.config_writer import write_checkpoint_configs
from sdxl_desktop.library.convert.conversion_job import ConversionPhase, ConversionReporter, Emit
from sdxl_desktop.library.import_record import check_part_sizes
from sdxl_desktop.library.scan import read_checkpoint

_CHUNK = 1 << 22
_EXTRA_FILES = ("preview.json", "README.md")


def copy_openvino_parts(found: DetectedModel, workspace: ConversionFolder, title: str, emit: Emit) -> None:
    """Copy the existing parts and write the configurations; raises CheckpointError for an incomplete folder before
    anything is copied."""
    folder = found.path
    read_checkpoint(folder)
    check_part_sizes(folder)
    parts = [part for part in OPENVINO_PARTS if (folder / part / GRAPH).is_file()]
    reporter = ConversionReporter(emit, [(part, _part_size(folder / part)) for part in parts])
    for part in parts:
        reporter.go_to(part)
        reporter.begin(ConversionPhase.COPYING, 2 * _part_size(folder / part))
        if workspace.finished(part):
            continue
        with workspace.part(part, reporter.advance) as writing:
            write_json(writing / "config.json", read_json(folder / part / "config.json"))
            for name in (WEIGHTS, GRAPH):
                _copy_file(folder / part / name, writing, reporter)
    tokenizers = {
        name: folder / name if (folder / name).is_dir() else clip_vocabulary()
        for name, encoder in TOKENIZERS.items()
        if encoder in parts
    }
    described = DetectedModel(
        path=folder,
        kind=found.kind,
        layout=found.layout,
        family=found.family,
        model_index=found.model_index,
        scheduler_config=read_json_or_empty(folder / "scheduler" / "scheduler_config.json"),
        tokenizers=tokenizers,
    )
    write_checkpoint_configs(described, workspace.whole, title)
    if card := read_json_or_empty(folder / "checkpoint.json"):
        write_json(workspace.whole / "checkpoint.json", card)
    for name in _EXTRA_FILES:
        if is_regular_file(folder / name):
            with suppress(UntrustedFileError):  # only text and a preview: skipped if far too large
                copy_limited(folder / name, workspace.whole / name)
    reporter.report_finishing()


def _part_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob(GRAPH_AND_WEIGHTS))


def _copy_file(file: Path, into: Path, reporter: ConversionReporter) -> None:
    with file.open("rb") as source, (into / file.name).open("wb") as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            reporter.advance(len(chunk))
