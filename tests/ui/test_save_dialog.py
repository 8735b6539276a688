"""Saving the canvas: the folder, the file name, and no overwriting without confirmation."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.metadata.picture_files import read_record
from sdxl_desktop.session.document.project_file import load_project
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.outgoing_pictures import OutgoingPictures
from sdxl_desktop.ui.save_dialog import JPEG, PICTURE_FORMATS, PNG, PROJECT_FORMAT, WEBP, FileFormat, complete_target
from tests.typed import arrays_equal
from tests.ui.conftest import MakeWindow, make_checkpoint, wait_until_idle
from tests.ui.inpainting_engine import InpaintingEngine, disc_mask, photo
from tests.ui.widget_lookup import menu_action, rgb

pytestmark = pytest.mark.usefixtures("plain_style")

Answer = QMessageBox.StandardButton


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = make_checkpoint(tmp_path / "shipped" / "starter", title="Starter")
    shutil.copytree(folder / "vae_decoder", folder / "vae_encoder")
    return tmp_path / "shipped"


@pytest.fixture
def opened(make_window: MakeWindow, tmp_path: Path) -> MainWindow:
    """A window with a photo from a file on its canvas."""
    window = make_window(InpaintingEngine(), settings=Settings(preferences=Preferences(watermark=False)))
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    window.import_controller.open_picture(tmp_path / "photo.png")
    return window


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Enter a path in every file dialog for saving, and answer the question that follows."""

    def say(path: Path | str, kind: str = "", answer: Answer = Answer.Cancel) -> list[str]:
        asked: list[str] = []

        def name(*_: object) -> tuple[str, str]:
            QTimer.singleShot(0, reply)
            return str(path), kind

        def reply() -> None:
            box = QApplication.activeModalWidget()
            if isinstance(box, QMessageBox):
                asked.append(box.text())
                box.button(answer).click()

        monkeypatch.setattr(QFileDialog, "getSaveFileName", name)
        return asked

    return say


# names


@pytest.mark.parametrize(
    ("typed_name", "chosen", "formats", "name", "meant"),
    [
        ("cat", PNG, PICTURE_FORMATS, "cat.png", PNG),
        ("cat", JPEG, PICTURE_FORMATS, "cat.jpg", JPEG),
        ("castle v1.1", PROJECT_FORMAT, (PROJECT_FORMAT,), "castle v1.1.sdxld", PROJECT_FORMAT),
        ("castle v1.1", WEBP, PICTURE_FORMATS, "castle v1.1.webp", WEBP),
        ("2026.11.30", PNG, PICTURE_FORMATS, "2026.11.30.png", PNG),
        ("mask.second", PNG, (PNG,), "mask.second.png", PNG),
        ("x.jpg", PNG, PICTURE_FORMATS, "x.jpg", JPEG),
        ("x.jpg", PNG, (PNG,), "x.jpg.png", PNG),
        ("X.JPEG", PNG, PICTURE_FORMATS, "X.JPEG", JPEG),
        ("x.Webp", PNG, PICTURE_FORMATS, "x.Webp", WEBP),
        ("A.SDXLD", PROJECT_FORMAT, (PROJECT_FORMAT,), "A.SDXLD", PROJECT_FORMAT),
        ("x.sdxld", PNG, (*PICTURE_FORMATS, PROJECT_FORMAT), "x.sdxld", PROJECT_FORMAT),
        ("x.tiff", PNG, PICTURE_FORMATS, "x.tiff.png", PNG),
        ("cat.", PNG, PICTURE_FORMATS, "cat.png", PNG),
        ("cat ", PNG, PICTURE_FORMATS, "cat.png", PNG),
        ("cat.png ", JPEG, PICTURE_FORMATS, "cat.png", PNG),
        ("cat.png..", JPEG, PICTURE_FORMATS, "cat.png", PNG),
        ("...", PNG, PICTURE_FORMATS, "unnamed.png", PNG),
        ("猫.о", PNG, PICTURE_FORMATS, "猫.о.png", PNG),
    ],
)
def test_a_typed_name_gets_the_ending_that_is_meant(
    typed_name: str, chosen: FileFormat, formats: tuple[FileFormat, ...], name: str, meant: FileFormat
) -> None:
    place = complete_target(Path("/folder") / typed_name, chosen, formats)
    assert (place.path, place.file_format) == (Path("/folder") / name, meant)


