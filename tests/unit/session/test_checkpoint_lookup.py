"""The checkpoint of a record is found by name and by content; a missing one is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.checkpoint import Checkpoint, RecommendedSettings
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.checkpoint_lookup import find_recorded_checkpoint, reuse_warning


def checkpoint(name: str) -> Checkpoint:
    folder = Path("/library") / name
    return Checkpoint(name=name, title=name.title(), folder=folder, recommended=RecommendedSettings(size=Size(64, 64)))


KNOWN = (checkpoint("starter"), checkpoint("wide"), checkpoint("renamed"))
CONTENTS = {"starter": "1:aa", "wide": "1:bb", "renamed": "1:cc"}


@pytest.mark.parametrize(
    ("recorded", "content", "name", "differs"),
    [
        ("/library/wide", "1:bb", "wide", False),
        ("wide", "1:bb", "wide", False),
        ("/elsewhere/wide", "", "wide", False),
        ("C:\\Users\\ann\\wide", "", "wide", False),
        ("before", "1:cc", "renamed", False),
        ("wide", "1:cc", "renamed", False),
        ("wide", "1:dd", "wide", True),
        ("wide", "2:dddd", "wide", False),  # named in another way: it cannot be found
        ("gone", "1:dd", None, False),
        ("gone", "", None, False),
    ],
)
def test_a_checkpoint_is_found_by_name_and_content(
    recorded: str, content: str, name: str | None, differs: bool
) -> None:
    found, other = find_recorded_checkpoint(Path(recorded), content, KNOWN, lambda folder: CONTENTS[folder.name])
    assert (found.name if found else None, other) == (name, differs)


def test_what_is_missing_is_reported() -> None:
    assert reuse_warning((), "Starter", differs=False) is None
    reported = reuse_warning(("the checkpoint gone", "the LoRA style.safetensors"), "Starter", differs=False)
    assert "the checkpoint gone and the LoRA style.safetensors" in str(reported)
    assert "Starter stays chosen" in str(reported)
    assert "Starter" in str(reuse_warning((), "Starter", differs=True))
