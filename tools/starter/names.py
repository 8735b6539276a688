"""Owns which pictures are taught, what each is called, and how often it is drawn."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Name:
    """A subject: its names (the first is the main one), its picture's file, and its share in the sampling."""

    words: tuple[str, ...]
    picture: Path
    weight: float

    @property
    def word(self) -> str:
        return self.words[0]


@cache
def load_names(data: Path, least_stars: int) -> tuple[Name, ...]:
    """The taught subjects in the order of names.txt; raises ValueError where a label or picture is missing.

    A line of names.txt is `label = name, name`; without `=` the label itself is the name. One leading `*` marks an
    everyday word and two mark the favourites; the more stars, the more often a name is drawn.
    """
    table = json.loads((data / "src/names/package/en/data.json").read_text(encoding="utf-8"))
    codes = {entry["label"]: entry["hexcode"].lower() for entry in table}
    pictures = data / "src/pictures/package/assets"
    names = []
    for line in (HERE / "names.txt").read_text(encoding="utf-8").splitlines():
        stars = len(line) - len(line.lstrip("*"))
        if not line or line.startswith("#") or stars < least_stars:
            continue
        label, _, words = line.lstrip("*").partition(" = ")
        if label not in codes:
            raise ValueError(f"names.txt: no picture is labelled {label!r}; take a label of emojibase-data.")
        files = [pictures / f"{codes[label]}{tail}.webp" for tail in ("", "-fe0f")]
        found = [file for file in files if file.is_file()]
        if not found:
            raise ValueError(f"names.txt: {label!r} has no picture in the picture package; remove the line.")
        main = tuple(word.strip() for word in words.split(",")) if words else (label.lower(),)
        names.append(Name(main, found[0], (1.0, 2.0, 4.0)[stars]))
    return tuple(names)


@cache
def load_picture(file: Path) -> Image.Image:
    """The cut-out as RGBA, 256 × 256, its visible part centred and its longer side filling the square."""
    with Image.open(file) as opened:
        picture = opened.convert("RGBA")
    alpha = np.asarray(picture)[..., 3] > 12
    rows, columns = np.where(alpha.any(1))[0], np.where(alpha.any(0))[0]
    picture = picture.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    scale = 256 / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    square = Image.new("RGBA", (256, 256))
    square.paste(picture.resize((width, height), Image.Resampling.LANCZOS), ((256 - width) // 2, (256 - height) // 2))
    return square
