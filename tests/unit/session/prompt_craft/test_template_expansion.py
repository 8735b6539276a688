"""Variants and wildcards become text: as `dynamicprompts` reads them, the same for the same seed, and bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest
from dynamicprompts.generators import CombinatorialPromptGenerator
from dynamicprompts.wildcards import WildcardManager

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.prompt_template import WildcardValue
from sdxl_desktop.session.prompt_craft.template_expansion import combinations, expand
from sdxl_desktop.session.prompt_craft.wildcard_files import load_wildcards

VALUES = {"colour": ["red", "blue", "{pale|dark} green"], "loop": ["__pool__"], "pool": ["a __loop__"], "one": ["1"]}


def values_of(name: str) -> Sequence[WildcardValue]:
    return [WildcardValue.parse(value) for value in VALUES.get(name, ())]


@pytest.fixture(scope="module")
def wildcards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wildcards")
    (folder / "animals").mkdir()
    (folder / "colour.txt").write_text("red\nblue\n{pale|dark} green\n")
    (folder / "animals" / "cats.txt").write_text("lion\ntiger\n")
    (folder / "animals" / "dogs.txt").write_text("wolf\n")
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "a {red|blue} ball",
        "{2$$a|b|c}",
        "{1-2$$a|b|c}",
        "{2$$ and $$a|b|c}",
        "{-2$$a|b}",
        "{2-$$a|b|c}",
        "{0-1$$a|b}",
        "{3$$a|b}",
        "{a|{b|c {d|e}}} f",
        "{ red | blue } x",
        "{0.5::a|2::b}",
        "{|very} big",
        "{a}",
        "{a|a|b}",
        "({red|blue}:1.2) [x]",
        "__colour__ ball",
        "two __animals/cats__s",
        "{2$$__colour__}",
        "__animals/*__",
        "{__animals/cats__|no} animal",
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:dynamicprompts")
def test_the_combinations_are_those_of_dynamicprompts(text: str, wildcards: Path) -> None:
    reference = CombinatorialPromptGenerator(WildcardManager(wildcards)).generate(text, 200)
    ours = list(combinations(text, load_wildcards([wildcards]).values_of))
    assert sorted(ours) == sorted(set(reference))
    assert {expand(text, seed, "prompt", load_wildcards([wildcards]).values_of) for seed in range(4)} <= set(ours)


def test_a_seed_always_gives_the_same_text() -> None:
    text = "a {red|green|blue} {1-3$$cat|dog|bird} in __colour__"
    made = [expand(text, seed, "prompt", values_of) for seed in range(30)]
    assert made == [expand(text, seed, "prompt", values_of) for seed in range(30)]
    assert len(set(made)) > 10
    assert expand(text, 1, "prompt", values_of) == "a blue bird,cat in red"  # of every version and computer


def test_prompt_and_negative_prompt_choose_apart() -> None:
    text = "{a|b|c|d|e|f|g|h}"
    pairs = [(expand(text, seed, "prompt", values_of), expand(text, seed, "negative", values_of)) for seed in range(20)]
    assert any(one != other for one, other in pairs)


def test_weights_are_frequencies_and_zero_is_never() -> None:
    counts = Counter(expand("{3::often|rare|0::never}", seed, "prompt", values_of) for seed in range(400))
    assert counts["often"] > 2 * counts["rare"] > 0
    assert counts["never"] == 0


def test_a_cycle_takes_the_next_with_each_seed() -> None:
    assert [expand("{@a|b|c}", seed, "prompt", values_of) for seed in range(6, 11)] == ["a", "b", "c", "a", "b"]


@pytest.mark.parametrize("text", ["__nothing__", "{a|b} __nothing/*__", "__loop__", "{2$$__loop__}"])
def test_a_missing_or_endless_wildcard_is_told(text: str) -> None:
    for attempt in (lambda: expand(text, 0, "prompt", values_of), lambda: list(combinations(text, values_of))):
        with pytest.raises(RequestError) as caught:
            attempt()
        assert caught.value.next_step


def test_a_plain_prompt_may_have_any_length() -> None:
    assert expand("word " * 10_000, 0, "prompt", values_of) == "word " * 10_000


@pytest.mark.parametrize(
    "values",
    [
        {"a": ["__b__ " * 40], "b": ["__c__ " * 40], "c": ["__d__ " * 40], "d": ["long words " * 40]},
        {f"{n}": [f"{{{{{{__{n + 1}__}}}}}}"] for n in range(60)} | {"a": ["__0__"]},
    ],
)
def test_work_and_length_are_bounded(values: dict[str, list[str]]) -> None:
    def nested(name: str) -> Sequence[WildcardValue]:
        return [WildcardValue.parse(value) for value in values.get(name, ())]

    with pytest.raises(RequestError, match="too long"):
        expand("__a__", 0, "prompt", nested)


def test_the_first_of_endless_combinations_come_at_once() -> None:
    assert len(list(islice(combinations("{a|b}" * 60, values_of), 500))) == 500
    with pytest.raises(RequestError):
        list(combinations("{a}" * 3000, values_of))
