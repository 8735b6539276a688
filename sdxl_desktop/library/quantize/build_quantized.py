"""Build the quantized checkpoint in its build folder, part by part; parts finished by a killed run are kept."""

from __future__ import annotations

import gc
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino as ov

from sdxl_desktop.core.parts import GRAPH, WEIGHTS
from sdxl_desktop.formats.json_files import read_json
from sdxl_desktop.library.convert import weight_compression
from sdxl_desktop.library.convert.build_folder import SOURCE_FILE, SOURCE_SHA256, ConversionFolder, write_json
from sdxl_desktop.library.convert.memmap_buffer import MemmapBuffer
from sdxl_desktop.library.import_record import read_import_record
from sdxl_desktop.library.openvino_graphs import read_graph
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.quantization_estimate import phase_seconds
from sdxl_desktop.library.quantize.quantization_job import (
    Emit,
    QuantizationJob,
    QuantizationPhase,
    QuantizationReporter,
)
from sdxl_desktop.library.quantize.quantization_method import PartMethod, QuantizationMethod
from sdxl_desktop.library.quantize.quantization_plan import part_sizes
from sdxl_desktop.library.quantize.quantized_configs import write_quantized_configs

_CHUNK = 1 << 22


def build_quantized(job: QuantizationJob, build_folder: ConversionFolder, emit: Emit) -> None:
    """Run `job` in `build_folder`, whose lock this process holds; raises SdxlDesktopError, OSError and library
    exceptions."""
    method, source, calibration = job.method, job.source, job.calibration
    parts = part_sizes(source)
    reporter = QuantizationReporter(emit, phase_seconds(method, parts, calibration))
    for part in parts:
        if size := build_folder.part_bytes(part):
            reporter.begin(part, QuantizationPhase.CHECKING, size)
        if not build_folder.finished(part, reporter.advance):
            _build_part(source, part, method, calibration, build_folder, reporter)
            gc.collect()
    about = {
        "quantization": {
            "method": method.value,
            "parts": {part: method.part_method(part).value for part in parts},
            "nncf": version("nncf"),
            "openvino": str(ov.get_version()),
            **({"calibration": calibration.to_record()} if calibration else {}),
        }
    }
    recorded = read_import_record(source)
    about |= {key: recorded[key] for key in (SOURCE_FILE, SOURCE_SHA256) if key in recorded}
    family = write_quantized_configs(source, build_folder.whole, job)
    build_folder.finish({"source": job.source_name, "weights": method.value, "family": family, **about})
    reporter.report_finishing()


def _build_part(
    source: Path,
    part: str,
    method: QuantizationMethod,
    calibration: Calibration | None,
    build_folder: ConversionFolder,
    reporter: QuantizationReporter,
) -> None:
    match method.part_method(part):
        case PartMethod.UNCHANGED:
            _copy_part(source, part, build_folder, reporter)
        case PartMethod.INT8 | PartMethod.INT4:
            _compress_weights(source, part, method.part_method(part), build_folder, reporter)
        case PartMethod.HYBRID | PartMethod.FULL:
            if calibration is None:
                raise ValueError(f"{method} needs a calibration")
            _quantize_activations(source, part, method.part_method(part), calibration, build_folder, reporter)


def _copy_part(source: Path, part: str, build_folder: ConversionFolder, reporter: QuantizationReporter) -> None:
    files = [source / part / name for name in (GRAPH, WEIGHTS)]
    with build_folder.part(part, reporter.advance) as folder:
        reporter.begin(part, QuantizationPhase.COPYING, 2 * sum(file.stat().st_size for file in files))
        for file in files:
            with file.open("rb") as reading, (folder / file.name).open("wb") as writing:
                while chunk := reading.read(_CHUNK):
                    writing.write(chunk)
                    reporter.advance(len(chunk))
        _copy_config(source, part, folder)


def _compress_weights(
    source: Path, part: str, part_method: PartMethod, build_folder: ConversionFolder, reporter: QuantizationReporter
) -> None:
    """Compress weights only, one at a time, from a memory-mapped file into a memory-mapped buffer."""
    model = read_graph(source / part)
    weights = weight_compression.find_weights(model)
    in_four = part_method is PartMethod.INT4
    compress = weight_compression.compress_to_int4 if in_four else weight_compression.compress_to_int8
    with (
        MemmapBuffer(build_folder.spool / "compressed", weight_compression.buffer_bytes(weights)) as buffer,
        build_folder.part(part, reporter.advance) as folder,
    ):
        reporter.begin(part, QuantizationPhase.COMPRESSING, sum(weight.count for weight in weights))
        compress(model, weights, buffer, reporter.advance)
        weights.clear()
        _save_part(model, source, part, folder, reporter)
        del model


def _quantize_activations(
    source: Path,
    part: str,
    part_method: PartMethod,
    calibration: Calibration,
    build_folder: ConversionFolder,
    reporter: QuantizationReporter,
) -> None:
    """Quantize activations too: record samples to disk, and calibrate the network's ranges with them."""
    from sdxl_desktop.library.quantize import (
        nncf_quantization,  # ten seconds of importing torch, optimum-intel and NNCF
        sample_recording,
    )

    reporter.begin(part, QuantizationPhase.RECORDING, len(calibration.picture_prompts) * calibration.steps)
    samples = sample_recording.record_samples(source, calibration, build_folder.folder / "samples", reporter.advance)
    gc.collect()
    model = read_graph(source / part)
    reporter.begin(part, QuantizationPhase.CALIBRATING, nncf_quantization.passes_per_sample(part_method) * len(samples))
    hybrid = part_method is PartMethod.HYBRID
    weights = weight_compression.find_weights(model) if hybrid else []
    with MemmapBuffer(build_folder.spool / "compressed", weight_compression.buffer_bytes(weights)) as buffer:
        quantized = nncf_quantization.quantize_with_activations(
            model, part_method, weights, buffer, samples, reporter.advance
        )
        del model
        with build_folder.part(part, reporter.advance) as folder:
            _save_part(quantized, source, part, folder, reporter)
        del quantized
    shutil.rmtree(build_folder.folder / "samples", ignore_errors=True)


def _save_part(model: Any, source: Path, part: str, folder: Path, reporter: QuantizationReporter) -> None:
    reporter.begin(part, QuantizationPhase.WRITING)
    try:
        ov.save_model(model, folder / GRAPH, compress_to_fp16=False)  # the rest keeps the source's precision
    except RuntimeError as problem:
        raise OSError(f"OpenVINO could not write it: {str(problem).splitlines()[-1]}") from problem
    _copy_config(source, part, folder)
    reporter.begin(part, QuantizationPhase.WRITING, sum(file.stat().st_size for file in folder.iterdir()))


def _copy_config(source: Path, part: str, folder: Path) -> None:
    write_json(folder / "config.json", read_json(source / part / "config.json"))
