"""Quality loss of the presets: the starter's own evaluation for each, and the distance from our exact pictures.

    python -m benchmarks.quality --json OUT.json [--starter-data FOLDER] [--prompts 300] [--steps 30]

`--starter-data` is a folder that `python -m tools.starter fetch` has filled: with it, every picture of a name is
searched among the training pictures (`top 1`, `top 5`), and its distance to the one of that name is measured, in the
descriptor of colours and outlines of `tools.starter.picture_metrics`. Without it, pictures are only compared with exact
ones: by peak signal-to-noise ratio, structural similarity, and the same descriptor, which replaces LPIPS, since that
needs a network with weights of its own. Pictures are saved next to OUT.json, in a folder named by the checkpoint's
contents, the settings and the prompts; existing ones are reused, so a stopped run can be resumed.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks import results
from benchmarks.speed import NAMES, OURS, BenchmarkSetting, PipelineProcess, prompts
from sdxl_desktop.core.parts import GRAPH
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.engine.compile_key import content_id
from tools.starter import picture_metrics

Row = dict[str, Any]


@dataclass(frozen=True)
class TrainingPrompts:
    """The starter's training pictures, and which of them each prompt requests."""

    known: list[Image.Image]
    asked: list[int]
    prompts: list[str]

    @classmethod
    def read(cls, data: Path, count: int) -> TrainingPrompts:
        from tools.starter.config import Config
        from tools.starter.evaluate import Evaluator, asked_names
        from tools.starter.grammar import article
        from tools.starter.names import load_names

        config = Config()
        judge = Evaluator(None, load_names(data, config.least_stars), config.size)
        asked = asked_names(judge, count)
        known = [judge.reference(name) for name in judge.names]
        return cls(known, asked, [article(judge.names[number].word) for number in asked])


def pictures_folder(out: Path, asked: Sequence[str], setting: BenchmarkSetting) -> Path:
    """Return the folder for the pictures of such a run, next to `out`."""
    parts = {part.name: content_id(part) for part in sorted(setting.checkpoint.iterdir()) if (part / GRAPH).is_file()}
    whole = repr((parts, setting.comparison_key, list(asked)))
    return out.with_name(f"{out.stem}-pictures-{hashlib.blake2b(whole.encode(), digest_size=5).hexdigest()}")


def generate_all(asked: Sequence[str], setting: BenchmarkSetting, folder: Path) -> dict[str, list[Path]]:
    """Return the picture files per pipeline; missing ones are generated, with seeds from 1000."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {who: [folder / f"{place}-{who}.png" for place in range(len(asked))] for who in OURS}
    for who, mine in files.items():
        lacking = [place for place, file in enumerate(mine) if not file.exists()]
        if not lacking:
            continue
        with (
            tempfile.TemporaryDirectory() as scratch,
            PipelineProcess(who, setting, Path(scratch), sys.executable) as drawer,
        ):
            to = Path(scratch) / "picture.npy"
            for place in lacking:
                drawer.generate(asked[place], 1000 + place, to)
                beside = mine[place].with_suffix(".writing")
                Image.fromarray(np.load(to)).save(beside, "PNG")
                beside.replace(mine[place])
        print(f"{NAMES[who]}: {len(lacking)} pictures drawn", flush=True)
    return files


def row(who: str, mine: Sequence[Path], exact: Sequence[Path], taught: TrainingPrompts | None) -> Row:
    """Return all measurements of one preset."""
    pictures, right = [_opened(file) for file in mine], [_opened(file) for file in exact]
    found: Row = {"who": NAMES[who], "prompts": len(pictures)}
    if taught is not None:
        ranks = picture_metrics.ranks(pictures, taught.known, taught.asked)
        found["top 1"] = sum(rank < 1 for rank in ranks) / len(ranks)
        found["top 5"] = sum(rank < 5 for rank in ranks) / len(ranks)
        wanted = [taught.known[number] for number in taught.asked]
        found["distance"] = _mean(picture_metrics.feature_distance, pictures, wanted)
    if who != "exact":
        arrays = [(_array(one), _array(other)) for one, other in zip(pictures, right, strict=True)]
        found["PSNR"] = statistics.mean(psnr(one - other) for one, other in arrays)
        found["lowest PSNR"] = min(psnr(one - other) for one, other in arrays)
        found["SSIM"] = statistics.mean(similarity(one, other) for one, other in arrays)
        found["distance to exact"] = _mean(picture_metrics.feature_distance, pictures, right)
    return found


def psnr(difference: Any) -> float:
    """Return the PSNR of 8-bit values, in dB; 99 if they are equal."""
    squared = float((difference**2).mean())
    return 99.0 if squared == 0 else float(10 * np.log10(255**2 / squared))


def similarity(one: Any, other: Any) -> float:
    """Return the structural similarity of two pictures float64 [H, W, 3] in 0 to 255, mean over pixels and channels; 1
    for equal ones (Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004)."""

    def blurred(values: Any) -> Any:
        return ndimage.gaussian_filter(values, (1.5, 1.5, 0), truncate=3.5)

    small, smaller = (0.03 * 255) ** 2, (0.01 * 255) ** 2
    mean, other_mean = blurred(one), blurred(other)
    variance, other_variance = blurred(one**2) - mean**2, blurred(other**2) - other_mean**2
    together = blurred(one * other) - mean * other_mean
    above = (2 * mean * other_mean + smaller) * (2 * together + small)
    below = (mean**2 + other_mean**2 + smaller) * (variance + other_variance + small)
    return float((above / below).mean())


def _mean(
    distance: Callable[[Image.Image, Image.Image], float], some: Sequence[Image.Image], others: Sequence[Image.Image]
) -> float:
    return statistics.mean(distance(one, other) for one, other in zip(some, others, strict=True))


def _opened(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        return picture.convert("RGB")


def _array(picture: Image.Image) -> Any:
    return np.asarray(picture, dtype=np.float64)


def show(rows: Sequence[Row]) -> None:
    for one in rows:
        told = (f"{key} {value:.4f}" if isinstance(value, float) else str(value) for key, value in one.items())
        print("  ".join(told))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=resources_folder() / "checkpoints" / "starter")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--starter-data", type=Path)
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    setting = BenchmarkSetting(given.checkpoint.absolute(), given.size, given.steps, given.guidance)
    taught = TrainingPrompts.read(given.starter_data, given.prompts) if given.starter_data else None
    asked = taught.prompts if taught else prompts(given.prompts)
    files = generate_all(asked, setting, pictures_folder(given.json, asked, setting))
    rows = [row(who, mine, files["exact"], taught) for who, mine in files.items()]
    told = results.command("benchmarks.quality", arguments)
    results.write(given.json, "quality", command=told, settings=setting.comparison_key, rows=rows)
    show(rows)


if __name__ == "__main__":
    main()
