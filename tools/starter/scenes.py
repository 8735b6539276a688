"""A preview of the training scenes, before hours of training."""

import random
from pathlib import Path

from .compose import compose, draw
from .config import Config
from .contact_sheet import make_contact_sheet
from .names import load_names


def save_scenes(config: Config, data: Path, count: int = 48) -> None:
    """Write `data/sheets/scenes.png`: the first training scenes, with their prompts."""
    names = load_names(data, config.least_stars)
    weights = [name.weight for name in names]
    scenes = [compose(random.Random(f"scene {config.seed} {n}"), names, weights, config.size) for n in range(count)]
    file = data / "sheets" / "scenes.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    make_contact_sheet([draw(scene) for scene in scenes], [scene.prompt for scene in scenes], columns=8).save(file)