def test_of_two_formats_with_one_ending_the_chosen_one_is_meant() -> None:
    one, other = FileFormat("one", (".png",)), FileFormat("other", (".png",))
    assert complete_target(Path("/x.png"), other, (one, other)).file_format is other


# nothing is overwritten without confirmation

SAVERS: dict[str, tuple[str, Callable[[MainWindow], object]]] = {
    "save the result as": (".png", lambda window: window.controller.results.save_as()),
    "save the picture as": (".png", lambda window: window.canvas_files.save_as()),
    "save the picture": (".png", lambda window: window.canvas_files.save()),
    "export": (".png", lambda window: window.canvas_files.export()),
    "save the project": (".sdxld", lambda window: window.project_controller.save_project()),
    "save the mask": (".png", lambda window: window.import_controller.save_mask()),
}


NAMES_IN_EVERY_RUN = {"save the project": "castle v1.2", "save the mask": "mask.second"}


@pytest.mark.parametrize(
    ("what", "name"),
    [
        pytest.param(what, name, marks=[pytest.mark.slow] * (name != NAMES_IN_EVERY_RUN.get(what, "cat")))
        for what in SAVERS
        for name in ("cat", "castle v1.2", "mask.second")
    ],
)
def test_what_is_there_is_replaced_only_when_that_is_answered(
    opened: MainWindow, qtbot: QtBot, out: Path, typed: Callable[..., list[str]], what: str, name: str
) -> None:
    ending, act = SAVERS[what]
    if what == "save the result as":
        opened.controller.generate()
        wait_until_idle(qtbot, opened)
    there = out / f"{name}{ending}"
    there.write_bytes(b"older")
    asked = typed(out / name)
    act(opened)
    assert len(asked) == 1
    assert there.name in asked[0]
    assert [(path.name, path.read_bytes()) for path in out.iterdir()] == [(there.name, b"older")]
    asked = typed(out / name, answer=Answer.Yes)
    act(opened)
    assert len(asked) == 1
    assert there.read_bytes() != b"older"
    if what == "save the picture":
        return  # it has its own file now
    asked = typed(out / f"{name} b")
    act(opened)
    assert asked == []
    assert sorted(path.name for path in out.iterdir()) == sorted((there.name, f"{name} b{ending}"))


def test_two_results_under_one_name_are_not_taken_for_the_same(
    opened: MainWindow, qtbot: QtBot, out: Path, typed: Callable[..., list[str]]
) -> None:
    for _ in range(2):
        opened.controller.generate()
        wait_until_idle(qtbot, opened)
        typed(out / "cat", answer=Answer.Yes)
        opened.controller.results.save_as()
    first, second = opened.session.results
    assert second.saved_to == out / "cat.png"
    assert first.saved_to is None, "its file was replaced: it is not saved any more"


# the document


def test_save_writes_the_picture_where_requested_and_then_there_again(
    opened: MainWindow, out: Path, tmp_path: Path, typed: Callable[..., list[str]]
) -> None:
    original = (tmp_path / "photo.png").read_bytes()
    assert menu_action(opened, "save").isEnabled()
    typed(out / "mine")
    menu_action(opened, "save").trigger()
    assert np.array_equal(np.asarray(Image.open(out / "mine.png")), photo())
    changed = 255 - photo()
    opened.document.apply_result(changed)
    asked = typed(out / "never asked")
    menu_action(opened, "save").trigger()
    assert asked == []
    assert np.array_equal(np.asarray(Image.open(out / "mine.png")), changed)
    assert (tmp_path / "photo.png").read_bytes() == original, "an original is nobody's own file"


def test_a_project_is_saved_into_itself_with_all_that_belongs_to_it(
    opened: MainWindow, qtbot: QtBot, out: Path, typed: Callable[..., list[str]]
) -> None:
    typed(out / "fox.sdxld")
    opened.canvas_files.save()
    opened.document.set_mask(disc_mask())
    opened.controller.generate()
    wait_until_idle(qtbot, opened)
    opened.canvas_area.show_document()
    opened.canvas_files.save()
    project = load_project(out / "fox.sdxld")
    assert project.mask is not None
    assert np.array_equal(project.mask, disc_mask())
    assert len(project.candidates) == 1
    assert not opened.isWindowModified()


