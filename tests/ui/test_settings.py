"""Settings are restored at the next start; the dialog follows the declarations; a broken file blocks nothing."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
)
from pytestqt.qtbot import QtBot

from sdxl_desktop.core import state_file
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import MicroConditioning, Prompts
from sdxl_desktop.core.settings import Preferences, Settings, preference_info
from sdxl_desktop.session.settings_store import SettingsStore
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.settings_dialog import SettingsContext, SettingsDialog
from sdxl_desktop.ui.theme import DARK, LIGHT
from tests.ui.conftest import MakeWindow, make_checkpoint
from tests.ui.widget_lookup import find_child, find_named

pytestmark = pytest.mark.usefixtures("plain_style")


def test_everything_in_the_parameters_panel_is_back_at_the_next_start(make_window: MakeWindow) -> None:
    first = make_window()
    workspace = first.parameters_panel.value()
    assert workspace.sampling is not None
    changed = replace(
        workspace,
        prompts=Prompts(prompt="a", negative_prompt="b", prompt_2="c", negative_prompt_2="d"),
        sampling=replace(workspace.sampling, steps=11, guidance_rescale=0.4, count=2, seed=5),
        micro_conditioning=MicroConditioning(),
        micro_conditioning_on=True,
        checkpoint="wide",
        seed_locked=True,
        open_sections=("second encoder", "micro-conditioning"),
    )
    first.parameters_panel.set_value(changed)
    first.resize(780, 640)  # the offscreen display is 800 pixels wide
    find_child(first, QSplitter).setSizes([360, 420])
    left = find_child(first, QSplitter).sizes()[0]
    first.close()

    second = make_window()
    assert second.parameters_panel.value() == changed, "a checkpoint's recommendations do not overwrite what was set"
    assert second.height() == 640
    assert find_child(second, QSplitter).sizes()[0] == left


def test_what_is_typed_is_kept_even_if_the_window_is_killed(window: MainWindow, qtbot: QtBot, paths: AppPaths) -> None:
    window.parameters_panel.set_prompt("precious words")

    def kept() -> bool:
        return SettingsStore(paths.settings_file).load()[0].workspace.prompts.prompt == "precious words"

    qtbot.waitUntil(kept, timeout=4000)


def test_a_corrupt_file_is_set_aside_and_reported_and_the_window_works(
    make_window: MakeWindow, paths: AppPaths
) -> None:
    paths.settings_file.parent.mkdir(parents=True, exist_ok=True)
    paths.settings_file.write_text('{"preferences": {"threads": "many"')
    window = make_window()
    assert window.canvas_area.banner.isVisible()
    assert "settings could not be read" in window.canvas_area.banner.accessibleName()
    assert window.preferences.settings().preferences == Preferences()
    (aside,) = paths.settings_file.parent.glob("settings-unreadable-*.json")
    assert "many" in aside.read_text()
    window.controller.dismiss()
    assert not window.canvas_area.banner.isVisible()


def test_a_geometry_that_makes_no_sense_is_ignored(make_window: MakeWindow) -> None:
    workspace = replace(Settings().workspace, geometry="%%%", layout="AAAA")
    assert make_window(settings=Settings(workspace=workspace)).isVisible()


def test_every_preference_is_in_the_dialog_with_its_label_and_help(
    app: QApplication, qtbot: QtBot, paths: AppPaths
) -> None:
    dialog = SettingsDialog(Preferences(), SettingsContext((), paths))
    qtbot.addWidget(dialog)
    texts = [label.text() for label in dialog.findChildren(QLabel)]
    for field in fields(Preferences):
        info = preference_info(field.name)
        assert {info.label, info.help} <= set(texts), field.name
        assert texts.count(info.group) == 1, "each group has one heading"


def test_devices_are_listed_by_full_name_and_a_missing_one_says_so(
    app: QApplication, qtbot: QtBot, paths: AppPaths
) -> None:
    devices = (Device("CPU", "Maker's processor"), Device("NPU", "Maker's NPU"))
    dialog = SettingsDialog(Preferences(device="GPU"), SettingsContext(devices, paths))
    qtbot.addWidget(dialog)
    combo = next(box for box in dialog.findChildren(QComboBox) if box.accessibleName() == "Device")
    offered = [combo.itemText(row) for row in range(combo.count())]
    named = ["CPU · Maker's processor", "NPU · Maker's NPU", "GPU (not found on this machine)"]
    assert offered == ["Automatic (CPU)", *named]
    early = SettingsDialog(Preferences(device="GPU"), SettingsContext((), paths))
    qtbot.addWidget(early)
    combo = next(box for box in early.findChildren(QComboBox) if box.accessibleName() == "Device")
    assert combo.currentText() == "GPU (still looking for devices)"
    assert dialog.value().device == "GPU", "what was set stays set until the person changes it"


def test_an_empty_folder_shows_the_one_in_use(app: QApplication, qtbot: QtBot, paths: AppPaths) -> None:
    dialog = SettingsDialog(Preferences(), SettingsContext((), paths))
    qtbot.addWidget(dialog)
    edits = {edit.accessibleName(): edit for edit in dialog.findChildren(QLineEdit)}
    assert edits["Pictures folder"].placeholderText() == str(paths.pictures)
    assert edits["Checkpoints folder"].placeholderText() == str(paths.checkpoints)


@pytest.mark.styled
def test_a_theme_is_seen_at_once_and_cancel_takes_it_back(window: MainWindow, qtbot: QtBot) -> None:
    theme = window.theme
    window.preferences.set_value(Preferences(theme="light"))
    dialog = window.open_settings()
    combo = next(box for box in dialog.findChildren(QComboBox) if box.accessibleName() == "Theme")
    combo.setCurrentIndex(combo.findData("dark"))
    assert theme.colours is DARK
    dialog.reject()
    assert theme.colours is LIGHT
    assert window.preferences.settings().preferences.theme == "light"


def test_saved_preferences_count_and_are_kept(window: MainWindow, qtbot: QtBot, paths: AppPaths) -> None:
    dialog = window.open_settings()
    wanted = Preferences(threads=2, picture_format="webp", theme="dark", pictures_folder=str(paths.data / "mine"))
    dialog.set_value(wanted)
    save = find_child(dialog, QDialogButtonBox).button(QDialogButtonBox.StandardButton.Save)
    qtbot.mouseClick(save, Qt.MouseButton.LeftButton)
    assert SettingsStore(paths.settings_file).load()[0].preferences == wanted
    window.controller.generate()
    qtbot.waitUntil(lambda: bool(window.session.results) and window.session.run is None)
    result = window.session.results[0]
    assert result.request.execution.threads == 2
    assert result.saved_to is not None
    assert (result.saved_to.parent, result.saved_to.suffix) == (paths.data / "mine", ".webp")


def test_restore_defaults(app: QApplication, qtbot: QtBot, paths: AppPaths) -> None:
    dialog = SettingsDialog(Preferences(threads=7, theme="dark", preview=False), SettingsContext((), paths))
    qtbot.addWidget(dialog)
    button = next(found for found in dialog.findChildren(QPushButton) if "Defaults" in found.text())
    with qtbot.waitSignal(dialog.changed):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert dialog.value() == Preferences()
    assert dialog.result() != QDialog.DialogCode.Accepted


def test_another_checkpoints_folder_is_looked_into(window: MainWindow, tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "mine" / "dreams", title="Dreams")
    window.preferences.set_value(Preferences(checkpoints_folder=str(tmp_path / "mine")))
    choice = find_named(window.parameters_panel, QComboBox, "Checkpoint")
    titles = [choice.itemText(row) for row in range(choice.count())]
    assert "Dreams" in titles


def test_settings_that_cannot_be_saved_are_reported(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_file, "write_atomically", full)
    window.preferences.set_value(Preferences(threads=1))
    assert "could not be saved" in window.canvas_area.banner.accessibleName()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.styled
def test_the_theme_is_applied_at_the_start(make_window: MakeWindow, theme: str) -> None:
    window = make_window(settings=Settings(preferences=Preferences(theme=theme)))  # type: ignore[arg-type]
    assert window.theme.colours.mode == theme
    ground = window.grab().toImage().pixelColor(5, 60).lightness()
    assert (ground < 64) if theme == "dark" else (ground > 192)
