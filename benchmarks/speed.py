"""How fast are the presets against plain optimum-intel on the same weights, sizes, steps and seeds; what do they lose?

    python -m benchmarks.speed [--checkpoint FOLDER] [--size 64] [--steps 30] [--rounds 9] [--prompts 40]
                               [--starter-data FOLDER --named 300]

Each round draws one picture with everyone, one after the other (A B C D A B C D), and each round has a prompt of its
own, so that nobody has it encoded yet. Loading and compiling are done before. The loss is measured on pictures of
`--prompts` prompts against our exact ones. `--starter-data` is the folder the starter was trained in; with it, what the
starter's own evaluation measures is measured for every preset: whether the picture of a name is that name's (top 5),
and how far it is from the picture that was taught. Any other checkpoint folder can be given, a full-size one too.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np
from PIL import Image

from sdxl_desktop.core.events import Event, Finished
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths, resources
from sdxl_desktop.core.request import Execution, GenerationRequest, Output, Prompts, Sampling
from sdxl_desktop.core.speed import Speed

PEER = "optimum-intel"
SUBJECTS = ("heart", "cat", "dog", "rose", "pizza", "car", "sun", "house", "apple", "panda", "rocket", "fox", "star")
COLOURS = ("red", "blue", "green", "white", "yellow", "pink", "black", "light blue")


@dataclass(frozen=True)
class Setting:
    """What everyone draws with."""

    checkpoint: Path
    side: int
    steps: int
    guidance: float
    threads: int


Draw = Callable[[str, int], Image.Image]
"""The picture of a prompt and a seed."""


class Ours:
    """Our engine in this process, as the command line uses it, without previews and marks."""

    def __init__(self, setting: Setting, home: Path) -> None:
        from sdxl_desktop.engine.openvino.engine import OpenVinoEngine

        self._setting = setting
        self._engine = OpenVinoEngine(
            AppPaths(
                data=home / "data",
                cache=home / "cache",
                settings_file=home / "settings.json",
                pictures=home / "pictures",
                logs=home / "logs",
            )
        )

    def at(self, speed: Speed) -> Draw:
        return lambda prompt, seed: self._draw(speed, prompt, seed)

    def _draw(self, speed: Speed, prompt: str, seed: int) -> Image.Image:
        setting, events = self._setting, list[Event]()
        request = GenerationRequest(
            checkpoint=setting.checkpoint,
            prompts=Prompts(prompt=prompt),
            sampling=Sampling(
                size=Size(setting.side, setting.side),
                steps=setting.steps,
                guidance_scale=setting.guidance,
                seed=seed,
                speed=speed,
            ),
            output=Output(watermark=False),
            execution=Execution(preview=False, threads=setting.threads),
        )
        self._engine.generate(request, events.append, Flag())
        assert isinstance(events[-1], Finished), events[-1]
        return Image.fromarray(events[-1].pictures[0].pixels)


def optimum(setting: Setting) -> Draw:
    """Plain optimum-intel, as its users call it."""
    import torch
    from optimum.intel import OVStableDiffusionXLPipeline

    config = {"INFERENCE_NUM_THREADS": str(setting.threads)} if setting.threads else {}
    pipe = OVStableDiffusionXLPipeline.from_pretrained(
        str(setting.checkpoint), export=False, ov_config=config, add_watermarker=False
    )
    pipe.set_progress_bar_config(disable=True)

    def draw(prompt: str, seed: int) -> Image.Image:
        picture: Image.Image = pipe(
            prompt,
            height=setting.side,
            width=setting.side,
            num_inference_steps=setting.steps,
            guidance_scale=setting.guidance,
            generator=torch.Generator().manual_seed(seed),
        ).images[0]
        return picture

    return draw


def prompts(count: int) -> list[str]:
    """`count` different ones."""
    return [
        f"a {SUBJECTS[n % len(SUBJECTS)]} on a {COLOURS[n % len(COLOURS)]} background{' at night' * (n // 104)}"
        for n in range(count)
    ]


def time_all(drawers: dict[str, Draw], rounds: int) -> None:
    """Print medians, and ratios to the peer as medians of the rounds' ratios."""
    for draw in drawers.values():
        draw("warming up", 0)
    seconds: dict[str, list[float]] = {name: [] for name in drawers}
    for number, prompt in enumerate(prompts(rounds)):
        for name, draw in drawers.items():
            started = time.perf_counter()
            draw(prompt, number)
            seconds[name].append(time.perf_counter() - started)
    print(f"\n{'seconds a picture':22} {'median':>8} {'fastest':>8}   of {PEER}'s")
    for name, took in seconds.items():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(took, seconds[PEER], strict=True))
        print(f"{name:22} {statistics.median(took):8.3f} {min(took):8.3f}   {ratio:.3f}")


