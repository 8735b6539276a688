"""The training scenes match their captions, and equal random numbers give equal scenes."""

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.starter.compose import COLOURS, Scene, compose, draw
from tools.starter.grammar import article, plural
from tools.starter.names import Name


@pytest.fixture
def names(tmp_path: Path) -> tuple[Name, ...]:
    made = []
    for word, colour in (("cat", (240, 200, 40, 255)), ("ball", (200, 30, 30, 255))):
        file = tmp_path / f"{word}.png"
        Image.new("RGBA", (256, 256), colour).save(file)
        made.append(Name((word,), file, 1.0))
    return tuple(made)


def scenes(names: tuple[Name, ...], count: int) -> list[Scene]:
    return [compose(random.Random(f"test {number}"), names, [1.0, 1.0], 128) for number in range(count)]


def test_the_same_lots_give_the_same_scene(names: tuple[Name, ...]) -> None:
    assert scenes(names, 30) == scenes(names, 30)


def test_a_scene_is_drawn_at_its_size_and_names_its_subjects(names: tuple[Name, ...]) -> None:
    for scene in scenes(names, 60):
        assert draw(scene).size == (128, 128)
        for placed in scene.placed:
            assert placed.name.word in scene.prompt


def test_the_named_background_is_the_drawn_one(names: tuple[Name, ...]) -> None:
    plain = [
        scene
        for scene in scenes(names, 300)
        if scene.prompt.endswith(" red background") and scene.original_size == scene.canvas == (128, 128)
    ]
    assert plain
    for scene in plain:
        corner = np.asarray(draw(scene), dtype=float)[2, 2]
        assert np.abs(corner - COLOURS["red"]).max() < 30


def test_a_crop_is_reported_and_moves_the_subject(names: tuple[Name, ...]) -> None:
    cropped = [scene for scene in scenes(names, 300) if scene.canvas != (128, 128)]
    assert cropped
    for scene in cropped:
        top, left = scene.crop
        assert scene.time_ids == (scene.canvas[1], scene.canvas[0], top, left, 128, 128)


@pytest.mark.parametrize(
    ("word", "one", "many"),
    [
        ("apple", "an apple", "apples"),
        ("unicorn", "a unicorn", "unicorns"),
        ("slice of pizza", "a slice of pizza", "slices of pizza"),
        ("magnifying glass", "a magnifying glass", "magnifying glasses"),
        ("sunglasses", "sunglasses", "sunglasses"),
        ("strawberry", "a strawberry", "strawberries"),
        ("face with hearts", "a face with hearts", "faces with hearts"),
    ],
)
def test_articles_and_plurals(word: str, one: str, many: str) -> None:
    assert (article(word), plural(word)) == (one, many)
