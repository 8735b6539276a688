"""Completion in prompts: what is suggested for a typed word, and the text that takes its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.lora_tags import find_tags
from sdxl_desktop.core.prompt_grammar import parse_fragments
from sdxl_desktop.library.addition_detection import AdditionKind
from sdxl_desktop.library.additions.addition_entry import AdditionEntry, TrainedModel
from sdxl_desktop.session.completion.completion_index import CompletionIndex, Suggestion
from sdxl_desktop.session.completion.prompt_completion import CompletionTrigger, PromptCompleter, tag_index, tag_text
from sdxl_desktop.session.completion.tag_list import Tag, parse_tag_list, read_tag_list

TAGS = """1girl,0,4000000,"1girls,sole_female"
long_hair,0,3500000,"/lh,longhair"
blue_eyes,0,1500000,
black_hair,0,1400000,
blue_sky,0,90000,sky_blue
saber_(fate),4,20000,
hatsune_miku,4,99000,miku
>_<,0,9000,
chain-link_fence,0,800,
"""


def entry(name: str, kind: AdditionKind = AdditionKind.LORA) -> AdditionEntry:
    return AdditionEntry(file=Path(f"{name}.safetensors"), name=name, folder="", kind=kind)


@pytest.fixture(scope="module")
def completer() -> PromptCompleter:
    ink = replace(entry("Ink Wash (v2)"), trigger_words=("ink (style)",), preferred_weight=0.8, alias="inkw")
    pencil = replace(entry("pencil"), base_model=TrainedModel.OTHER, base_model_name="FLUX")
    unusable = [entry("a:b"), replace(entry("pen broken"), problem="cut")]
    mood = entry("blue mood", AdditionKind.EMBEDDING)
    return PromptCompleter([ink, pencil, mood, *unusable], tag_index(parse_tag_list(TAGS)))


def texts(completer: PromptCompleter, typed: str, *, negative: bool = False) -> list[str]:
    return [one.text for one in completer.complete(typed, len(typed), negative=negative).suggestions]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("long", ["long hair"]),
        ("a cat, LONG_H", ["long hair"]),
        ("bl", ["blue-mood", "blue eyes", "black hair", "blue sky"]),
        ("hair", ["long hair", "black hair"]),
        ("sole", ["1girl"]),
        ("miku", ["hatsune miku"]),
        ("lnog hair", ["long hair"]),
        ("longhiar", ["long hair"]),
        ("chain link", ["chain-link fence"]),
        ("sab", [r"saber \(fate\)"]),
        ("ink", [r"ink \(style\)", "<lora:Ink Wash (v2):0.8>"]),
        ("(blue s", ["blue sky"]),
        ("(red:1.2), blue s", ["blue sky"]),
        ("x BREAK blue s", ["blue sky"]),
        (r"saber \(f", [r"saber \(fate\)"]),
        ("b", []),
        ("xyzzy", []),
        ("long hair", []),
    ],
)
def test_the_word_at_the_cursor_is_completed(completer: PromptCompleter, typed: str, first: list[str]) -> None:
    assert texts(completer, typed)[: max(1, len(first))] == first


def test_only_the_word_is_replaced(completer: PromptCompleter) -> None:
    text = "a cat,  (blue s and more"
    found = completer.complete(text, 15)
    assert text[found.start : found.end] == "blue s"


@pytest.mark.parametrize(
    ("typed", "after", "replaced"),
    [
        ("cat <lora:ink", "", "<lora:ink"),
        ("cat <LORA:", "", "<LORA:"),
        ("cat <lora:wash", " dog", "<lora:wash"),
        ("cat <lora:in", "k:0.5> dog", "<lora:ink:0.5>"),
    ],
)
def test_after_lora_names_of_loras_are_suggested_as_whole_tags(
    completer: PromptCompleter, typed: str, after: str, replaced: str
) -> None:
    found = completer.complete(typed + after, len(typed))
    assert (typed + after)[found.start : found.end] == replaced
    assert found.suggestions[0].text == "<lora:Ink Wash (v2):0.8>"
    assert all(one.text.startswith("<lora:") and find_tags(one.text) for one in found.suggestions)


def test_another_model_is_told_and_negative_prompts_get_no_loras(completer: PromptCompleter) -> None:
    (pencil,) = completer.complete("<lora:penc", 10).suggestions
    assert "FLUX" in pencil.detail
    assert texts(completer, "<lora:ink", negative=True) == []
    assert texts(completer, "ink", negative=True) == [r"ink \(style\)"]


@pytest.mark.parametrize("name", ["saber_(fate)", "a[b]", "c\\d", ">_<", "x_(y_(z))"])
def test_an_inserted_tag_is_read_as_itself(name: str) -> None:
    (fragment,) = parse_fragments(tag_text(name))
    assert fragment.weight == 1
    assert fragment.text in (name, name.replace("_", " "))


def test_the_alias_that_was_found_is_told(completer: PromptCompleter) -> None:
    (found,) = completer.complete("1girls", 6, trigger=CompletionTrigger.KEY).suggestions
    assert (found.label, found.matched, found.detail) == ("1girl", "1girls", "4M")


def test_suggestions_are_bounded_and_those_used_most_come_first() -> None:
    index = CompletionIndex(Suggestion(f"word{n}", f"word {n}", weight=n % 700) for n in range(5000))
    found = index.find("wo")
    assert len(found) == 20
    assert [one.weight for one in found] == sorted((one.weight for one in found), reverse=True)
    assert found[0].weight == 699
    assert index.find("a" * 500) == ()
    assert CompletionIndex().find("word") == ()


def test_words_longer_than_what_is_sorted_are_told_apart() -> None:
    index = CompletionIndex([Suggestion(end, f"{'é' * 30} {end}") for end in ("one", "two")])
    assert [one.text for one in index.find("é" * 30 + " tw")] == ["two"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_is_read_with_its_heading_and_odd_lines_left_out(tmp_path: Path, encoding: str) -> None:
    lines = ["name,type,count,aliases", '1girl,0,5,"a,b,"', "", '"quo""ted",3,7,"x"', "alone", ",0,1", "bad,0,many"]
    (tmp_path / "tags.csv").write_text("\n".join([*lines, '"open,0,1', "1girl,0,9", "é,1,2,"]), encoding)
    found = read_tag_list(tmp_path / "tags.csv")
    assert found.tags == (
        Tag("1girl", 5, ("a", "b"), "0"), Tag('quo"ted', 7, ("x",), "3"), Tag("alone"), Tag("é", 2, (), "1")
    )  # fmt: skip
    assert found.skipped == 4
    assert not found.is_cut


def test_a_list_without_tags_or_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("name,type,count\n")
    for file in (tmp_path / "empty.csv", tmp_path / "missing.csv", tmp_path):
        with pytest.raises(RequestError):
            read_tag_list(file)


def test_a_list_is_cut_where_it_becomes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdxl_desktop.session.completion.tag_list.MAX_TAGS", 3)
    found = parse_tag_list(TAGS)
    assert (len(found.tags), found.is_cut) == (3, True)


@pytest.mark.parametrize(
    ("typed", "expected"), [("lnog hair", "long hair"), ("<lora:ikn wa", "<lora:Ink Wash (v2):0.8>")]
)
def test_typing_errors_are_forgiven_in_a_pause_only(completer: PromptCompleter, typed: str, expected: str) -> None:
    found = {
        trigger: [one.text for one in completer.complete(typed, len(typed), trigger=trigger).suggestions]
        for trigger in CompletionTrigger
    }
    assert found == {
        CompletionTrigger.TYPING: [],
        CompletionTrigger.PAUSE: [expected],
        CompletionTrigger.KEY: [expected],
    }
