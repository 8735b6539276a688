"""Contact sheets: a fixed list of prompts, generated and laid out with captions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

PROMPTS = (
    "a red heart on a blue background",
    "a cat on a green background",
    "a dog",
    "a rose on a white background",
    "a pizza on a red background",
    "a car on a yellow background",
    "a sun on a light blue background",
    "a house",
    "a red apple on a green background",
    "a large panda on a pink background",
    "a rocket on a dark blue background",
    "a fox on an orange to pink gradient background",
    "a tiny star on a black background",
    "two strawberries on a beige background",
    "a tree and a house on a light blue background",
    "a penguin on the left",
    "a snowman on a turquoise background",
    "a cup of coffee on a brown background",
    "a butterfly on a light green background",
    "three balloons on a purple background",
    "a yellow star",
    "a robot",
    "a mushroom on a grey background",
    "a cool face on a purple background",
)
STEPS, GUIDANCE = 20, 2.0


def draw_prompts(pipeline: Any, prompts: Sequence[str], seed: int = 0, **options: Any) -> list[Image.Image]:
    """Generate one picture per prompt; the seed counts up, so each picture can be reproduced alone."""
    pictures: list[Image.Image] = []
    settings = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, **options}
    for first in range(0, len(prompts), 12):
        part = list(prompts[first : first + 12])
        generators = [torch.Generator().manual_seed(seed + first + place) for place in range(len(part))]
        pictures += pipeline(part, generator=generators, **settings).images
    return pictures


def make_contact_sheet(pictures: Sequence[Image.Image], captions: Sequence[str], columns: int = 6) -> Image.Image:
    """Return the pictures in rows, each with its caption below on at most two lines."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + 8) + 8, rows * (height + 34) + 8), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = 8 + place % columns * (width + 8), 8 + place // columns * (height + 34)
        sheet.paste(picture, (left, top))
        words, lines = caption.split(), [""]
        for word in words:
            longer = f"{lines[-1]} {word}".strip()
            if pen.textlength(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        for number, line in enumerate(lines[:2]):
            pen.text((left, top + height + 2 + 12 * number), line, fill="black")
    return sheet


def save_sheet(pipeline: Any, path: Path, **options: Any) -> None:
    """Generate the fixed prompts, with `options` that override the pipeline call's defaults."""
    path.parent.mkdir(parents=True, exist_ok=True)
    make_contact_sheet(draw_prompts(pipeline, PROMPTS, **options), PROMPTS).save(path)
