"""Generates pictures for `benchmarks.speed`, in a separate process: with ours, or with a peer library.

Reads a line of JSON per picture from stdin and answers with one. It is also run by path, with another Python in which
only the peer is installed: so only the standard library is imported before a pipeline is chosen.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

SettingFields = dict[str, Any]
"""`checkpoint`, `side` in pixels, `guidance`, `threads` (0: the library's default), `precision` ("auto": the library's
default), `home`: a folder for its files."""
MeasuredFields = dict[str, Any]
GenerateFunction = Callable[[str, int, int], tuple[Any, MeasuredFields]]
"""From a prompt, a seed and a number of steps to (uint8 [H, W, 3], further measurements)."""


def our_engine(setting: SettingFields, speed: str, *, preview: bool = False) -> GenerateFunction:
    """The application's engine as the command line uses it; with `preview`, with the events that the window gets."""
    from threading import Event as Flag

    from sdxl_desktop.core.events import EngineEvent, RunFinished
    from sdxl_desktop.core.geometry import Size
    from sdxl_desktop.core.paths import AppPaths
    from sdxl_desktop.core.request import Execution, GenerationRequest, OutputOptions, Prompts, Sampling
    from sdxl_desktop.core.speed import SpeedPreset
    from sdxl_desktop.engine.openvino.engine import OpenVinoEngine

    home = Path(setting["home"])
    paths = AppPaths(home / "data", home / "cache", home / "settings.json", home / "pictures", home / "logs")
    engine, watched = OpenVinoEngine(paths), _record_callback_seconds()

    def draw(prompt: str, seed: int, steps: int) -> tuple[Any, MeasuredFields]:
        request = GenerationRequest(
            checkpoint=Path(setting["checkpoint"]),
            prompts=Prompts(prompt=prompt),
            sampling=Sampling(
                size=Size(setting["side"], setting["side"]),
                steps=steps,
                guidance_scale=setting["guidance"],
                seed=seed,
                speed=SpeedPreset(speed),
            ),
            output=OutputOptions(watermark=False),
            execution=Execution(preview=preview, threads=setting["threads"], precision=setting["precision"]),
        )
        last: list[EngineEvent] = []
        started = time.perf_counter()
        watched.clear()
        shutil.rmtree(paths.cache / "embeddings", ignore_errors=True)  # another pipeline may have encoded this prompt
        before = time.perf_counter() - started

        def hear(event: EngineEvent) -> None:
            pickle.dumps(event, pickle.HIGHEST_PROTOCOL)  # as for the window's process
            last[:] = [event]

        engine.generate(request, hear, Flag())
        assert isinstance(last[0], RunFinished), last[0]
        took = last[0].timings
        told = {"encode": took.encode, "denoise": took.denoise, "decode": took.decode, "telling": sum(watched)}
        told["before"] = before
        return last[0].pictures[0].pixels, told

    return draw


def _record_callback_seconds() -> list[float]:
    """Record the seconds per step that go into reporting: its progress and preview."""
    from sdxl_desktop.engine.openvino.workflow import Workflow

    seconds: list[float] = []
    plain = Workflow.generate_latents

    def draw(self: Any, seed: int, on_step: Callable[[Any], None], paused: Any = None) -> Any:
        def timed(step: Any) -> None:
            started = time.perf_counter()
            on_step(step)
            seconds.append(time.perf_counter() - started)

        return plain(self, seed, timed, paused)

    Workflow.generate_latents = draw  # type: ignore[method-assign]
    return seconds


def optimum(setting: SettingFields) -> GenerateFunction:
    """Plain optimum-intel, as its users call it."""
    from optimum.intel import OVStableDiffusionXLPipeline

    config = {key: str(value) for key, value in _properties(setting).items()}
    return _diffusers(
        OVStableDiffusionXLPipeline.from_pretrained(
            setting["checkpoint"], export=False, ov_config=config, add_watermarker=False
        ),
        setting,
    )


