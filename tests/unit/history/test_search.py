"""A search finds words by their beginning, and no text that a user types is an error."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.history.entries import HistoryFilter, NewPicture
from sdxl_desktop.history.store import History
from sdxl_desktop.metadata.picture_files import PictureRecord
from tests.unit.history.pictures import Work, request_for, work_in

PROMPTS = {
    "heart": "a red heart on a blue background, (masterpiece:1.2)",
    "blue": "a blue heart, red background",
    "cafe": "Café in Zürich -- 50% cream_cake",
    "cyrillic": "красная роза",
    "han": "一只在花园里的红色猫",
    "thai": "แมวสีแดงในสวน",
    "signs": "C++ ☃ <lora:detail:0.8> {a|b}",
}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    with work_in(tmp_path_factory.mktemp("search")) as work:
        for seed, (name, prompt) in enumerate(PROMPTS.items()):
            work.add(f"{name}.png", prompt, seed, negative_prompt="ugly red" if name == "cafe" else "")
        yield work


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", {*PROMPTS}),
        ("   ", {*PROMPTS}),
        ("heart", {"heart", "blue"}),
        ("hea re", {"heart", "blue"}),
        ("HEART masterp", {"heart"}),
        ('"red heart"', {"heart"}),
        ('"red hear"', set()),
        ('"blue heart" backg', {"blue"}),
        ("cafe zurich", {"cafe"}),
        ("50%", {"cafe"}),
        ("%", {"cafe"}),
        ("_", {"cafe"}),
        ("cream_cake", {"cafe"}),
        ("роз", {"cyrillic"}),
        ("红色猫", {"han"}),
        ("花园", {"han"}),
        ("สีแดง", {"thai"}),
        ("☃", {"signs"}),
        ("++", {"signs"}),
        ("<lora:detail", {"signs"}),
        ("hea, ( - red", {"heart", "blue"}),
        ("ugly", set()),
        ("heart NOT blue", set()),
        ("prompt:heart", set()),
    ],
)
def test_a_search_finds_these(searched: Work, text: str, names: set[str]) -> None:
    assert {name.removesuffix(".png") for name in searched.names(text=text)} == names


def test_negative_prompts_are_searched_apart(searched: Work) -> None:
    assert searched.names(negative_text="ugly") == ["cafe.png"]
    assert searched.names(negative_text="ugly", text="heart") == []


@pytest.mark.parametrize(
    "text",
    [
        '"',
        '""',
        '"""',
        'a"b"c',
        '"open phrase',
        "*",
        "a*",
        "^a",
        "- a",
        "-a",
        "a AND",
        "OR",
        "NOT NOT",
        "NEAR(a b)",
        "NEAR/3",
        "(((",
        ")",
        "prompt : a",
        "{prompt negative_prompt} : a",
        "picture_text",
        "a:b:c",
        "'; DROP TABLE picture; --",
        "\\",
        "%_\\",
        "\0",
        "a\0b",
        "\ud800",
        "a\u202eb",
        "²½",
        "e\u0301",
        "\u0301",
        "x" * 100_000,
        "word " * 5000,
        '"' * 5000,
        "(" * 5000,
    ],
)
def test_no_text_is_an_error(searched: Work, text: str) -> None:
    for wanted in (
        HistoryFilter(text=text),
        HistoryFilter(negative_text=text),
        HistoryFilter(tag=text, checkpoint=text),
    ):
        assert searched.history.count(wanted) == len(searched.history.page(wanted))


def test_no_mixture_of_signs_is_an_error(searched: Work) -> None:
    dice = random.Random(7)
    pieces = [
        '"',
        "*",
        "(",
        ")",
        "AND",
        "OR",
        "NOT",
        "NEAR",
        "heart",
        " ",
        ":",
        "^",
        "-",
        "+",
        "{",
        "}",
        ",",
        "猫",
        "\0",
    ]
    for _ in range(200):
        text = "".join(dice.choices(pieces, k=dice.randint(1, 12)))
        searched.history.count(HistoryFilter(text=text))


def test_prompts_of_any_text_are_indexed_and_removed(tmp_path: Path) -> None:
    with work_in(tmp_path) as work:
        history: History = work.history
        for seed, prompt in enumerate(["\0 nul", "x" * 50_000, "\U0001f600 smile", '"quoted"']):
            file = work.write(f"{seed}.png", seed=seed)
            record = PictureRecord(version="1", seed=seed, request=request_for(prompt))
            history.add(NewPicture(file=file, size=Size(16, 8), record=record))
        assert history.count(HistoryFilter(text="smile")) == 1
        history.forget(history.ids())
        history.restore(history.ids())
        history.check()