def test_another_picture_on_the_canvas_is_not_saved_over_the_project_of_before(
    opened: MainWindow, out: Path, tmp_path: Path, typed: Callable[..., list[str]]
) -> None:
    typed(out / "fox.sdxld")
    opened.canvas_files.save()
    before = (out / "fox.sdxld").read_bytes()
    Image.fromarray(255 - photo()).save(tmp_path / "other.png")
    opened.import_controller.open_picture(tmp_path / "other.png")
    typed("")
    opened.canvas_files.save()
    assert (out / "fox.sdxld").read_bytes() == before
    opened.import_controller.undo()
    assert opened.windowFilePath() == str(out / "fox.sdxld"), "with the picture its file is back"


def test_an_applied_result_keeps_the_record_of_how_it_was_made(
    opened: MainWindow, qtbot: QtBot, out: Path, typed: Callable[..., list[str]]
) -> None:
    opened.parameters_panel.set_prompt("a fox")
    opened.controller.generate()
    wait_until_idle(qtbot, opened)
    opened.import_controller.apply_shown_result()
    typed(out / "fox")
    opened.canvas_files.save()
    record = read_record(out / "fox.png")
    assert record is not None
    assert record.request.prompts.prompt == "a fox"
    typed(out / "plain")
    opened.canvas_files.export()
    assert read_record(out / "plain.png") is None


def test_the_canvas_is_copied_and_dragged_with_its_very_pixels(opened: MainWindow, app: QApplication) -> None:
    opened.import_controller.remove_picture()
    opened.document.set_picture(photo(), "a.b.jpg")
    opened.canvas_area.show_document()
    menu_action(opened, "copy").trigger()
    assert rgb(app.clipboard().image().pixelColor(5, 7)) == tuple(photo()[7, 5])
    outgoing = OutgoingPictures()
    (url,) = outgoing.mime_of_pixels(photo(), opened.document.name).urls()
    assert np.array_equal(np.asarray(Image.open(url.toLocalFile())), photo())
    outgoing.close()


def test_a_result_whose_file_is_another_picture_now_is_dragged_as_it_is(opened: MainWindow, qtbot: QtBot) -> None:
    opened.controller.generate()
    wait_until_idle(qtbot, opened)
    (result,) = opened.session.results
    assert result.saved_to is not None
    Image.fromarray(photo()).save(result.saved_to)
    model = opened.canvas_area.result_strip.model()
    (url,) = model.mimeData([model.index(0, 0)]).urls()
    assert np.array_equal(np.asarray(Image.open(url.toLocalFile())), result.picture.pixels)


# the title


def test_the_title_says_what_it_is_and_whether_it_is_saved(
    opened: MainWindow, out: Path, typed: Callable[..., list[str]]
) -> None:
    assert opened.windowTitle() == "photo.png[*] — SDXL Desktop"
    assert not opened.isWindowModified(), "it is in the file it came from"
    opened.document.set_mask(disc_mask())
    assert opened.isWindowModified()
    opened.import_controller.undo()
    assert not opened.isWindowModified(), "undo leads back to what is saved"
    opened.import_controller.redo()
    typed(out / "odd [*] name.sdxld")
    opened.canvas_files.save()
    assert not opened.isWindowModified()
    assert opened.windowTitle() == "odd [*][*] name.sdxld[*] — SDXL Desktop"
    assert opened.windowFilePath() == str(out / "odd [*] name.sdxld")
    opened.import_controller.remove_picture()
    assert opened.windowTitle() == "SDXL Desktop"


# before another project replaces it


@pytest.fixture
def other(make_window: MakeWindow, out: Path, typed: Callable[..., list[str]]) -> Path:
    """Another project."""
    window = make_window(InpaintingEngine())
    window.document.set_picture(255 - photo(), "other.png")
    typed(out / "other.sdxld")
    window.project_controller.save_project()
    window.close()
    return out / "other.sdxld"


def overwrite_answer(window: MainWindow, answer: Answer) -> str:
    box = window.project_controller.files.question
    assert box is not None, "nothing is asked"
    box.button(answer).click()
    return box.informativeText()


