"""Messages disappear with their cause, and what was added or drawn is shown as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.errors import RequestError, SettingsError
from sdxl_desktop.ui.canvas_bar import describe_result
from sdxl_desktop.ui.main_window import MainWindow


def test_a_banner_goes_when_what_it_is_about_works(window: MainWindow) -> None:
    works = [False]
    window.controller.show_error(RequestError("That cannot be drawn."), is_resolved=lambda: works[0])
    window.parameters_panel.set_prompt("something")
    assert window.canvas_area.banner.isVisible()
    works[0] = True
    window.parameters_panel.set_prompt("something else")
    assert not window.canvas_area.banner.isVisible()
    window.controller.show_error(SettingsError("They could not be saved."))
    window.controller.errors.clear_kind(RequestError)
    assert window.canvas_area.banner.isVisible()
    window.controller.errors.clear_kind(SettingsError)
    assert not window.canvas_area.banner.isVisible()


def test_a_result_is_labelled_with_the_size_that_it_has(drawn: MainWindow) -> None:
    result = drawn.session.results[-1]
    pasted_back = replace(result, picture=replace(result.picture, pixels=np.zeros((50, 90, 3), np.uint8)))
    assert describe_result(pasted_back).startswith("90 × 50")


def test_open_starts_in_the_folder_of_the_file_before(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    assert window.import_controller.last_folder() == ""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    window.import_controller.open_picture(tmp_path / "a.png")
    assert window.import_controller.last_folder() == str(tmp_path)
