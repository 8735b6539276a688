"""Variants and wildcards are read as written, and everything else stays as it was."""

from __future__ import annotations

import random

import pytest

from sdxl_desktop.core.prompt_template import (
    Choice,
    Literal,
    PickMethod,
    Wildcard,
    WildcardValue,
    escape_template,
    is_literal,
    parse_template,
)


def literal(text: str) -> str:
    """The text of a prompt that holds nothing else."""
    template = parse_template(text)
    assert not template.is_varied
    assert all(isinstance(node, Literal) for node in template.content.nodes)
    return "".join(node.text for node in template.content.nodes if isinstance(node, Literal))


@pytest.mark.parametrize(
    "text",
    [
        "a red heart, (soft:1.2), [hard]",
        "50% off, $5, #ffcc00, http://host/x//y /* no comment */",
        r"\(brackets\) stay \\ escaped",
        "a } b",
        "a { b",
        "a | b",
        "snake_case __ and __init",
        "__ name __",
        "日本語 🙂",
        "",
    ],
)
def test_a_prompt_without_variants_is_unchanged(text: str) -> None:
    assert literal(text) == text


def test_an_escape_makes_a_plain_character() -> None:
    assert literal(r"\{a\|b\} and \_\_name\_\_") == "{a|b} and __name__"


@pytest.mark.parametrize(
    "text", ["a {red|blue} hat", "__a__b__c__", "{{x}} }{ |", "____", r"\(a\) {b} \\", "plain", "", "{a", "tag__ __x"]
)
def test_any_text_has_a_template_that_gives_it(text: str) -> None:
    assert literal(escape_template(text)) == text
    assert escape_template(text) == text or not is_literal(text)


def test_a_choice_holds_weights_bounds_and_a_separator() -> None:
    (node,) = parse_template("{@1-2$$ and $$0.5::a|3::b|c}").content.nodes
    assert isinstance(node, Choice)
    assert (node.low, node.high, node.separator, node.method) == (1, 2, " and ", PickMethod.CYCLE)
    assert [option.weight for option in node.options] == [0.5, 3.0, 1.0]


def test_wildcards_are_found_inside_words_and_variants() -> None:
    template = parse_template("two __animals/*__s and {__colour__|blue}")
    assert [wildcard.name for wildcard in template.wildcards] == ["animals/*", "colour"]
    assert template.spans == ((4, 17), (23, 40))
    assert isinstance(template.content.nodes[1], Wildcard)


@pytest.mark.parametrize("name", ["hair colour", "my-list (2)", "a_b/c.d", "R&B", "farbe/Größe", "1", "*/x*"])
def test_names_of_files_are_names_of_wildcards(name: str) -> None:
    template = parse_template(f"x__{name}__y __{name}__")
    assert [wildcard.name for wildcard in template.wildcards] == [name, name]


def test_a_lone_brace_and_a_variable_are_told() -> None:
    assert [problem.start for problem in parse_template("a { b {c|d}").problems] == [2]
    assert [problem.start for problem in parse_template("} ${x=y}").problems] == [0, 2]


def test_a_value_may_begin_with_a_weight() -> None:
    assert WildcardValue.parse("3::red") == (3.0, "red")
    assert WildcardValue.parse("ratio 3::2") == (1.0, "ratio 3::2")


def test_any_text_is_parsed() -> None:
    draw = random.Random(5)
    parts = ["{", "}", "|", "$$", "2", "-", "::", "__", "a", " ", "\\", "~", "@", "*", "0.5", "${", "🙂"]
    for _ in range(200):
        text = "".join(draw.choice(parts) for _ in range(24))
        template = parse_template(text)
        assert all(0 <= start < end <= len(text) for start, end in template.spans)


def test_deep_nesting_is_bounded() -> None:
    template = parse_template("{" * 3000 + "a|b" + "}" * 3000)
    assert template.is_varied
    assert template.problems
