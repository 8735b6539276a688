"""Every known ending leads to the part of the application that opens the file, or says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.formats.weight_variants import ENDINGS, KNOWN_ENDINGS
from sdxl_desktop.imaging.picture_formats import picture_suffixes
from sdxl_desktop.session.file_kinds import FileKind, file_kind, sorted_files

WEIGHTS = {FileKind.CHECKPOINT, FileKind.ADDITION}


@pytest.mark.parametrize("ending", [*KNOWN_ENDINGS, ".GGUF", ".PtH"])
def test_a_file_of_weights_is_passed_to_what_can_say_what_is_wrong_with_it(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"model{ending}"
    file.write_bytes(b"GGUF, or anything else")
    assert file_kind(file) in WEIGHTS
    assert sorted_files([file]).problem is None


@pytest.mark.parametrize("ending", picture_suffixes())
def test_a_damaged_picture_is_still_one(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"photo{ending.upper()}"
    file.write_bytes(b"nothing of the kind")
    assert file_kind(file) is FileKind.PICTURE


def test_the_kinds_of_weights_and_of_pictures_share_no_ending() -> None:
    assert not set(KNOWN_ENDINGS) & set(picture_suffixes())
    assert set(ENDINGS) < set(KNOWN_ENDINGS)
