"""The language of prompts: what weighs how much, what is only text, and what is wrong where."""

from __future__ import annotations

import random
import time

import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.prompt_chunks import pack_chunks, split_at_tokens
from sdxl_desktop.core.prompt_grammar import Severity, find_problems, parse_fragments, parse_prompt
from sdxl_desktop.core.prompt_weights import adjust_weight


def weights(text: str) -> list[tuple[str, float]]:
    return [(fragment.text.strip(), round(fragment.weight, 4)) for fragment in parse_fragments(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a cat", [("a cat", 1)]),
        ("a (red:1.2) cat", [("a", 1), ("red", 1.2), ("cat", 1)]),
        ("(cat)", [("cat", 1.1)]),
        ("((cat))", [("cat", 1.21)]),
        ("[cat]", [("cat", 0.9091)]),
        ("[[cat]]", [("cat", 0.8264)]),
        ("(a [b] c)", [("a", 1.1), ("b", 1), ("c", 1.1)]),
        ("(a (b:1.5):2)", [("a", 2), ("b", 3)]),
        ("((cat:1.3))", [("cat", 1.43)]),
        ("(cat:0)", [("cat", 0)]),
        ("(cat:.5) (dog:2.)", [("cat", 0.5), ("dog", 2)]),
        ("(cat : 1.2 )", [("cat", 1.2)]),
        ("(cat:+1.2)", [("cat", 1.2)]),
        ("(16:9 frame:1.2)", [("16:9 frame", 1.2)]),
        ("(a cat,\non a mat:1.2)", [("a cat,\non a mat", 1.2)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        ("(:1.2)", []),
        ("(🙂 é:1.2)", [("🙂 é", 1.2)]),
    ],
)
def test_emphasis(text: str, expected: list[tuple[str, float]]) -> None:
    assert weights(text) == expected
    assert not find_problems(text)


def test_square_in_round_brackets_weighs_exactly_one() -> None:
    assert parse_fragments("([cat])")[0].weight == 1.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"cat \(animal\)", [("cat (animal)", 1)]),
        (r"\[x\] \\ y", [("[x] \\ y", 1)]),
        (r"(\(cat\):1.3)", [("(cat)", 1.3)]),
        (r"(cat\\:1.3)", [("cat\\", 1.3)]),
        (r"a\nb", [(r"a\nb", 1)]),
    ],
)
def test_escapes(text: str, expected: list[tuple[str, float]]) -> None:
    assert weights(text) == expected
    assert not find_problems(text)


@pytest.mark.parametrize(
    ("text", "expected", "places"),
    [
        ("a cat :)", [("a cat :)", 1)], [(7, 8)]),
        (":( a (cat:1.2)", [(":( a", 1), ("cat", 1.2)], [(1, 2)]),
        ("a (small cat", [("a (small cat", 1)], [(2, 3)]),
        ("a] b", [("a] b", 1)], [(1, 2)]),
        ("(a [b) c", [("a [b", 1.1), ("c", 1)], [(3, 4)]),
        ("(happy :)", [("happy :", 1.1)], [(7, 8)]),
        ("(at 12:30pm)", [("at 12:30pm", 1.1)], [(6, 11)]),
        ("<hypernet:fox:0.8> cat", [("<hypernet:fox:0.8> cat", 1)], [(0, 18)]),
        ("[cat:dog:0.5]", [("cat:dog:0.5", 0.9091)], [(0, 13)]),
        ("[cat|dog]", [("cat|dog", 0.9091)], [(0, 9)]),
        ("(cat)1.3", [("cat", 1.1), ("1.3", 1)], [(5, 8)]),
        ("(cat)++ x", [("cat", 1.1), ("++ x", 1)], [(5, 7)]),
    ],
)
def test_what_is_no_markup_is_drawn_as_text_with_a_warning(
    text: str, expected: list[tuple[str, float]], places: list[tuple[int, int]]
) -> None:
    assert weights(text) == expected
    assert [(problem.start, problem.end) for problem in find_problems(text)] == places
    assert all(problem.severity is Severity.WARNING and problem.next_step for problem in find_problems(text))


