"""Files come back from the trash: to their place, or beside what has taken it, and no other file is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.errors import OutputError
from sdxl_desktop.session.trash import TrashedFile


@pytest.fixture
def trashed(tmp_path: Path) -> TrashedFile:
    """A deleted file in a trash of freedesktop.org's layout, beside another one."""
    trash = tmp_path / "Trash"
    for name in ("files", "info"):
        (trash / name).mkdir(parents=True)
    for name in ("a.2.png", "other.png"):
        (trash / "files" / name).write_text(name)
        (trash / "info" / f"{name}.trashinfo").write_text("[Trash Info]")
    return TrashedFile(tmp_path / "pictures" / "a.png", trash / "files" / "a.2.png")


def test_a_file_returns_to_its_place_and_leaves_no_note(trashed: TrashedFile, tmp_path: Path) -> None:
    assert trashed.restore() == trashed.original
    assert trashed.original.read_text() == "a.2.png"
    assert [path.name for path in (tmp_path / "Trash" / "info").iterdir()] == ["other.png.trashinfo"]
    assert [path.name for path in (tmp_path / "Trash" / "files").iterdir()] == ["other.png"]


def test_a_file_that_took_the_name_stays(trashed: TrashedFile) -> None:
    trashed.original.parent.mkdir()
    trashed.original.write_text("newer")
    place = trashed.restore()
    assert place != trashed.original
    assert (trashed.original.read_text(), place.read_text()) == ("newer", "a.2.png")


def test_what_is_not_in_the_trash_any_more_is_reported(trashed: TrashedFile) -> None:
    assert trashed.trashed is not None
    trashed.trashed.unlink()
    with pytest.raises(OutputError, match=r"a\.png"):
        trashed.restore()
    with pytest.raises(OutputError, match="does not say where"):
        TrashedFile(trashed.original, None).restore()
