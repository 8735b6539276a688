"""The parts of a checkpoint on their way to a device: identified by content, mended, compiled, cached on disk."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino as ov

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.engine.openvino import devices

_SAMPLE = 1 << 20
_SAMPLES = 16
_UNFINISHED = ".unfinished"


def content_id(part: Path) -> str:
    """A name for the content of the part in folder `part`: hash of its graph and of 16 MiB spread over its weights."""
    digest = hashlib.blake2b(digest_size=10)
    digest.update((part / "openvino_model.xml").read_bytes())
    weights = part / "openvino_model.bin"
    size = weights.stat().st_size
    digest.update(str(size).encode())
    with weights.open("rb") as stream:
        for n in range(_SAMPLES):
            stream.seek(max(0, (size - _SAMPLE) * n // (_SAMPLES - 1)))
            digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()


def mend_unet(model: ov.Model) -> None:
    """Give the exported UNet what the export took from it; changes `model`.

    Its `timestep` input is an integer, so schedulers with fractional timesteps (Karras, Heun, LMS) drift: make it
    f32. Its context is fixed at 77 tokens: make it free, for longer prompts.
    """
    shapes = {}
    for port in model.inputs:
        shape = port.get_partial_shape()
        if port.get_any_name() == "timestep":
            port.get_node().set_element_type(ov.Type.f32)
        if port.get_any_name() == "encoder_hidden_states":
            shape[1] = -1
        shapes[port] = shape
    model.validate_nodes_and_infer_types()
    model.reshape(shapes)


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles parts for devices, keeping the blobs under `cache`, a folder for each content."""

    cache: Path

    def compile(self, key: CompileKey, model: ov.Model) -> tuple[Any, float]:
        """(compiled model, seconds). Raises EngineError when the device refuses."""
        folder = self._clean_folder(key)
        config = devices.compile_config(
            key.device, precision=key.precision, threads=key.threads, cache=str(folder) if folder else ""
        )
        started = time.perf_counter()
        try:
            compiled = devices.core.compile_model(model, key.device, config)
        except RuntimeError as problem:
            raise EngineError(
                f"The {key.component.replace('_', ' ')} cannot be compiled for {key.device}.",
                why=_first_line(problem),
                next_step="Try another device or precision in the settings; the driver may need an update.",
            ) from problem
        if folder:
            (folder / _UNFINISHED).unlink(missing_ok=True)
        return compiled, time.perf_counter() - started

    def _clean_folder(self, key: CompileKey) -> Path | None:
        """The folder for this content's blobs, without what a killed compilation left half written.

        None when the cache cannot be written: then compiling merely takes its full time.
        """
        folder = self.cache / f"{key.component}-{key.checkpoint}"
        try:
            if (folder / _UNFINISHED).exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _UNFINISHED).touch()
        except OSError:
            return None
        return folder


def execution_device(compiled: Any) -> str:
    """The device that really runs a compiled part, as OpenVINO reports it."""
    used = compiled.get_property("EXECUTION_DEVICES")
    return ", ".join(used) if isinstance(used, (list, tuple)) else str(used)


def _first_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines[-1] if lines else type(problem).__name__).rstrip(".") + "."