@pytest.mark.parametrize(
    "text", ["(note: this)", "(the sea: calm, blue)", "(1990)s", "(red)-haired", "BREAKFAST", "a-b"]
)
def test_prose_is_not_warned_about(text: str) -> None:
    assert not find_problems(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a (cat:1.2.3)", (7, 12)),
        ("(cat:1,2)", (5, 8)),
        ("(cat:--1)", (5, 8)),
        ("(cat:1 2)", (5, 8)),
        ("(cat:11)", (5, 7)),
        ("(cat:-0.5)", (5, 9)),
        ("((cat:5):3)", (2, 5)),
        ("(" * 25 + "cat" + ")" * 25, (25, 28)),
        ("(" * 4000 + "cat" + ")" * 4000, (4000, 4003)),
    ],
)
def test_a_wrong_weight_is_an_error_that_shows_its_place(text: str, place: tuple[int, int]) -> None:
    problem = next(problem for problem in find_problems(text) if problem.severity is Severity.ERROR)
    assert (problem.start, problem.end) == place
    with pytest.raises(RequestError, match=f"character {place[0] + 1} ") as raised:
        parse_fragments(text)
    assert text[place[0] : place[1]] in raised.value.why
    assert raised.value.next_step


def test_the_heaviest_and_the_lightest_weight_are_allowed() -> None:
    assert weights("(a:10) (b:0)") == [("a", 10), ("b", 0)]


def test_break_divides_into_sections() -> None:
    assert [(f.text.strip(), f.section) for f in parse_fragments("a BREAK b, c\nBREAK\nd")] == [
        ("a", 0),
        ("b, c", 1),
        ("d", 2),
    ]
    assert [(f.text.strip(), f.weight, f.section) for f in parse_fragments("(a BREAK b:2)")] == [
        ("a", 2, 0),
        ("b", 2, 1),
    ]
    assert [f.section for f in parse_fragments("break BREAKS aBREAK")] == [0]


def test_a_break_with_nothing_before_it_does_nothing_and_says_so() -> None:
    text = "BREAK a BREAK BREAK b BREAK"
    assert [fragment.section for fragment in parse_fragments(text)] == [0, 1]
    assert [problem.start for problem in find_problems(text)] == [0, 14]


def test_spans_lie_in_the_prompt_and_the_words_can_be_found_there() -> None:
    text = "a (red [big]:1.3) cat BREAK sea"
    fragments = parse_fragments(text)
    assert [fragment.text.strip() for fragment in fragments] == ["a", "red", "big", "cat", "sea"]
    for fragment in fragments:
        assert text[fragment.start : fragment.end] == fragment.text


def test_any_text_can_be_read_and_nothing_but_markup_is_lost() -> None:
    draw = random.Random(7)
    for _ in range(3000):
        text = "".join(draw.choice(["(", ")", "[", "]", "\\", ":", "1.2", "a ", "BREAK", " ", "🙂"]) for _ in range(14))
        reading = parse_prompt(text)
        kept = "".join(fragment.text for fragment in reading.fragments)
        for symbol in ("a", "🙂"):
            assert kept.count(symbol) == text.replace("BREAK", "").count(symbol), text
        spans = [(fragment.start, fragment.end) for fragment in reading.fragments]
        assert spans == sorted(spans)
        for problem in reading.problems:
            assert 0 <= problem.start < problem.end <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "(a" * 5000,
        "(" * 5000 + ")" * 5000,
        "[" * 5000 + ")" * 5000,
        "[a|" * 2500 + "]" * 2500,
        "word, (red:1.2) " * 625,
        "a:" * 5000,
        "<lora:" * 1666,
        "\\" * 10_000,
        "BREAK " * 1666,
    ],
)
def test_ten_thousand_characters_are_read_while_one_types(text: str) -> None:
    taken = []
    for _ in range(3):  # the best of three, for the garbage of other tests may be collected in between
        started = time.thread_time()
        parse_prompt(text)
        taken.append(time.thread_time() - started)
    assert min(taken) < 0.5  # some tens of milliseconds


