"""Private files are created so that no other user can read them, and existing ones are restricted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sdxl_desktop.core.atomic_write import atomic_file, write_atomically
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.private_files import make_private_folder, open_private_append
from sdxl_desktop.core.settings import Settings
from sdxl_desktop.session.recent_files import RecentFiles
from sdxl_desktop.session.settings_store import SettingsStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_that_are_missing_are_made_private_and_others_stay(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private_folder(tmp_path / "a" / "b")
    assert [mode(tmp_path / "a"), mode(tmp_path / "a" / "b"), mode(tmp_path)] == [0o700, 0o700, 0o755]


def test_a_folder_of_the_applications_own_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir(mode=0o755)
    make_private_folder(tmp_path / "logs", restrict_existing=True)
    assert mode(tmp_path / "logs") == 0o700


def test_a_private_file_is_so_before_anything_is_in_it(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "new" / "a", private=True) as beside:
        assert mode(beside) == 0o600
        assert mode(beside.parent) == 0o700
        beside.write_bytes(b"secret")
    assert mode(tmp_path / "new" / "a") == 0o600


def test_what_others_could_read_is_theirs_no_more_once_it_is_written_again(tmp_path: Path) -> None:
    for name in ("settings.json", "log"):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(0o644)
    write_atomically(tmp_path / "settings.json", b"new", private=True)
    with open_private_append(tmp_path / "log") as log:
        log.write(b" and new")
    assert [mode(tmp_path / name) for name in ("settings.json", "log")] == [0o600, 0o600]
    assert (tmp_path / "log").read_text() == "old and new"
    open_private_append(tmp_path / "log", truncate=True).close()
    assert (tmp_path / "log").read_text() == ""


def test_pictures_are_left_to_what_the_system_says(tmp_path: Path) -> None:
    write_atomically(tmp_path / "usual", b"")
    (tmp_path / "plain").touch()
    assert mode(tmp_path / "usual") == mode(tmp_path / "plain")


def test_settings_and_recent_files_are_private(home: Path) -> None:
    paths = AppPaths.from_environment()
    SettingsStore(paths.settings_file).save(Settings())
    RecentFiles(paths.data / "recent.json").add(home / "a.png")
    assert mode(paths.settings_file) == 0o600
    assert mode(paths.data / "recent.json") == 0o600
    assert mode(paths.data) == 0o700
