"""What is remembered of the library survives starts, other windows and damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.session.library_state import ImportJobSpec, LibraryState

JOB = ImportJobSpec(what="someone/xl", name="xl", title="XL", weights="int8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "library.json"


def test_everything_comes_back(file: Path, tmp_path: Path) -> None:
    memory = LibraryState(file)
    memory.dismiss_welcome()
    memory.record_use(tmp_path / "xl", 12.5)
    memory.save_job(JOB)
    again = LibraryState(file)
    assert again.welcome_dismissed
    assert again.last_used(tmp_path / "xl") == 12.5
    assert again.jobs() == (JOB,)


def test_nothing_is_written_before_there_is_something_to_remember(file: Path, tmp_path: Path) -> None:
    memory = LibraryState(file)
    assert not memory.welcome_dismissed
    assert memory.last_used(tmp_path) == 0
    assert memory.jobs() == ()
    memory.remove_job("nothing")
    assert not file.exists()


def test_two_windows_do_not_undo_one_another(file: Path) -> None:
    one, two = LibraryState(file), LibraryState(file)
    one.save_job(JOB)
    two.save_job(ImportJobSpec(what="someone/other", name="other", title="Other"))
    two.remove_job("other")
    assert one.jobs() == (JOB,)


def test_a_job_is_noted_once_under_its_name(file: Path) -> None:
    memory = LibraryState(file)
    memory.save_job(JOB)
    memory.save_job(JOB)
    assert memory.jobs() == (JOB,)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[]", b'{"jobs": 3}', b"\xff" * 10, b"[" * 100_000])
def test_a_damaged_file_counts_as_empty_and_is_repaired(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    memory = LibraryState(file)
    assert memory.jobs() == ()
    memory.save_job(JOB)
    assert memory.jobs() == (JOB,)


def test_where_nothing_can_be_written_that_is_reported(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SettingsError, match="could not be saved"):
        LibraryState(tmp_path / "taken" / "library.json").dismiss_welcome()


def test_the_uses_are_bounded(file: Path, tmp_path: Path) -> None:
    memory = LibraryState(file)
    for number in range(505):
        memory.record_use(tmp_path / str(number), float(number + 1))
    assert memory.last_used(tmp_path / "0") == 0
    assert memory.last_used(tmp_path / "504") == 505
