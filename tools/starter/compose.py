"""The training scenes: subjects, positions and backgrounds, with matching captions."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from .grammar import article, plural
from .names import Name, load_picture

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (245, 134, 32),
    "yellow": (250, 212, 50),
    "green": (52, 160, 74),
    "blue": (36, 98, 214),
    "light blue": (128, 196, 244),
    "dark blue": (20, 38, 104),
    "purple": (128, 60, 180),
    "pink": (246, 140, 180),
    "brown": (122, 78, 46),
    "black": (18, 18, 22),
    "white": (246, 246, 246),
    "grey": (136, 138, 142),
    "turquoise": (44, 190, 180),
    "light green": (164, 222, 130),
    "beige": (234, 216, 180),
}
SPELLINGS = {"grey": ("grey", "gray"), "turquoise": ("turquoise", "teal"), "beige": ("beige", "cream")}
PLACES: dict[str, tuple[float, float]] = {
    "left": (0.27, 0.5),
    "right": (0.73, 0.5),
    "top": (0.5, 0.27),
    "bottom": (0.5, 0.73),
    "centre": (0.5, 0.5),
}
SIZES = {"tiny": 0.26, "small": 0.42, "": 0.74, "large": 0.94}
SIZE_WORDS = {"tiny": ("tiny",), "small": ("small", "little"), "large": ("large", "big")}


@dataclass(frozen=True)
class Placed:
    """A cut-out in a scene: its centre and its side, in pixels of the scene's canvas."""

    name: Name
    x: float
    y: float
    side: float


@dataclass(frozen=True)
class Scene:
    """The content of a training picture and its true size conditioning (SDXL, arXiv 2307.01952, §2.2)."""

    prompt: str
    prompt_2: str
    canvas: tuple[int, int]
    top: tuple[int, int, int]
    bottom: tuple[int, int, int]
    placed: tuple[Placed, ...]
    original_size: tuple[int, int]
    crop: tuple[int, int]
    size: int

    @property
    def time_ids(self) -> tuple[int, ...]:
        """Return (original height, width, crop top, left, target height, width) in pixels, in SDXL's order."""
        return (*self.original_size, *self.crop, self.size, self.size)


def shade(colour: tuple[int, int, int], by: float) -> tuple[int, int, int]:
    """Mix the colour with white (by > 0) or black (by < 0)."""
    towards = 255 if by > 0 else 0
    red, green, blue = (round(part + (towards - part) * abs(by)) for part in colour)
    return red, green, blue


def spell(rng: random.Random, colour: str) -> str:
    return rng.choice(SPELLINGS.get(colour, (colour,)))


def background(rng: random.Random) -> tuple[str, tuple[int, int, int], tuple[int, int, int]]:
    """Return a description ("" if the caption does not mention it) and the colours at the top and the bottom."""
    kind = rng.random()
    if kind < 0.22:
        return "", shade(COLOURS["white"], 0.5), shade(COLOURS["white"], -0.08)
    colour = rng.choice(list(COLOURS))
    word = spell(rng, colour)
    if kind < 0.92:
        return f"{word} background", shade(COLOURS[colour], 0.08), shade(COLOURS[colour], -0.08)
    other = rng.choice([one for one in COLOURS if one != colour])
    return f"{word} to {spell(rng, other)} gradient background", COLOURS[colour], COLOURS[other]


def pick(rng: random.Random, names: Sequence[Name], weights: Sequence[float]) -> tuple[Name, str]:
    """Return a random subject and one of its names; the main name is the most frequent."""
    name = rng.choices(names, weights)[0]
    word = name.word if len(name.words) == 1 or rng.random() < 0.6 else rng.choice(name.words[1:])
    return name, word