def test_nothing_is_asked_where_nothing_would_be_lost(opened: MainWindow, other: Path) -> None:
    opened.project_controller.open_project(other)
    assert opened.project_controller.files.question is None
    assert arrays_equal(opened.document.picture, 255 - photo())


def test_cancel_leaves_all_as_it_is(opened: MainWindow, other: Path) -> None:
    opened.document.set_mask(disc_mask())
    opened.project_controller.open_project(other)
    overwrite_answer(opened, Answer.Cancel)
    assert arrays_equal(opened.document.picture, photo())
    assert arrays_equal(opened.document.mask, disc_mask())


def test_what_is_not_saved_goes_only_when_that_is_answered(opened: MainWindow, other: Path) -> None:
    opened.document.set_mask(disc_mask())
    opened.project_controller.open_project(other)
    assert "mask" in overwrite_answer(opened, Answer.Discard)
    assert arrays_equal(opened.document.picture, 255 - photo())


def test_save_saves_all_of_it_and_then_continues(
    opened: MainWindow, other: Path, out: Path, typed: Callable[..., list[str]]
) -> None:
    opened.document.set_mask(disc_mask())
    typed(out / "mine")
    opened.project_controller.open_project(other)
    overwrite_answer(opened, Answer.Save)
    assert arrays_equal(opened.document.picture, 255 - photo())
    mine = load_project(out / "mine.sdxld")
    assert mine.mask is not None
    assert np.array_equal(mine.mask, disc_mask())


def test_a_save_that_is_called_off_replaces_nothing(
    opened: MainWindow, other: Path, typed: Callable[..., list[str]]
) -> None:
    opened.document.set_mask(disc_mask())
    typed("")
    opened.project_controller.open_project(other)
    overwrite_answer(opened, Answer.Save)
    assert arrays_equal(opened.document.picture, photo())


def test_pictures_that_are_only_in_the_strip_are_asked_about(
    make_window: MakeWindow, qtbot: QtBot, other: Path
) -> None:
    window = make_window(InpaintingEngine(), settings=Settings(preferences=Preferences(autosave=False)))
    window.controller.generate()
    wait_until_idle(qtbot, window)
    window.project_controller.open_project(other)
    assert "1 picture in the strip" in overwrite_answer(window, Answer.Cancel)
    assert len(window.session.results) == 1


def test_another_picture_is_one_step_to_undo_and_nothing_is_asked(opened: MainWindow, tmp_path: Path) -> None:
    opened.document.set_mask(disc_mask())
    Image.fromarray(255 - photo()).save(tmp_path / "other.png")
    opened.import_controller.open_picture(tmp_path / "other.png")
    assert opened.project_controller.files.question is None
    opened.import_controller.undo()
    assert arrays_equal(opened.document.picture, photo())
    assert arrays_equal(opened.document.mask, disc_mask())


# write errors


def test_a_picture_that_cannot_be_written_stays_is_marked_and_can_be_written_later(
    make_window: MakeWindow, qtbot: QtBot, paths: AppPaths, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    for place in (blocked, paths.pictures):  # the application's own folder would be used instead
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("in the way")
    window = make_window(settings=Settings(preferences=Preferences(pictures_folder=str(blocked))))
    for _ in range(2):
        window.controller.generate()
        wait_until_idle(qtbot, window)
    assert [result.saved_to for result in window.session.results] == [None, None]
    assert len(window.session.unsaved_results) == 2
    tip = window.canvas_area.result_strip.model().index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "Not saved" in tip
    assert "strip" in window.canvas_area.banner.accessibleName()
    blocked.unlink()
    (again,) = [one for one in window.canvas_area.banner.findChildren(QPushButton) if one.text() == "Try again"]
    assert again.isVisible()
    again.click()
    assert all(result.saved_to is not None and result.saved_to.is_file() for result in window.session.results)
    assert not window.canvas_area.banner.isVisible()


def test_an_unexpected_error_in_writing_loses_no_picture(
    make_window: MakeWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("no one thought of this")

    monkeypatch.setattr(Image.Image, "save", fail)
    window = make_window()
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert len(window.session.unsaved_results) == 1
    assert "no one thought of this" in window.canvas_area.banner.accessibleName()
    monkeypatch.undo()
    window.controller.results.save()
    (result,) = window.session.results
    assert result.saved_to is not None
    assert result.problem is None
