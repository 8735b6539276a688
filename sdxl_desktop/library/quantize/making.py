"""Makes the quantized checkpoint in its workspace, part by part; what an earlier, killed run finished stays."""

from __future__ import annotations

import gc
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino as ov

from sdxl_desktop.library.convert import compressing
from sdxl_desktop.library.convert.spool import Spool
from sdxl_desktop.library.convert.workspace import ConversionFolder, write_json
from sdxl_desktop.library.detect.documents import read_json
from sdxl_desktop.library.graphs import read_graph
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.describing import describe
from sdxl_desktop.library.quantize.events import Stage
from sdxl_desktop.library.quantize.forecast import stage_seconds
from sdxl_desktop.library.quantize.job import Job
from sdxl_desktop.library.quantize.method import Method, Treatment
from sdxl_desktop.library.quantize.plan import weights_of_parts
from sdxl_desktop.library.quantize.telling import Emit, Teller

_CHUNK = 1 << 22
_GRAPH = "openvino_model.xml"


def make(job: Job, workspace: ConversionFolder, emit: Emit) -> None:
    """Do `job` in `workspace`, which this process holds; raises SdxlDesktopError, OSError and whatever libraries do."""
    method, source = Method(job.method), Path(job.source)
    calibration = Calibration.read(job.calibration) if job.calibration else None
    parts = weights_of_parts(source)
    tell = Teller(emit, stage_seconds(method, parts, calibration))
    for part in parts:
        if size := workspace.part_bytes(part):
            tell.stage(part, Stage.CHECKING, size)
        if not workspace.finished(part, tell.advance):
            _make_part(source, part, method, calibration, workspace, tell)
            gc.collect()
    about = {
        "quantization": {
            "method": method.value,
            "parts": {part: method.treatment(part).value for part in parts},
            "nncf": version("nncf"),
            "openvino": str(ov.get_version()),
            **({"calibration": calibration.about()} if calibration else {}),
        }
    }
    family = describe(source, workspace.whole, job, method, calibration)
    workspace.finish({"source": job.source_name, "weights": method.value, "family": family, **about})
    tell.finishing()


def _make_part(
    source: Path, part: str, method: Method, calibration: Calibration | None, workspace: ConversionFolder, tell: Teller
) -> None:
    match method.treatment(part):
        case Treatment.KEPT:
            _copy(source, part, workspace, tell)
        case Treatment.BYTES | Treatment.NIBBLES:
            _compress(source, part, method.treatment(part), workspace, tell)
        case Treatment.HYBRID | Treatment.FULL:
            if calibration is None:
                raise ValueError(f"{method} needs a calibration")
            _calibrate(source, part, method.treatment(part), calibration, workspace, tell)


def _copy(source: Path, part: str, workspace: ConversionFolder, tell: Teller) -> None:
    files = [source / part / name for name in (_GRAPH, "openvino_model.bin")]
    with workspace.part(part, tell.advance) as folder:
        tell.stage(part, Stage.COPYING, 2 * sum(file.stat().st_size for file in files))
        for file in files:
            with file.open("rb") as reading, (folder / file.name).open("wb") as writing:
                while chunk := reading.read(_CHUNK):
                    writing.write(chunk)
                    tell.advance(len(chunk))
        _copy_config(source, part, folder)


def _compress(source: Path, part: str, treatment: Treatment, workspace: ConversionFolder, tell: Teller) -> None:
    """Weights only: a weight at a time, mapped in and spooled out."""
    model = read_graph(source / part)
    weights = compressing.find_weights(model)
    in_four = treatment is Treatment.NIBBLES
    compress = compressing.compress_to_int4 if in_four else compressing.compress_to_int8
    with (
        Spool(workspace.spool / "compressed", compressing.spool_room(weights)) as spool,
        workspace.part(part, tell.advance) as folder,
    ):
        tell.stage(part, Stage.COMPRESSING, sum(weight.count for weight in weights))
        compress(model, weights, spool, tell.advance)
        weights.clear()
        _save(model, source, part, folder, tell)
        del model


def _calibrate(
    source: Path, part: str, treatment: Treatment, calibration: Calibration, workspace: ConversionFolder, tell: Teller
) -> None:
    """Activations too: samples are drawn, kept on the disk, and the network's ranges learned from them."""
    from sdxl_desktop.library.quantize import calibrating, recording  # ten seconds of torch, optimum-intel and NNCF

    tell.stage(part, Stage.RECORDING, len(calibration.pictures) * calibration.steps)
    samples = recording.record(source, calibration, workspace.folder / "samples", tell.advance)
    gc.collect()
    model = read_graph(source / part)
    tell.stage(part, Stage.CALIBRATING, calibrating.passes(treatment) * len(samples))
    hybrid = treatment is Treatment.HYBRID
    weights = compressing.find_weights(model) if hybrid else []
    with Spool(workspace.spool / "compressed", compressing.spool_room(weights)) as spool:
        quantized = calibrating.quantize(model, treatment, weights, spool, samples, tell.advance)
        del model
        with workspace.part(part, tell.advance) as folder:
            _save(quantized, source, part, folder, tell)
        del quantized
    shutil.rmtree(workspace.folder / "samples", ignore_errors=True)


def _save(model: Any, source: Path, part: str, folder: Path, tell: Teller) -> None:
    tell.stage(part, Stage.WRITING)
    try:
        ov.save_model(model, folder / _GRAPH, compress_to_fp16=False)  # what is left keeps the source's precision
    except RuntimeError as problem:
        raise OSError(f"OpenVINO could not write it: {str(problem).splitlines()[-1]}") from problem
    _copy_config(source, part, folder)
    tell.stage(part, Stage.WRITING, sum(file.stat().st_size for file in folder.iterdir()))


def _copy_config(source: Path, part: str, folder: Path) -> None:
    write_json(folder / "config.json", read_json(source / part / "config.json"))
