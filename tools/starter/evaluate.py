"""Evaluates an exported folder: fixed lists of prompts, generated with OpenVINO and measured."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL
from optimum.intel import OVStableDiffusionXLPipeline
from PIL import Image

from tools.starter import picture_metrics

from .compose import COLOURS, SIZES, Placed, Scene, draw, shade
from .config import Config
from .contact_sheet import PROMPTS, draw_prompts, make_contact_sheet
from .grammar import article, plural
from .names import Name, load_names
from .train_vae import held_out, round_trip


@dataclass(frozen=True)
class Evaluator:
    """The loaded folder and the trained names, with the settings that the model card recommends."""

    pipeline: Any
    names: tuple[Name, ...]
    size: int

    def pictures(self, prompts: list[str], **options: Any) -> list[Image.Image]:
        return draw_prompts(self.pipeline, prompts, seed=1000, **options)

    def everyday(self, count: int, label: str) -> list[Name]:
        """Return a fixed sample of `count` everyday names."""
        return random.Random(label).choices([name for name in self.names if name.weight > 1], k=count)

    def reference(self, name: Name) -> Image.Image:
        """Return the training picture of a name: centred, of the usual size, on the unnamed background."""
        white, side = COLOURS["white"], self.size
        placed = (Placed(name, side / 2, side / 2, SIZES[""] * side),)
        bounds = (side, side)
        return draw(Scene("", "", bounds, shade(white, 0.5), shade(white, -0.08), placed, bounds, (0, 0), side))


def share(hits: list[bool]) -> float:
    return round(sum(hits) / len(hits), 3)


def asked_names(judge: Evaluator, count: int = 300) -> list[int]:
    """Return the fixed list of names in the prompts; every name occurs, some more than once."""
    order = list(range(len(judge.names)))
    random.Random("names").shuffle(order)
    return (order * count)[:count]


def name_ranks(judge: Evaluator, **options: Any) -> list[int]:
    """For each of 300 prompts by name, return how many training pictures are nearer to the result than the right
    one."""
    asked = asked_names(judge)
    known = [judge.reference(name) for name in judge.names]
    drawn = judge.pictures([article(judge.names[number].word) for number in asked], **options)
    return picture_metrics.ranks(drawn, known, asked)


def name_recognition(found: list[int], names: int) -> dict[str, float]:
    """Return top-1 and top-5 of the nearest training picture, from the ranks of `name_ranks`."""
    return {
        "names": names,
        "prompts": len(found),
        "top1": share([rank < 1 for rank in found]),
        "top5": share([rank < 5 for rank in found]),
    }


def background_accuracy(judge: Evaluator, **options: Any) -> float:
    names = judge.everyday(60, "backgrounds")
    words = [list(COLOURS)[number % len(COLOURS)] for number in range(60)]
    drawn = judge.pictures(
        [f"{article(name.word)} on {article(word)} background" for name, word in zip(names, words, strict=True)],
        **options,
    )
    return share([picture_metrics.colour_word(picture) == word for picture, word in zip(drawn, words, strict=True)])


def position_accuracy(judge: Evaluator) -> dict[str, float]:
    """40 prompts name a side, 20 a count of two or three."""
    beyond: dict[str, Callable[[float, float], bool]] = {
        "on the left": lambda x, y: x < 0.4,
        "on the right": lambda x, y: x > 0.6,
        "at the top": lambda x, y: y < 0.4,
        "at the bottom": lambda x, y: y > 0.6,
    }
    names = judge.everyday(60, "places")
    places = [list(beyond)[number % 4] for number in range(40)]
    drawn = judge.pictures([f"{article(name.word)} {place}" for name, place in zip(names[:40], places, strict=True)])
    sides = [beyond[place](*picture_metrics.centre(picture)) for picture, place in zip(drawn, places, strict=True)]
    counts = [2 + number % 2 for number in range(20)]
    asked = [f"{('two', 'three')[n - 2]} {plural(name.word)}" for name, n in zip(names[40:], counts, strict=True)]
    numbers = [picture_metrics.count(picture) == n for picture, n in zip(judge.pictures(asked), counts, strict=True)]
    return {"position": share(sides), "count": share(numbers), "position_and_count": share(sides + numbers)}


def micro_conditioning_effect(judge: Evaluator) -> dict[str, float]:
    """Return the share of correct directions if only the size conditioning changes, with equal seeds."""
    prompts = [article(name.word) for name in judge.everyday(20, "micro")]
    size = (judge.size, judge.size)
    plain = judge.pictures(prompts)
    tall = (judge.size * 3 // 2, judge.size)
    moved = judge.pictures(prompts, original_size=tall, crops_coords_top_left=(judge.size // 2, 0), target_size=size)
    small = judge.pictures(prompts, original_size=(judge.size // 4, judge.size // 4), target_size=size)
    pairs = list(zip(plain, moved, small, strict=True))
    return {
        "crop_moves_up": share(
            [picture_metrics.centre(b)[1] < picture_metrics.centre(a)[1] - 0.05 for a, b, _ in pairs]
        ),
        "small_original_blurs": share(
            [picture_metrics.sharpness(c) < picture_metrics.sharpness(a) for a, _, c in pairs]
        ),
    }


def seconds(judge: Evaluator, **options: Any) -> float:
    """Return the shortest of three runs of one picture, compilation excluded."""
    took = []
    for _ in range(3):
        begin = time.perf_counter()
        judge.pictures(["a red heart on a blue background"], **options)
        took.append(time.perf_counter() - begin)
    return round(min(took), 2)


def load_evaluator(config: Config, data: Path, folder: Path) -> Evaluator:
    pipeline = OVStableDiffusionXLPipeline.from_pretrained(folder, export=False, device="CPU")
    pipeline.set_progress_bar_config(disable=True)
    return Evaluator(pipeline, load_names(data, config.least_stars), config.size)


def evaluate(config: Config, data: Path, target: Path, sheet: Path) -> dict[str, Any]:
    """Measure the folder `target`; write `data/evaluation.json` and the contact sheet, and return the numbers."""
    judge = load_evaluator(config, data, target)
    make_contact_sheet(judge.pictures(list(PROMPTS)), PROMPTS).save(sheet)
    vae = AutoencoderKL.from_pretrained(data / "vae")
    numbers = {
        "vae_held_out_db": round(round_trip(vae, held_out(data, config.size)), 2),
        "seconds_20_steps": seconds(judge),
        "background": background_accuracy(judge),
        **name_recognition(name_ranks(judge), len(judge.names)),
        **position_accuracy(judge),
        **micro_conditioning_effect(judge),
    }
    (data / "evaluation.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return numbers
