"""SDXL_DESKTOP_HOME moves everything; without it everything is in the system's standard folders."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from sdxl_desktop.core.paths import (
    HOME_VARIABLE,
    AppPaths,
    chosen_folder,
    expand_path,
    resources_folder,
    unknown_variable,
)


def _all(paths: AppPaths) -> list[Path]:
    return [getattr(paths, field.name) for field in fields(paths)] + [paths.checkpoints, paths.compiled]


def test_one_variable_moves_everything(home: Path) -> None:
    for path in _all(AppPaths.from_environment()):
        assert path.is_relative_to(home.resolve())


def test_asking_creates_nothing(home: Path) -> None:
    AppPaths.from_environment()
    assert not list(home.iterdir())


def test_a_relative_home_is_the_same_after_a_change_of_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, "portable")
    assert AppPaths.from_environment().data == tmp_path / "portable" / "data"


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_means_the_systems_places(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, value)
    for path in _all(AppPaths.from_environment()):
        assert path.is_absolute()
        assert "sdxl" in str(path).lower()


def test_the_shipped_files_are_found() -> None:
    assert resources_folder().is_dir()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("~/Pictures/ai", "/home/ann/Pictures/ai"),
        ("$ART/ai", "/mnt/art/ai"),
        ("${ART}/ai", "/mnt/art/ai"),
        ("%ART%/ai", "/mnt/art/ai"),
        (' "/mnt/with blank/ai" ', "/mnt/with blank/ai"),
        ("/mnt/100%/ai", "/mnt/100%/ai"),
        ("$NOTHING/ai", "$NOTHING/ai"),
    ],
)
def test_a_path_is_read_as_a_user_means_it(typed: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("ART", "/mnt/art")
    monkeypatch.delenv("NOTHING", raising=False)
    assert expand_path(typed) == Path(meant)
    assert unknown_variable(typed) == ("$NOTHING" if "NOTHING" in typed else "")


def test_a_folder_in_the_settings_never_depends_on_where_the_application_was_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert chosen_folder("ai", Path("/own")) == Path("/home/ann/ai")
    assert chosen_folder(" ", Path("/own")) == Path("/own")