def _properties(setting: SettingFields) -> dict[str, Any]:
    """Return the OpenVINO properties on top of a peer's defaults: none, unless threads or a precision are given."""
    told: dict[str, Any] = {}
    if setting["threads"]:
        told["INFERENCE_NUM_THREADS"] = setting["threads"]
    if setting["precision"] != "auto":
        told["INFERENCE_PRECISION_HINT"] = setting["precision"]
    if setting["precision"] == "f32":  # else activations are rounded to 8 bits wherever weights have 8
        told["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
    return told


def torch(setting: SettingFields) -> GenerateFunction:
    """diffusers in torch, in 32 bits, the native precision of CPUs."""
    import torch
    from diffusers import StableDiffusionXLPipeline

    if setting["threads"]:
        torch.set_num_threads(setting["threads"])
    return _diffusers(
        StableDiffusionXLPipeline.from_pretrained(setting["torch"], torch_dtype=torch.float32, add_watermarker=False),
        setting,
    )


def _diffusers(pipe: Any, setting: SettingFields) -> GenerateFunction:
    import numpy as np
    import torch

    pipe.set_progress_bar_config(disable=True)

    def draw(prompt: str, seed: int, steps: int) -> tuple[Any, MeasuredFields]:
        picture = pipe(
            prompt,
            height=setting["side"],
            width=setting["side"],
            num_inference_steps=steps,
            guidance_scale=setting["guidance"],
            generator=torch.Generator().manual_seed(seed),
        ).images[0]
        return np.asarray(picture), {}

    return draw


def genai(setting: SettingFields) -> GenerateFunction:
    """OpenVINO GenAI, given torch's noise."""
    import numpy as np
    import openvino_genai  # type: ignore[import-not-found]

    folder = _with_graph_tokenizers(Path(setting["checkpoint"]), Path(setting["home"]) / "genai")
    pipe = openvino_genai.Text2ImagePipeline(str(folder), "CPU", **_properties(setting))

    def draw(prompt: str, seed: int, steps: int) -> tuple[Any, MeasuredFields]:
        drawn = pipe.generate(
            prompt,
            width=setting["side"],
            height=setting["side"],
            num_inference_steps=steps,
            guidance_scale=setting["guidance"],
            generator=openvino_genai.TorchGenerator(seed),
        )
        return np.array(drawn.data[0]), {"versions": {"openvino-genai": openvino_genai.__version__.split("-")[0]}}

    return draw


def _with_graph_tokenizers(checkpoint: Path, folder: Path) -> Path:
    """Return a folder that links to all of the checkpoint, plus its tokenizers as the graphs that GenAI reads."""
    import openvino
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    for entry in checkpoint.iterdir():
        target = folder / entry.name
        if not entry.name.startswith("tokenizer"):
            with suppress(FileExistsError):
                target.symlink_to(entry.absolute())
            continue
        target.mkdir(exist_ok=True)
        for file in entry.iterdir():
            with suppress(FileExistsError):
                (target / file.name).symlink_to(file.absolute())
        graph = convert_tokenizer(AutoTokenizer.from_pretrained(entry), with_detokenizer=False)
        openvino.save_model(graph, target / "openvino_tokenizer.xml")
    return folder


PIPELINES: dict[str, Callable[[SettingFields], GenerateFunction]] = {
    "exact": lambda setting: our_engine(setting, "exact"),
    "balanced": lambda setting: our_engine(setting, "balanced"),
    "fast": lambda setting: our_engine(setting, "fast"),
    "watched": lambda setting: our_engine(setting, "exact", preview=True),
    "optimum": optimum,
    "genai": genai,
    "torch": torch,
}


def answer_request(draw: GenerateFunction, asked: MeasuredFields) -> MeasuredFields:
    """Generate the requested picture and save its pixels as the NumPy file `to`; return seconds and further
    measurements.

    Time `before` the generation, spent on the measurement itself, is not counted.
    """
    import numpy as np

    started = time.perf_counter()
    pixels, told = draw(asked["prompt"], asked["seed"], asked["steps"])
    seconds = time.perf_counter() - started
    if asked.get("to"):
        np.save(asked["to"], np.ascontiguousarray(pixels))
    return {"seconds": seconds - told.pop("before", 0.0), **told}


def main(who: str, setting: SettingFields) -> None:
    warnings.simplefilter("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # keep library output out of the answers
    draw = PIPELINES[who](setting)
    print(json.dumps({"ready": who}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer_request(draw, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
