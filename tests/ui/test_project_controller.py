"""Work is restored: projects, recovery after a crash, recent files, transparency, exports of pixels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QFileDialog, QLabel, QMenu, QMessageBox
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.metadata.picture_files import read_record
from sdxl_desktop.session.document.project_file import load_project
from sdxl_desktop.session.document.recovery import sidecar_of
from sdxl_desktop.session.recent_files import RecentFiles
from sdxl_desktop.ui.main_window import MainWindow
from tests.typed import arrays_equal
from tests.ui.conftest import MakeWindow, make_checkpoint, wait_until_idle
from tests.ui.inpainting_engine import InpaintingEngine, disc_mask, photo
from tests.ui.widget_lookup import find_child, menu_action

pytestmark = pytest.mark.usefixtures("plain_style")


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = make_checkpoint(tmp_path / "shipped" / "starter", title="Starter")
    shutil.copytree(folder / "vae_decoder", folder / "vae_encoder")
    return tmp_path / "shipped"


@pytest.fixture
def worked_on(make_window: MakeWindow, qtbot: QtBot) -> MainWindow:
    """A window with a picture, a mask, a prompt and a candidate."""
    window = make_window(InpaintingEngine(), settings=Settings(preferences=Preferences(watermark=False)))
    window.document.set_picture(photo(), "photo.png")
    window.document.set_mask(disc_mask())
    window.parameters_panel.set_prompt("a fox in the snow")
    with qtbot.waitSignal(window.import_controller.edit_source_changed):
        pass
    window.controller.generate()
    wait_until_idle(qtbot, window)
    return window


def answer_file_dialog(monkeypatch: pytest.MonkeyPatch, path: Path, kind: str = "") -> None:
    """Make every file dialog for saving return `path`."""
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), kind))


def work_state(window: MainWindow) -> tuple[Any, ...]:
    """Return the state that a user would miss if it were lost."""
    picture, mask = window.document.picture, window.document.mask
    assert picture is not None
    assert mask is not None
    results = window.session.results
    pixels = [result.picture.pixels.tobytes() for result in results]
    return (
        picture.tobytes(),
        mask.tobytes(),
        window.parameters_panel.value(),
        pixels,
        [result.request.prompts for result in results],
    )


def test_a_project_brings_everything_back(
    worked_on: MainWindow, make_window: MakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_file_dialog(monkeypatch, tmp_path / "fox")
    worked_on.project_controller.save_project()
    before = work_state(worked_on)
    worked_on.close()
    again = make_window(InpaintingEngine())
    again.parameters_panel.set_prompt("something else")
    again.project_controller.open_project(tmp_path / "fox.sdxld")
    assert work_state(again) == before
    assert again.canvas_area.result_strip.isVisible()
    again.controller.generate()
    assert again.session.run is not None, "and work goes on"


def test_a_broken_project_changes_nothing_and_says_so(worked_on: MainWindow, tmp_path: Path) -> None:
    before = work_state(worked_on)
    (tmp_path / "broken.sdxld").write_bytes(b"PK nothing")
    worked_on.project_controller.open_project(tmp_path / "broken.sdxld")
    assert work_state(worked_on) == before
    assert worked_on.canvas_area.banner.isVisible()


def test_after_a_crash_all_of_it_is_offered_and_comes_back(
    worked_on: MainWindow, make_window: MakeWindow, paths: AppPaths, tmp_path: Path, qtbot: QtBot
) -> None:
    before = work_state(worked_on)
    assert worked_on.project_controller.recovery.flush(10)
    recovery = paths.data / "recovery"
    shutil.copytree(recovery, tmp_path / "as it was")
    worked_on.close()
    shutil.rmtree(recovery)
    shutil.copytree(tmp_path / "as it was", recovery)
    again = make_window(InpaintingEngine())
    assert again.canvas_area.toast.isVisible()
    again.canvas_area.toast.action_triggered.emit()
    assert work_state(again) == before
    assert len(load_all(recovery)) == 1, "it stays kept, once"


def test_work_that_a_project_replaces_is_offered_at_the_next_start(
    worked_on: MainWindow, paths: AppPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_file_dialog(monkeypatch, tmp_path / "fox")
    worked_on.project_controller.save_project()
    worked_on.document.grow(4)
    painted = np.array(worked_on.document.mask)
    worked_on.project_controller.open_project(tmp_path / "fox.sdxld")
    question = worked_on.project_controller.files.question
    assert question is not None
    question.button(QMessageBox.StandardButton.Discard).click()
    assert not arrays_equal(worked_on.document.mask, painted)
    worked_on.close()
    assert any(np.array_equal(left.mask, painted) for left in load_all(paths.data / "recovery"))


def test_the_offer_stays_in_the_menu(
    worked_on: MainWindow, make_window: MakeWindow, paths: AppPaths, tmp_path: Path, qtbot: QtBot
) -> None:
    before = work_state(worked_on)
    worked_on.close()
    again = make_window(InpaintingEngine(), prompt="something else")
    wait_until_idle(qtbot, again)
    again.canvas_area.toast.dismiss()
    action = menu_action(again, "recover")
    assert action.isEnabled()
    action.trigger()
    assert work_state(again) == before
    assert not action.isEnabled()


def load_all(recovery: Path) -> list[Any]:
    return [load_project(file, sidecar_of(file)) for file in recovery.glob("*.sdxld")]


def test_recent_files_are_listed_and_open(make_window: MakeWindow, tmp_path: Path, qtbot: QtBot) -> None:
    window = make_window(InpaintingEngine())
    for name in ("one.png", "two.png"):
        Image.fromarray(photo()).save(tmp_path / name)
        window.import_controller.open_picture(tmp_path / name)
    menu = next(menu for menu in window.menuBar().findChildren(QMenu) if menu.title() == "Open &recent")
    menu.aboutToShow.emit()
    words = [action.text() for action in menu.actions() if action.text()]
    assert words == ["two.png", "one.png", "Clear this list"]
    menu.actions()[1].trigger()
    assert window.document.name == "one.png"
    menu.actions()[-1].trigger()
    menu.aboutToShow.emit()
    assert [action.text() for action in menu.actions()] == ["Nothing yet"]


def test_of_several_pictures_the_first_is_shown_and_the_others_are_recent(
    make_window: MakeWindow, paths: AppPaths, tmp_path: Path
) -> None:
    files = [tmp_path / f"{name}.png" for name in "abc"]
    for file in files:
        Image.fromarray(photo()).save(file)
    window = make_window(InpaintingEngine(), start=False)
    window.start(files=files)
    assert window.document.name == "a.png"
    assert [file.name for file in RecentFiles(paths.data / "recent.json").existing_paths()] == [
        "a.png",
        "b.png",
        "c.png",
    ]


def test_what_was_transparent_can_be_masked(make_window: MakeWindow, tmp_path: Path) -> None:
    Image.fromarray(np.dstack([photo(), 255 - disc_mask()]), "RGBA").save(tmp_path / "cut.png")
    Image.fromarray(photo()).save(tmp_path / "whole.png")
    window = make_window(InpaintingEngine())
    window.import_controller.open_picture(tmp_path / "whole.png")
    assert not window.import_controller.has_transparency
    window.import_controller.open_picture(tmp_path / "cut.png")
    assert window.import_controller.has_transparency
    window.import_controller.set_mask_from_transparency()
    assert np.array_equal(window.document.mask, disc_mask())


def test_a_mask_is_saved_alone_or_as_the_pictures_transparency(
    worked_on: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_file_dialog(monkeypatch, tmp_path / "mask.png", "Mask (*.png)")
    worked_on.import_controller.save_mask()
    with Image.open(tmp_path / "mask.png") as image:
        assert np.array_equal(np.asarray(image), disc_mask())
    answer_file_dialog(monkeypatch, tmp_path / "both.png", "Picture, transparent where the mask is (*.png)")
    worked_on.import_controller.save_mask()
    with Image.open(tmp_path / "both.png") as image:
        assert np.array_equal(np.asarray(image)[..., 3], 255 - disc_mask())


def test_an_export_holds_pixels_and_nothing_else(
    worked_on: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_file_dialog(monkeypatch, tmp_path / "for others.png")
    worked_on.canvas_area.go_to(0)
    worked_on.canvas_files.export()
    with Image.open(tmp_path / "for others.png") as image:
        assert np.array_equal(np.asarray(image), worked_on.session.results[0].picture.pixels)
    assert read_record(tmp_path / "for others.png") is None
    assert b"fox" not in (tmp_path / "for others.png").read_bytes()


def test_the_status_tells_what_the_next_run_draws(worked_on: MainWindow) -> None:
    assert "64 × 64, about" in find_child(worked_on.status_line, QLabel, "plan").text()
