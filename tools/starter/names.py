"""The subjects: their pictures, names, and sampling frequencies."""

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
# Sampling weight of a name, by its stars in names.txt; -1 stands for the package's pictures outside that list.
SHARES = {-1: 0.75, 0: 1.0, 1: 1.5, 2: 2.5}
# Groups of the picture package with distinguishable pictures: no people, no flags.
GROUPS = frozenset({0, 3, 4, 5, 6, 7, 8})
# Labels of lettered buttons, clock faces and other near duplicates.
TWINS = re.compile(
    "button|o’clock|-thirty|keycap|japanese|^input |medium|square$|(large|small) .* diamond|circled|arrow",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Name:
    """A subject: its names (the first is the main one), its picture's file, and its share in the sampling."""

    words: tuple[str, ...]
    picture: Path
    weight: float

    @property
    def word(self) -> str:
        return self.words[0]


def find_picture(data: Path, code: str) -> Path | None:
    """Return the file of the picture with the hexcode `code`, or None if the package lacks it."""
    pictures = data / "src/pictures/package/assets"
    found = [file for tail in ("", "-fe0f") if (file := pictures / f"{code}{tail}.webp").is_file()]
    return found[0] if found else None


def plain(label: str) -> str:
    """Return a label in caption spelling: lower case, in ASCII."""
    spelled = unicodedata.normalize("NFKD", label.lower().replace("’", "'"))
    return "".join(letter for letter in spelled if letter.isascii())


@cache
def load_names(data: Path, least_stars: int) -> tuple[Name, ...]:
    """Return the trained subjects in the order of names.txt; raises ValueError if a label or picture is missing.

    A line of names.txt is `label = name, name`; without `=` the label itself is the name. One leading `*` marks an
    everyday word and two mark the favourites; the more stars, the more often a name is sampled. Below 0 stars all other
    distinguishable pictures of the package are included, by their labels.
    """
    table = json.loads((data / "src/names/package/en/data.json").read_text(encoding="utf-8"))
    codes = {entry["label"]: entry["hexcode"].lower() for entry in table}
    names: list[Name] = []
    listed: set[str] = set()
    spoken: set[str] = set()
    for line in (HERE / "names.txt").read_text(encoding="utf-8").splitlines():
        stars = len(line) - len(line.lstrip("*"))
        if not line or line.startswith("#"):
            continue
        label, _, words = line.lstrip("*").partition(" = ")
        if label not in codes:
            raise ValueError(f"names.txt: no picture is labelled {label!r}; take a label of emojibase-data.")
        picture = find_picture(data, codes[label])
        if picture is None:
            raise ValueError(f"names.txt: {label!r} has no picture in the picture package; remove the line.")
        main = tuple(word.strip() for word in words.split(",")) if words else (label.lower(),)
        listed.add(label)
        spoken.update(main)
        if stars >= least_stars:
            names.append(Name(main, picture, SHARES[stars]))
    if least_stars >= 0:
        return tuple(names)
    for entry in table:
        label, word = entry["label"], plain(entry["label"])
        picture = find_picture(data, codes[label])
        twin = entry.get("group") not in GROUPS or TWINS.search(label) or word in spoken or label in listed
        if picture and not twin:
            names.append(Name((word,), picture, SHARES[-1]))
    return tuple(names)


@cache
def load_picture(file: Path) -> Image.Image:
    """Return the cut-out as RGBA, 256 × 256, its visible part centred and its longer side filling the square."""
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
