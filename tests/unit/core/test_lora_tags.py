"""Tags such as <lora:name:0.8>: found, explained, taken out of the text and written."""

from __future__ import annotations

import random

import pytest

from sdxl_desktop.core.lora_tags import (
    TagUse,
    blank_tags,
    find_prompt_problems,
    find_tags,
    format_tag,
    is_usable_name,
    remove_tags,
    tag_at,
)
from sdxl_desktop.core.prompt_grammar import Severity


@pytest.mark.parametrize(
    ("text", "name", "weight", "text_weight"),
    [
        ("<lora:ink>", "ink", None, None),
        ("<lora:ink:0.35>", "ink", 0.35, None),
        ("<LORA:Ink:-.5>", "Ink", -0.5, None),
        ("<lyco:ink:1e-1>", "ink", 0.1, None),
        ("<lora: ink  wash : 2 >", "ink wash", 2.0, None),
        ("<lora:a/b (v2):0.7:0.2>", "a/b (v2)", 0.7, 0.2),
        ("<lora:ink:te=0.3>", "ink", None, 0.3),
        ("<lora:ink:UNET=0.4:te=+1>", "ink", 0.4, 1.0),
        ("<lora:日本:0.6>", "日本", 0.6, None),
    ],
)
def test_a_tag_names_a_lora_and_its_weights(text: str, name: str, weight: float | None, text_weight: float) -> None:
    (tag,) = find_tags(f"a cat, {text} sitting")
    assert (tag.name, tag.weight, tag.text_weight) == (name, weight, text_weight)
    assert not tag.problems
    assert remove_tags(f"a cat, {text} sitting") == "a cat,  sitting"
    assert not find_prompt_problems(f"a cat, {text} sitting")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<lora:ink:0,7>", "Write 0.7."),
        ("<lora:ink:heavy>", "heavy is not a number"),
        ("<lora:ink:>", "missing"),
        ("<lora:ink:10.5>", "not between -10 and 10"),
        ("<lora:ink:nan>", "not a number"),
        ("<lora::1>", "names no LoRA"),
        ("<lora:ink:1:te=x>", "not a number"),
    ],
)
def test_a_malformed_tag_is_an_error_at_its_place(text: str, said: str) -> None:
    problems = find_prompt_problems(f"cat {text}")
    assert [(one.severity, one.start, one.end) for one in problems] == [(Severity.ERROR, 4, 4 + len(text))]
    assert said in str(problems[0])


def test_what_a_tag_has_too_much_is_a_warning() -> None:
    (problem,) = find_prompt_problems("<lora:ink:1:1:64>")
    assert problem.severity is Severity.WARNING


@pytest.mark.parametrize("use", [TagUse.TEXT, TagUse.NEGATIVE])
def test_where_tags_are_text_that_is_told(use: TagUse) -> None:
    assert [one.severity for one in find_prompt_problems("<lora:ink:1>", use)] == [Severity.WARNING]


@pytest.mark.parametrize("text", ["<ink:1>", "<lora ink>", "a < lora:b", "<lora:a\nb", "lora:a:1", "<loras:a:1>"])
def test_other_text_is_no_tag(text: str) -> None:
    assert not find_tags(text)
    assert remove_tags(text) == text


def test_brackets_in_a_name_weight_nothing_and_positions_stay() -> None:
    text = "(cat:1.2) <lora:a (b:1> [dog]"
    assert len(blank_tags(text)) == len(text)
    assert not find_prompt_problems(text)
    assert tag_at(text, 12, 12) == find_tags(text)[0]
    assert tag_at(text, 2, 3) is None


def test_what_is_written_is_read_again() -> None:
    chance = random.Random(5)
    for _ in range(100):
        name = "".join(chance.choices("ab é日()[]/_-.,'", k=chance.randint(1, 12)))
        weight, text_weight = (
            round(chance.uniform(-10, 10), 3),
            chance.choice([None, round(chance.uniform(-10, 10), 3)]),
        )
        if is_usable_name(name):
            (tag,) = find_tags(format_tag(name, weight, text_weight))
            assert (tag.name, tag.weight) == (" ".join(name.split()), weight)
            assert tag.text_weight in (text_weight, None)
    assert not is_usable_name("a:b")
    assert not is_usable_name("a>b")
    assert not is_usable_name(" ")
