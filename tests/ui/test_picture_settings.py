"""The settings of the picture on the canvas are at hand in toast, menu and bar, whoever made it, whole or in parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.session.settings_parts import SettingsPart
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.metadata.use_settings_dialog import UseSettingsDialog
from tests.ui.painting.test_picture_drops import drag_and_drop, files
from tests.ui.widget_lookup import menu_action
from tests.unit.metadata.foreign_samples import SAMPLES


def drop(window: MainWindow, name: str, folder: Path) -> None:
    file = folder / f"{name}{SAMPLES[name].suffix}"
    SAMPLES[name].write(file)
    drag_and_drop(window.canvas_area.canvas, files(file))
    window.import_controller.edit_source_changed.emit()


def open_dialog(window: MainWindow) -> UseSettingsDialog:
    menu_action(window, "choose settings").trigger()
    dialog = window.findChildren(UseSettingsDialog)[-1]
    assert isinstance(dialog, UseSettingsDialog)
    return dialog


def test_a_picture_of_another_program_offers_its_settings(drawn: MainWindow, tmp_path: Path) -> None:
    drop(drawn, "draw-things", tmp_path)
    drawn.canvas_area.toast.dismiss()
    menu_action(drawn, "use picture settings").trigger()
    value = drawn.parameters_panel.value()
    assert (value.prompts.prompt, value.prompts.negative_prompt) == ("a lighthouse", "blurry")
    assert value.sampling is not None
    assert (value.sampling.seed, value.sampling.steps) == (424242, 24)


def test_parts_are_chosen_in_the_dialog(drawn: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    drop(drawn, "invokeai", tmp_path)
    before = drawn.parameters_panel.value()
    dialog = open_dialog(drawn)
    assert set(dialog.boxes) >= {SettingsPart.PROMPT, SettingsPart.SIZE, SettingsPart.ADDITIONS}
    dialog.none_button.click()
    assert not dialog.use_button.isEnabled()
    dialog.boxes[SettingsPart.PROMPT].click()
    assert dialog.parts() == (SettingsPart.PROMPT,)
    dialog.use_button.click()
    after = drawn.parameters_panel.value()
    assert after.prompts.prompt == "(a robot:1.3) (reading:1.21)"
    assert after.sampling == before.sampling
    assert after.checkpoint == before.checkpoint


def test_the_bar_has_a_button_where_a_picture_says_how_it_was_made(drawn: MainWindow, tmp_path: Path) -> None:
    (button,) = (one for one in drawn.findChildren(QToolButton) if one.accessibleName() == "Settings of this picture")
    assert button.isVisible(), "a result is shown"
    drop(drawn, "novelai", tmp_path)
    assert button.isVisible()
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    drag_and_drop(drawn.canvas_area.canvas, files(tmp_path / "plain.png"))
    drawn.import_controller.edit_source_changed.emit()
    assert not button.isVisible()
    assert not menu_action(drawn, "choose settings").isEnabled()


@pytest.mark.parametrize("name", ["comfyui-image"])
def test_what_is_made_from_a_foreign_picture_notes_where_it_came_from(
    drawn: MainWindow, tmp_path: Path, name: str
) -> None:
    drop(drawn, name, tmp_path)
    origin = drawn.import_controller.edit_source().origin
    assert origin.startswith("ComfyUI; seed 5; base; a wolf")