def subjects(
    rng: random.Random, names: Sequence[Name], weights: Sequence[float], variety: float
) -> tuple[str, list[tuple[Name, float, float, float]]]:
    """Return the text for the subjects and each one's centre and side as fractions of the picture."""
    name, word = pick(rng, names, weights)
    kind = rng.random()
    if rng.random() >= variety:
        return rng.choice((article(word), article(word), word)), [(name, 0.5, 0.5, SIZES[""])]
    if kind < 0.3:
        size = rng.choice(("tiny", "small", "large"))
        return article(f"{rng.choice(SIZE_WORDS[size])} {word}"), [(name, 0.5, 0.5, SIZES[size])]
    if kind < 0.62:
        place = rng.choice(("left", "right", "top", "bottom"))
        words = {
            "left": "on the left",
            "right": "on the right",
            "top": "at the top",
            "bottom": "at the bottom",
        }[place]
        return f"{article(word)} {words}", [(name, *PLACES[place], 0.46)]
    if kind < 0.82:
        if rng.random() < 0.5:
            return f"two {plural(word)}", [(name, 0.27, 0.5, 0.44), (name, 0.73, 0.5, 0.44)]
        return f"three {plural(word)}", [(name, x, y, 0.42) for x, y in ((0.5, 0.27), (0.26, 0.72), (0.74, 0.72))]
    other, other_word = pick(rng, names, weights)
    joint = rng.choice(("and", "next to"))
    return f"{article(word)} {joint} {article(other_word)}", [
        (name, 0.27, 0.5, 0.46),
        (other, 0.73, 0.5, 0.46),
    ]


def caption(rng: random.Random, subject: str, ground: str) -> tuple[str, str]:
    """Return the prompts of the two encoders: mostly equal, sometimes split into subject and background."""
    if not ground:
        text = rng.choice((subject, subject, f"a picture of {subject}", f"{subject}, 3d render"))
        return text, text
    if rng.random() < 0.12:
        return subject, ground
    text = rng.choice(
        (
            f"{subject} on {article(ground)}",
            f"{subject} on {article(ground)}",
            f"{subject}, {ground}",
            f"{subject} in front of {article(ground)}",
            f"a picture of {subject} on {article(ground)}",
        )
    )
    return text, text


def compose(
    rng: random.Random,
    names: Sequence[Name],
    weights: Sequence[float],
    size: int,
    variety: float = 0.34,
    reframed: float = 0.15,
) -> Scene:
    """Choose a random scene of `size` × `size` pixels.

    A share of `variety` names a size, a position or a count; of the share `reframed`, a third was enlarged from a
    smaller original and the rest is cropped from a larger one.
    """
    subject, parts = subjects(rng, names, weights, variety)
    ground, top, bottom = background(rng)
    prompt, prompt_2 = caption(rng, subject, ground)
    width, height, crop, original = size, size, (0, 0), (size, size)
    kind = rng.random()
    if kind < reframed / 3:
        side = rng.randrange(size // 4, size * 3 // 4)
        original = (side, side)
    elif kind < reframed:
        extra = rng.randrange(size // 8, size * 3 // 4)
        if rng.random() < 0.5:
            width, crop = size + extra, (0, rng.randrange(0, extra + 1))
        else:
            height, crop = size + extra, (rng.randrange(0, extra + 1), 0)
        original = (height, width)
    placed = tuple(
        Placed(name, (x - 0.5) * size + width / 2, (y - 0.5) * size + height / 2, side * size)
        for name, x, y, side in parts
    )
    return Scene(prompt, prompt_2, (width, height), top, bottom, placed, original, crop, size)


def draw(scene: Scene) -> Image.Image:
    """Render the scene as an RGB picture of `scene.size` squared."""
    ramp = Image.linear_gradient("L").resize((1, scene.canvas[1])).resize(scene.canvas)
    picture = Image.composite(
        Image.new("RGB", scene.canvas, scene.bottom), Image.new("RGB", scene.canvas, scene.top), ramp
    )
    for one in scene.placed:
        side = max(4, round(one.side))
        cutout = load_picture(one.name.picture).resize((side, side), Image.Resampling.BOX, reducing_gap=2.0)
        picture.paste(cutout, (round(one.x - side / 2), round(one.y - side / 2)), cutout)
    top, left = scene.crop
    picture = picture.crop((left, top, left + scene.size, top + scene.size))
    if scene.original_size < (scene.size, scene.size):
        picture = picture.resize(scene.original_size, Image.Resampling.BOX)
        picture = picture.resize((scene.size, scene.size), Image.Resampling.BICUBIC)
    return picture
