"""Makes the quantized checkpoint in its workspace, part by part; what an earlier, killed run finished stays."""

from __future__ import annotations

import gc
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino as ov

from sdxl_desktop.core.parts import GRAPH, WEIGHTS
from sdxl_desktop.formats.documents import read_json
from sdxl_desktop.library.convert import compressing
from sdxl_desktop.library.convert.spool import Spool
from sdxl_desktop.library.convert.workspace import ConversionFolder, write_json
from sdxl_desktop.library.graphs import read_graph
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.describing import describe
from sdxl_desktop.library.quantize.forecast import phase_seconds
from sdxl_desktop.library.quantize.job import Emit, QuantizationJob, QuantizationPhase, QuantizationReporter
from sdxl_desktop.library.quantize.method import Method, Treatment
from sdxl_desktop.library.quantize.plan import weights_of_parts

_CHUNK = 1 << 22


def make(job: QuantizationJob, workspace: ConversionFolder, emit: Emit) -> None:
    """Do `job` in `workspace`, which this process holds; raises SdxlDesktopError, OSError and whatever libraries do."""
    method, source, calibration = job.method, job.source, job.calibration
    parts = weights_of_parts(source)
    reporter = QuantizationReporter(emit, phase_seconds(method, parts, calibration))
    for part in parts:
        if size := workspace.part_bytes(part):
            reporter.begin(part, QuantizationPhase.CHECKING, size)
        if not workspace.finished(part, reporter.advance):
            _make_part(source, part, method, calibration, workspace, reporter)
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
    family = describe(source, workspace.whole, job)
    workspace.finish({"source": job.source_name, "weights": method.value, "family": family, **about})
    reporter.finishing()


def _make_part(
    source: Path,
    part: str,
    method: Method,
    calibration: Calibration | None,
    workspace: ConversionFolder,
    reporter: QuantizationReporter,
) -> None:
    match method.treatment(part):
        case Treatment.KEPT:
            _copy(source, part, workspace, reporter)
        case Treatment.BYTES | Treatment.NIBBLES:
            _compress(source, part, method.treatment(part), workspace, reporter)
        case Treatment.HYBRID | Treatment.FULL:
            if calibration is None:
                raise ValueError(f"{method} needs a calibration")
            _calibrate(source, part, method.treatment(part), calibration, workspace, reporter)


def _copy(source: Path, part: str, workspace: ConversionFolder, reporter: QuantizationReporter) -> None:
    files = [source / part / name for name in (GRAPH, WEIGHTS)]
    with workspace.part(part, reporter.advance) as folder:
        reporter.begin(part, QuantizationPhase.COPYING, 2 * sum(file.stat().st_size for file in files))
        for file in files:
            with file.open("rb") as reading, (folder / file.name).open("wb") as writing:
                while chunk := reading.read(_CHUNK):
                    writing.write(chunk)
                    reporter.advance(len(chunk))
        _copy_config(source, part, folder)


def _compress(
    source: Path, part: str, treatment: Treatment, workspace: ConversionFolder, reporter: QuantizationReporter
) -> None:
    """Weights only: a weight at a time, mapped in and spooled out."""
    model = read_graph(source / part)
    weights = compressing.find_weights(model)
    in_four = treatment is Treatment.NIBBLES
    compress = compressing.compress_to_int4 if in_four else compressing.compress_to_int8
    with (
        Spool(workspace.spool / "compressed", compressing.spool_room(weights)) as spool,
        workspace.part(part, reporter.advance) as folder,
    ):
        reporter.begin(part, QuantizationPhase.COMPRESSING, sum(weight.count for weight in weights))
        compress(model, weights, spool, reporter.advance)
        weights.clear()
        _save(model, source, part, folder, reporter)
        del model


def _calibrate(
    source: Path,
    part: str,
    treatment: Treatment,
    calibration: Calibration,
    workspace: ConversionFolder,
    reporter: QuantizationReporter,
) -> None:
    """Activations too: samples are drawn, kept on the disk, and the network's ranges learned from them."""
    from sdxl_desktop.library.quantize import calibrating, recording  # ten seconds of torch, optimum-intel and NNCF

    reporter.begin(part, QuantizationPhase.RECORDING, len(calibration.pictures) * calibration.steps)
    samples = recording.record(source, calibration, workspace.folder / "samples", reporter.advance)
    gc.collect()
    model = read_graph(source / part)
    reporter.begin(part, QuantizationPhase.CALIBRATING, calibrating.passes(treatment) * len(samples))
    hybrid = treatment is Treatment.HYBRID
    weights = compressing.find_weights(model) if hybrid else []
    with Spool(workspace.spool / "compressed", compressing.spool_room(weights)) as spool:
        quantized = calibrating.quantize(model, treatment, weights, spool, samples, reporter.advance)
        del model
        with workspace.part(part, reporter.advance) as folder:
            _save(quantized, source, part, folder, reporter)
        del quantized
    shutil.rmtree(workspace.folder / "samples", ignore_errors=True)


def _save(model: Any, source: Path, part: str, folder: Path, reporter: QuantizationReporter) -> None:
    reporter.begin(part, QuantizationPhase.WRITING)
    try:
        ov.save_model(model, folder / GRAPH, compress_to_fp16=False)  # what is left keeps the source's precision
    except RuntimeError as problem:
        raise OSError(f"OpenVINO could not write it: {str(problem).splitlines()[-1]}") from problem
    _copy_config(source, part, folder)
    reporter.begin(part, QuantizationPhase.WRITING, sum(file.stat().st_size for file in folder.iterdir()))


def _copy_config(source: Path, part: str, folder: Path) -> None:
    write_json(folder / "config.json", read_json(source / part / "config.json"))