# cutting and packing


def test_embeddings_are_found_as_words_of_their_own() -> None:
    def cut(text: str, *tokens: str) -> list[tuple[str, str]]:
        return [(words.text, words.token) for words in split_at_tokens(text, tokens)]

    assert cut("a <s> b", "<s>") == [("a ", ""), ("<s>", "<s>"), (" b", "")]
    assert cut("x<s>y", "<s>") == [("x", ""), ("<s>", "<s>"), ("y", "")]
    assert cut("catch a cat", "cat") == [("catch a ", ""), ("cat", "cat")]
    assert cut("Fox-STYLE", "fox-style", "fox") == [("Fox-STYLE", "fox-style")]
    assert cut("Fox", "fox", "Fox") == [("Fox", "Fox")]
    assert cut("a") == [("a", "")]


def test_only_what_is_longer_than_a_chunk_is_divided() -> None:
    assert pack_chunks([[1], [2], [3], [4]], 3) == [[1, 2, 3], [4]]
    assert pack_chunks([[1], [2, 3, 4]], 3) == [[1], [2, 3, 4]]
    assert pack_chunks([[1], [2, 3, 4, 5, 6]], 3) == [[1, 2, 3], [4, 5, 6]]
    assert pack_chunks([], 3) == []


# changing weights from the keyboard


def reweighed(marked: str, change: float) -> str | None:
    """`|` marks the cursor, or both ends of a selection, before and after."""
    start, end = marked.index("|"), marked.rindex("|")
    text = marked.replace("|", "")
    edit = adjust_weight(text, start, max(start, end - 1), change)
    if edit is None:
        return None
    made = text[: edit.start] + edit.text + text[edit.end :]
    first, last = edit.selection
    return f"{made[:first]}|{made[first:last]}|{made[last:]}"


@pytest.mark.parametrize(
    ("before", "up", "down"),
    [
        ("a ca|t b", "a (|cat|:1.1) b", "a (|cat|:0.9) b"),
        ("cat|", "(|cat|:1.1)", "(|cat|:0.9)"),
        ("a |red cat| b", "a (|red cat|:1.1) b", "a (|red cat|:0.9) b"),
        ("a | cat |b", "a  (|cat|:1.1) b", "a  (|cat|:0.9) b"),
        ("(big c|at:1.1)", "(|big cat|:1.2)", "|big cat|"),
        ("(|cat|:1.2)", "(|cat|:1.3)", "(|cat|:1.1)"),
        ("|(cat:1.2)|", "(|cat|:1.3)", "(|cat|:1.1)"),
        ("(c|at)", "(|cat|:1.2)", "|cat|"),
        ("((c|at))", "(|cat|:1.31)", "(|cat|:1.11)"),
        ("[c|at]", "(|cat|:1.01)", "(|cat|:0.81)"),
        ("(big |cat| x:1.2)", "(big (|cat|:1.1) x:1.2)", "(big (|cat|:0.9) x:1.2)"),
        ("(a |b:1.2) c|", "(|(a b:1.2) c|:1.1)", "(|(a b:1.2) c|:0.9)"),
        ("(cat|:10)", None, "(|cat|:9.9)"),
        ("(cat|:0)", "(|cat|:0.1)", None),
        ("(cat|:1.2.3)", "(|cat|:1.1)", "(|cat|:0.9)"),
        ("|so :) happy|", r"(|so :\) happy|:1.1)", r"(|so :\) happy|:0.9)"),
        ("a | , b", None, None),
        ("|", None, None),
    ],
)
def test_a_key_changes_the_weight_of_what_is_meant(before: str, up: str | None, down: str | None) -> None:
    assert reweighed(before, 0.1) == up
    assert reweighed(before, -0.1) == down


def test_up_and_down_again_leaves_what_was_there() -> None:
    assert reweighed(reweighed("a ca|t b", 0.1) or "", -0.1) == "a |cat| b"
