"""Time cost and memory savings of tiled decoding (in strips).

    python -m benchmarks.decode [--size 1024] [--checkpoint DIR] [--budget 1.2] [--precision f32] [--json OUT]

`--checkpoint` is a folder with a `vae_decoder` in it. Without one, a full-size SDXL VAE with random weights is created
and exported, which takes a minute and is as representative of memory and time as a trained one. Every decode runs in
its own process, whole and in strips alternately; memory is the process's peak in excess of its memory with the decoder
loaded, compiled and warm. The first decode in strips of a process compiles them and tests them with a small picture;
its peak includes that, and its seconds are listed separately. On a busy machine the CPU time of all cores is more
meaningful than wall time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.tiling import TiledDecoder

MB, GB = 1e6, 1e9
_SAMPLE_SECONDS = 0.005
"""Seconds between two memory samples."""


class MemoryPeakWatch:
    """Measures this process's peak memory within the context, in bytes above the initial value: resident and
    anonymous."""

    def __enter__(self) -> MemoryPeakWatch:
        self.before = _memory()
        self.peak = self.before
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def extra(self) -> dict[str, float]:
        return {name: (self.peak[name] - self.before[name]) / MB for name in self.before}

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            now = _memory()
            self.peak = {name: max(size, now[name]) for name, size in self.peak.items()}


def _memory() -> dict[str, int]:
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    sizes = {line[0]: int(line[1]) * 1024 for line in lines if line[0] in {"VmRSS:", "RssAnon:"}}
    return {"resident": sizes["VmRSS:"], "anonymous": sizes["RssAnon:"]}


def decode_once(folder: Path, size: int, budget: float, precision: Any, picture: Path) -> dict[str, Any]:
    """Decode random latents in this process, whole unless there is a `budget` (GB), and write the `picture`."""
    model = devices.core.read_model(folder / "vae_decoder" / "openvino_model.xml")
    config = devices.compile_properties("CPU", precision=precision, threads=0, cache="")
    compiled = devices.core.compile_model(model, "CPU", config)
    request = compiled.create_infer_request()

    def whole(latents: Any) -> Any:
        request.infer([latents])
        return request.get_output_tensor(0).data[0]

    numbers = np.random.default_rng(1)
    channels = model.input(0).get_partial_shape()[1].get_length()
    small = whole(numbers.standard_normal((1, channels, 8, 8), np.float32))
    side = size * 8 // small.shape[1]
    latents = numbers.standard_normal((1, channels, side, side), np.float32)
    told: dict[str, Any] = {"how": "strips" if budget else "whole", "precision": str(_precision(compiled))}
    with MemoryPeakWatch() as watch:
        if budget:
            tiled = TiledDecoder.for_compiled_decoder(compiled, model, devices.core)
            assert tiled is not None
            plan = tiled.plan(side, side, int(budget * GB))
            told |= {"plan": repr(plan), "trusted": _timed(told, "trying", tiled.matches_whole_decode)}
            image = _timed(told, "first", lambda: tiled.decode(latents, plan))
            if told["trusted"]:
                image = _timed(told, "seconds", lambda: tiled.decode(latents, plan))
        else:
            image = _timed(told, "seconds", lambda: whole(latents))
    np.save(picture, image)
    return {**told, **watch.extra}


def _timed(told: dict[str, Any], name: str, work: Any) -> Any:
    """Return the result of `work`; its wall and CPU seconds are added to `told`."""
    started, computed = time.perf_counter(), time.process_time()
    done = work()
    told[name] = round(time.perf_counter() - started, 2)
    told[f"{name} of all cores"] = round(time.process_time() - computed, 2)
    return done


def _precision(compiled: Any) -> Any:
    return compiled.get_property("INFERENCE_PRECISION_HINT")


def make_full_size(folder: Path) -> None:
    """Export SDXL's VAE decoder with random weights to `folder`/vae_decoder."""
    import torch
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=2,
        norm_num_groups=32,
    ).eval()
    decoder = torch.nn.Sequential(vae.post_quant_conv, vae.decoder)
    with torch.no_grad():
        model = ov.convert_model(decoder, example_input=torch.zeros(1, 4, 16, 16), input=[-1, 4, -1, -1])
    (folder / "vae_decoder").mkdir(parents=True)
    ov.save_model(model, folder / "vae_decoder" / "openvino_model.xml")


def compare(folder: Path, size: int, budget: float, precision: str, rounds: int) -> dict[str, Any]:
    """Decode whole and in strips alternately, `rounds` times."""
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        pictures = {0.0: Path(scratch) / "whole.npy", budget: Path(scratch) / "strips.npy"}
        for _ in range(rounds):
            for limit, picture in pictures.items():
                given = json.dumps([str(folder), size, limit, precision, str(picture)])
                command = [sys.executable, "-m", "benchmarks.decode", "--once", given]
                runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
                print(json.dumps(runs[-1]), flush=True)
        images = [np.load(picture) for picture in pictures.values()]
    ratios = {}
    for seconds in ("seconds", "seconds of all cores"):
        least = {how: min(run[seconds] for run in runs if run["how"] == how) for how in ("whole", "strips")}
        ratios[f"{seconds}, strips by whole"] = round(least["strips"] / least["whole"], 3)
    steps = [(np.clip(image / 2 + 0.5, 0, 1) * 255).round() for image in images]
    return {
        "size": size,
        "budget": budget,
        "runs": runs,
        **ratios,
        "largest difference": float(np.abs(images[0] - images[1]).max()),
        "largest difference of 255": float(np.abs(steps[0] - steps[1]).max()),
        "pixels apart by more than 1": float((np.abs(steps[0] - steps[1]) > 1).any(axis=0).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--checkpoint", type=Path, help='"starter" is the one that is shipped')
    parser.add_argument("--budget", type=float, default=1.2, help="GB that a decode in strips may take")
    parser.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--once", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.once:
        folder, size, budget, precision, picture = json.loads(told.once)
        print(json.dumps(decode_once(Path(folder), size, budget, precision, Path(picture))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = told.checkpoint
        if folder is None:
            folder = Path(scratch)
            make_full_size(folder)
        elif str(folder) == "starter":
            folder = resources_folder() / "checkpoints" / "starter"
        result = compare(folder, told.size, told.budget, told.precision, told.rounds)
    print(json.dumps({name: value for name, value in result.items() if name != "runs"}))
    if told.json is not None:
        told.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
