"""Wildcard files of people and of other programs are read; hostile ones are told and left out."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from sdxl_desktop.session.prompt_craft.wildcard_files import WildcardSet, load_wildcards


def texts(found: WildcardSet, name: str) -> list[str]:
    return [value.text for value in found.values_of(name)]


def write(folder: Path, name: str, content: str | bytes) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_lines_of_text_are_values(tmp_path: Path) -> None:
    write(tmp_path, "Farben/warm.txt", "\ufeff# comment\nrot\r\n\n 2::gelb \nrot\n")
    found = load_wildcards([tmp_path])
    assert found.names == ("Farben/warm",)
    assert found.values_of("farben/WARM") == ((1.0, "rot"), (2.0, "gelb"))
    assert texts(found, "warm") == ["rot", "gelb"]  # without its folder
    assert not found.problems


def test_lists_of_yaml_are_values(tmp_path: Path) -> None:
    write(
        tmp_path,
        "all.yaml",
        "animals:\n  cats: [lion, {text: tiger, weight: 2}]\n  count: [1, 2.5, yes, 2020-01-01]\nname: one\n",
    )
    write(tmp_path, "list.yml", "- a\n- b\n")
    found = load_wildcards([tmp_path])
    assert found.values_of("animals/cats") == ((1.0, "lion"), (2.0, "tiger"))
    assert texts(found, "animals/count") == ["1", "2.5", "yes", "2020-01-01"]
    assert texts(found, "name") == ["one"]
    assert texts(found, "list") == ["a", "b"]


def test_the_first_folder_wins_and_an_ambiguous_name_is_not_guessed(tmp_path: Path) -> None:
    write(tmp_path, "own/c.txt", "mine")
    write(tmp_path, "other/c.txt", "theirs")
    write(tmp_path, "other/x/d.txt", "1")
    write(tmp_path, "other/y/d.txt", "2")
    found = load_wildcards([tmp_path / "own", tmp_path / "other", tmp_path / "missing"])
    assert texts(found, "c") == ["mine"]
    assert texts(found, "d") == []
    assert texts(found, "*/d") == ["1", "2"]


def test_the_wildcards_of_a_prompt_are_not_searched_for_with_every_key(tmp_path: Path) -> None:
    write(tmp_path, "x/d.txt", "1")
    write(tmp_path, "y/e.txt", "2")
    found = load_wildcards([tmp_path])
    assert found.values_of("*") is found.values_of(" * "), "what was found is kept"
    write(tmp_path, "y/f.txt", "3")
    assert texts(load_wildcards([tmp_path]), "*") == ["1", "2", "3"], "until the files are read again"


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(f"k{n}: &k{n} {{a: *a, b: {{c: *a}}}}" for n in range(400))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("code.yaml", "!!python/object/apply:os.system ['touch pwned']"),
        ("broken.yaml", "a: [1, 2\nb: }"),
        ("deep.yaml", "[" * 5000 + "]" * 5000),
        ("loop.yaml", "a: &a\n  b: *a\n"),
        ("large.txt", "x\n" * (3 * 2**20)),
        ("large.yaml", "- x\n" * 2**19),
    ],
)
def test_a_hostile_file_is_told_and_the_others_are_read(tmp_path: Path, name: str, content: str) -> None:
    write(tmp_path, name, content)
    write(tmp_path, "good.txt", "value")
    found = load_wildcards([tmp_path])
    assert texts(found, "good") == ["value"]
    (problem,) = found.problems
    assert problem.startswith(name)
    assert "\n" not in problem


def test_aliases_pipes_links_and_odd_bytes_end_nowhere(tmp_path: Path) -> None:
    write(tmp_path, "bomb.yaml", BOMB)
    write(tmp_path, "bytes.txt", b"\xff\xfe\x00caf\xe9\nx")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = load_wildcards([tmp_path])
    assert len(found.values_of("a")) == 1  # equal values count once
    assert "x" in texts(found, "bytes")
    assert [problem.split()[0] for problem in found.problems] == ["pipe.txt"]


def test_any_yaml_is_read_or_told(tmp_path: Path) -> None:
    draw = random.Random(3)
    parts = [
        "a",
        ":",
        " ",
        "\n",
        "- ",
        "  ",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "!!x ",
        "'",
        '"',
        "1.5",
        "|",
        "#",
        "\t",
        "?",
    ]
    for number in range(200):
        write(tmp_path, "f.yaml", "".join(draw.choice(parts) for _ in range(40)))
        found = load_wildcards([tmp_path])
        assert len(found.problems) <= 1, number
        assert all(isinstance(value.text, str) for name in found.names for value in found.values_of(name))
