"""Whoever names a checkpoint, the same names are good, and those that are made of a file's name are among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.checkpoint_names import check_name, find_free_name, is_valid_name, make_valid_name
from sdxl_desktop.library.hub.install import download_destination
from sdxl_desktop.ui.library.free_resources import FreeResources, name_problem

GOOD = ("sdxl", "_old", "My model (v2), 1.0+vae", "中文模型", "हिन्दी मॉडल", "é" * 80, "x.y", "10")
BAD = (
    *("", " ", ".hidden", "-rf", "(v2)", " x", "x ", "x.", "a/b", "a\\b", "../up", "a:b", "x" * 81, "a\nb", "a\x00b"),
    *("CON", "nul.txt", "com1", "LPT9.x", "a\u200bb", "a\u202eb", "a*", "a?"),
)


@pytest.mark.parametrize("name", [*GOOD, *BAD], ids=repr)
def test_the_rule_is_one_for_imports_downloads_and_the_window(name: str, tmp_path: Path) -> None:
    good = name in GOOD
    assert is_valid_name(name) is good
    assert (name_problem(name, FreeResources(memory_bytes=0, disk_bytes=0, library_folder=tmp_path)) == "") is good
    for refused in (lambda: check_name(name), lambda: download_destination(tmp_path, name)):
        if good:
            refused()
        else:
            with pytest.raises(CheckpointError, match="cannot be the name"):
                refused()


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("juggernaut_XL v9", "juggernaut_XL v9"),
        ("(new) ./model?*", "new) .-model"),
        ("हिन्दी मॉडल", "हिन्दी मॉडल"),
        ("CON", "checkpoint-CON"),
        ("nul.v2", "checkpoint-nul.v2"),
        ("...", "checkpoint"),
        ("می\u200cخواهم", "میخواهم"),
        ("a" * 300, "a" * 70),
        ("☃", "checkpoint"),
    ],
)
def test_a_name_made_of_any_words_keeps_the_rule(words: str, made: str, tmp_path: Path) -> None:
    assert make_valid_name(words) == made
    assert is_valid_name(made)
    (tmp_path / made).mkdir()
    again = find_free_name(words, tmp_path)
    assert again == f"{made}-2"
    assert is_valid_name(again)
