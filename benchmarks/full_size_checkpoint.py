"""Creates a checkpoint of SDXL base's real size with random weights, to measure time and memory without a download.

    python -m benchmarks.full_size_checkpoint make FOLDER [--weights int8] [--weights fp16]
    python -m benchmarks.full_size_checkpoint check FOLDER/int8 [--size 256]

`make` writes `FOLDER/torch`, a diffusers folder in half precision (7 GB, streamed), and has the application import it
into `FOLDER/int8` or `FOLDER/fp16`, so that every pipeline uses the same weights; existing files are kept, and a killed
import is resumed. Weights are drawn from N(0, 0.02²), biases are 0, norms are 1: after its norms every layer's output
is about as large as its input, so that predictions stay near 1 and decoded values within the range of pixels. `check`
runs two steps and reports whether they do.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event as Flag

import numpy as np

from benchmarks import convert
from sdxl_desktop.core.events import EngineEvent, RunFailed, RunFinished
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
from sdxl_desktop.library.convert.conversion_job import ConversionProgress
from sdxl_desktop.library.convert.import_plan import plan_import
from sdxl_desktop.library.convert.run_import import run_import
from sdxl_desktop.library.convert.weight_format import WeightFormat

GIB = 2**30
TORCH = "torch"
_DISK = {WeightFormat.INT8: 4 * GIB, WeightFormat.FP16: 8 * GIB, WeightFormat.FP32: 8 * GIB, WeightFormat.INT4: 4 * GIB}
"""Bytes that an imported checkpoint needs during the import."""


def make(folder: Path, formats: Sequence[WeightFormat]) -> None:
    """Create what is missing of `folder/torch` and `folder/FORMAT`; exits if the disk has too little space."""
    folder.mkdir(parents=True, exist_ok=True)
    source, unfinished = folder / TORCH, folder / f"{TORCH}.unfinished"
    if not source.exists():
        _check_disk(folder, 8 * GIB)
        shutil.rmtree(unfinished, ignore_errors=True)
        convert.make(unfinished, unet_only=False)
        unfinished.rename(source)
        print(f"made {source}", flush=True)
    for weights in formats:
        if (folder / weights).exists():
            continue
        _check_disk(folder, _DISK[weights])
        started, told = time.monotonic(), ""

        def show(progress: ConversionProgress, started: float = started) -> None:
            nonlocal told
            now = f"{progress.part} {progress.phase}".strip()
            if now != told:
                told = now
                print(f"{time.monotonic() - started:6.1f} s  {now}", flush=True)

        run_import(plan_import(source, folder, weights), weights, show)
        print(f"made {folder / weights} in {time.monotonic() - started:.0f} s", flush=True)


def check(checkpoint: Path, side: int) -> None:
    """Run two steps and print statistics of the pixels; exits if they are not finite, or all equal."""
    from sdxl_desktop.engine.openvino.engine import OpenVinoEngine

    events = list[EngineEvent]()
    with tempfile.TemporaryDirectory() as home:
        root = Path(home)
        paths = AppPaths(root, root / "cache", root / "settings.json", root / "pictures", root / "logs")
        engine = OpenVinoEngine(paths)
        request = GenerationRequest(
            checkpoint=checkpoint,
            prompts=Prompts(prompt="a heart"),
            sampling=Sampling(size=Size(side, side), steps=2, seed=1),
            execution=Execution(preview=False),
        )
        engine.generate(request, events.append, Flag())
        engine.close()
    last = events[-1]
    if isinstance(last, RunFailed):
        raise SystemExit(f"{last.error.what} {last.error.why}")
    assert isinstance(last, RunFinished), last
    pixels = last.pictures[0].pixels
    cut, took = float(((pixels == 0) | (pixels == 255)).mean()), last.timings
    print(f"{checkpoint.name} at {side}²: mean {pixels.mean():.1f}, deviation {pixels.std():.1f}, cut off {cut:.1%}")
    parts = {"load": took.load, "encode": took.encode, "step": took.denoise / 2, "decode": took.decode}
    print(", ".join(f"{part} {seconds:.2f} s" for part, seconds in parts.items()))
    if np.ptp(pixels) < 8 or cut > 0.5:
        raise SystemExit("Such a picture tells nothing of equality: the weights are not sane.")


def _check_disk(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SystemExit(f"{needed / GIB:.0f} GB of disk are needed, and {free / GIB:.1f} are free.")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "check"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=WeightFormat, action="append", help="may be given several times; int8")
    parser.add_argument("--size", type=int, default=256, help="of the side of the picture that is drawn, in pixels")
    given = parser.parse_args(arguments)
    if given.what == "make":
        make(given.folder.absolute(), given.weights or [WeightFormat.INT8])
    else:
        check(given.folder.absolute(), given.size)


if __name__ == "__main__":
    main()
