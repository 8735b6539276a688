"""Styles put words around the prompt; the shipped ones are whole, those of other programs can be imported."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from PIL import Image

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.core.prompt_template import parse_template
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.session.prompt_craft.style_files import StyleStore, read_style_file
from sdxl_desktop.session.prompt_craft.styles import PLACEHOLDER, Style, apply_styles

SHIPPED = resources_folder() / "styles"


@pytest.fixture
def store(tmp_path: Path) -> StyleStore:
    return StyleStore(tmp_path / "data" / "styles.json", SHIPPED)


def test_words_go_to_the_placeholder_or_behind() -> None:
    frame = Style(name="frame", prompt="oil painting of {prompt}, thick", negative_prompt="photo")
    after = Style(name="after", prompt="sharp", negative_prompt="not {prompt}, blurry")
    typed = Prompts(prompt="a cat,", negative_prompt="dog", prompt_2="second")
    made = apply_styles(typed, [frame, after])
    assert made.prompt == "oil painting of a cat,, thick, sharp"
    assert made.negative_prompt == "not dog, photo, blurry"
    assert made.prompt_2 == "second"
    assert apply_styles(typed, []) == typed
    assert apply_styles(Prompts(), [after]).prompt == "sharp"


def test_the_shipped_styles_are_whole(store: StyleStore) -> None:
    styles = store.load().styles
    assert len(styles) >= 60
    assert len({style.name.lower() for style in styles}) == len(styles)
    assert len(store.load().categories) >= 6
    for style in styles:
        assert style.prompt.count(PLACEHOLDER) == 1
        assert not parse_template(style.prompt.replace(PLACEHOLDER, "x")).is_varied


def test_the_previews_are_small_pictures_of_styles(store: StyleStore) -> None:
    shown = [preview for style in store.load().styles if (preview := store.preview(style)) is not None]
    assert len(shown) == len(list((SHIPPED / "previews").iterdir())) >= 12
    assert sum(file.stat().st_size for file in shown) < 400_000
    for file in shown:
        with Image.open(file) as image:
            assert (image.format, image.size) == ("WEBP", (64, 64))


def test_own_styles_are_kept_changed_and_deleted(store: StyleStore) -> None:
    store.save([Style(name="Mine", prompt="my way"), Style(name="Watercolour", prompt="wet {prompt}")])
    found = store.load()
    assert found.named("mine").prompt == "my way"
    assert found.named("Watercolour").prompt == "wet {prompt}"
    assert store.preview(found.named("Mine")) is None
    store.delete("Watercolour")
    assert store.load().named("Watercolour").prompt != "wet {prompt}"
    with pytest.raises(RequestError):
        found.named("nobody's")


def test_a_damaged_file_loses_only_what_is_damaged(store: StyleStore) -> None:
    store.file.parent.mkdir()
    store.file.write_text(json.dumps({"styles": [{"name": "Good", "prompt": "x"}, {"name": 5}, {"name": ""}]}))
    assert [style.name for style in store.own()] == ["Good"]


def test_a_csv_of_automatic1111_is_read(tmp_path: Path) -> None:
    file = tmp_path / "styles.csv"
    file.write_text(
        '\ufeffname,prompt,negative_prompt\n---- Heading ----,,\n"Big, red","{prompt}, ""huge""\nand red",small\n'
        "Short,just words\nÜber,{prompt} äöü,\n",
        encoding="utf-8",
    )
    found = read_style_file(file)
    assert [style.name for style in found.styles] == ["Big, red", "Short", "Über"]
    assert found.styles[0].prompt == '{prompt}, "huge"\nand red'
    assert found.styles[0].negative_prompt == "small"
    assert found.skipped == 1


def test_a_json_of_fooocus_is_read(tmp_path: Path) -> None:
    file = tmp_path / "sdxl_styles_own.json"
    rows = [
        {"name": "Clay", "prompt": "clay {prompt} . soft", "negative_prompt": "hard"},
        {"name": "Nothing"},
        "no object",
        {"name": "<b>Bold</b>\n", "prompt": 5, "negative_prompt": "x" * 9000},
    ]
    file.write_text(json.dumps(rows))
    found = read_style_file(file)
    assert [style.name for style in found.styles] == ["Clay", "<b>Bold</b>"]
    assert found.styles[0].category == "Own"
    assert len(found.styles[1].negative_prompt) == 4000
    assert found.skipped == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("styles.csv", b""),
        ("styles.csv", b"a,b\n1,2\n"),
        ("styles.csv", b"name,prompt\n,\n"),
        ("styles.csv", b"name,prompt\nx,\0y\n"),
        ("styles.csv", b'name,prompt\nx,"' + b"y" * 200_000),
        ("styles.json", b"{}"),
        ("styles.json", b"[" * 4000),
        ("styles.json", b"[1e999]"),
        ("styles.json", b"\xff\xfe"),
        ("styles.json", b"[]" + b" " * (9 * 2**20)),
    ],
)
def test_a_file_of_anything_else_gives_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError) as caught:
        read_style_file(tmp_path / name)
    assert name in caught.value.what
    assert "\n" not in str(caught.value)


def test_any_csv_is_read_or_told(tmp_path: Path) -> None:
    draw, file = random.Random(8), tmp_path / "styles.csv"
    parts = ["name", "prompt", ",", '"', "\n", "\r", "x", "\0", "é", ";", "\\", "negative_prompt"]
    for _ in range(200):
        file.write_text("name,prompt,negative_prompt\n" + "".join(draw.choice(parts) for _ in range(30)), newline="")
        try:
            assert all(style.name and (style.prompt or style.negative_prompt) for style in read_style_file(file).styles)
        except RequestError:
            continue