def compare_all(drawers: dict[str, Draw], count: int) -> None:
    """Print how far everyone's pictures are from our exact ones."""
    exact = [_array(drawers[Speed.EXACT](prompt, seed)) for seed, prompt in enumerate(prompts(count))]
    print(f"\n{f'to exact, {count} prompts':22} {'PSNR':>8} {'lowest':>8} {'mean |d|':>9} {'max |d|':>8}")
    for name, draw in drawers.items():
        if name == Speed.EXACT:
            continue
        apart = [_array(draw(prompt, seed)) - exact[seed] for seed, prompt in enumerate(prompts(count))]
        ratios = [psnr(difference) for difference in apart]
        mean, most = (statistics.mean(float(f(np.abs(d))) for d in apart) for f in (np.mean, np.max))
        print(f"{name:22} {statistics.mean(ratios):6.1f}dB {min(ratios):6.1f}dB {mean:9.2f} {most:8.1f}")


def judge_all(drawers: dict[str, Draw], data: Path, checkpoint: Path, count: int) -> None:
    """Print the starter's own evaluation by name, for everyone."""
    from tools.starter import measure
    from tools.starter.config import Config
    from tools.starter.english import article
    from tools.starter.evaluate import Judge, asked_names
    from tools.starter.names import load_names

    config = Config()
    judge = Judge(None, load_names(data, config.least_stars), config.size)
    known = [judge.reference(name) for name in judge.names]
    asked = asked_names(judge)[:count]
    print(f"\n{f'{len(asked)} names of {checkpoint.name}':22} {'top 1':>8} {'top 5':>8} {'distance':>9}")
    for name, draw in drawers.items():
        drawn = [draw(article(judge.names[number].word), 1000 + place) for place, number in enumerate(asked)]
        ranks = measure.ranks(drawn, known, asked)
        distances = [measure.feature_distance(one, known[right]) for one, right in zip(drawn, asked, strict=True)]
        shares = (sum(rank < best for rank in ranks) / len(ranks) for best in (1, 5))
        print(f"{name:22} " + " ".join(f"{share:8.1%}" for share in shares) + f" {statistics.mean(distances):9.4f}")


def psnr(difference: Any) -> float:
    """Of 8-bit values, in dB; 99 where nothing differs."""
    squared = float((difference**2).mean())
    return 99.0 if squared == 0 else float(10 * np.log10(255**2 / squared))


def _array(picture: Image.Image) -> Any:
    return np.asarray(picture, dtype=np.float64)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=resources() / "checkpoints" / "starter")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--starter-data", type=Path)
    parser.add_argument("--named", type=int, default=300)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    setting = Setting(given.checkpoint, given.size, given.steps, given.guidance, given.threads)
    with tempfile.TemporaryDirectory() as home:
        ours = Ours(setting, Path(home))
        presets = {str(speed): ours.at(speed) for speed in Speed}
        if given.rounds:
            # its own engine for each, since an engine keeps one form of a UNet only and would compile in between
            apart = {name: Ours(setting, Path(home)).at(Speed(name)) for name in presets}
            time_all({PEER: optimum(setting), **apart}, given.rounds)
        if given.prompts:
            compare_all(presets, given.prompts)
        if given.starter_data is not None:
            judge_all(presets, given.starter_data, given.checkpoint, given.named)


if __name__ == "__main__":
    main()
