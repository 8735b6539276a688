"""Results: the strip, zoom and pan, saving, copying, dragging out, and reusing a picture's settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, QSizeF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.metadata.picture_files import read_record
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.panels.sampling_panel import SamplingPanel
from sdxl_desktop.ui.viewport import MAX_ZOOM, Viewport
from tests.ui.conftest import GatedEngine, MakeWindow, wait_until_idle
from tests.ui.widget_lookup import find_child, rgb

pytestmark = pytest.mark.usefixtures("plain_style")


@pytest.fixture
def three(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """A window with three results."""
    workspace = window.parameters_panel.value()
    assert workspace.sampling is not None
    window.parameters_panel.set_value(replace(workspace, sampling=replace(workspace.sampling, count=3)))
    window.controller.generate()
    wait_until_idle(qtbot, window)
    return window


def test_the_arrow_keys_walk_through_the_strip(three: MainWindow, qtbot: QtBot) -> None:
    strip = three.canvas_area.result_strip
    assert three.canvas_area.current_row() == 2
    qtbot.keyClick(strip, Qt.Key.Key_Left)
    assert three.canvas_area.current_row() == 1
    shown = three.canvas_area.canvas.image()
    assert shown is not None
    expected = three.session.results[1].picture.pixels[5, 60]
    assert rgb(shown.pixelColor(60, 5)) == tuple(expected)


def test_going_to_an_earlier_picture_is_not_undone_by_the_run(make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = GatedEngine(seconds_per_step=0.02)
    engine.gate.set()
    window = make_window(engine)
    window.controller.generate()
    wait_until_idle(qtbot, window)
    window.controller.generate()
    qtbot.waitUntil(lambda: window.session.run is not None and window.session.run.preview is not None)
    window.canvas_area.go_to(0)
    wait_until_idle(qtbot, window)
    assert window.canvas_area.current_row() == 0
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert window.canvas_area.current_row() == 2, "a new Generate is followed again"


def test_save_as_writes_the_chosen_format(drawn: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind, suffix in (("a", "JPEG (*.jpg *.jpeg)", ".jpg"), ("b.webp", "PNG (*.png)", ".webp")):
        chosen = (str(tmp_path / name), kind)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, chosen=chosen: chosen)
        drawn.controller.results.save_as()
        written = (tmp_path / name).with_suffix(suffix)
        with Image.open(written) as picture:
            assert picture.size == (64, 64)
        record = read_record(written)
        assert record is not None
        assert record.seed == drawn.session.results[0].picture.seed


def test_a_picture_that_cannot_be_saved_stays_and_the_reason_is_reported(
    make_window: MakeWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    preferences = Preferences(pictures_folder=str(blocked / "pictures"), autosave=False)
    window = make_window(settings=Settings(preferences=preferences))
    window.controller.generate()
    wait_until_idle(qtbot, window)
    window.controller.results.save()
    assert window.canvas_area.banner.isVisible()
    assert str(blocked) in window.canvas_area.banner.accessibleName()
    assert window.canvas_area.current_row() == 0


def test_copy_puts_the_picture_on_the_clipboard(drawn: MainWindow, app: QApplication) -> None:
    app.clipboard().clear()
    drawn.controller.results.copy()
    image = app.clipboard().image()
    assert (image.width(), image.height()) == (64, 64)


def drag_data(window: MainWindow, row: int) -> QMimeData:
    model = window.canvas_area.result_strip.model()
    return model.mimeData([model.index(row, 0)])


def test_a_saved_picture_is_dragged_out_as_its_file_and_as_an_image(drawn: MainWindow) -> None:
    data = drag_data(drawn, 0)
    assert [Path(url.toLocalFile()) for url in data.urls()] == [drawn.session.results[0].saved_to]
    image = data.imageData()
    assert isinstance(image, QImage)
    assert image.width() == 64


def test_an_unsaved_picture_is_dragged_out_as_a_file_that_is_gone_after_closing(
    make_window: MakeWindow, qtbot: QtBot
) -> None:
    window = make_window(settings=Settings(preferences=Preferences(autosave=False)))
    for _ in range(2):  # the same prompt twice: two files
        window.controller.generate()
        wait_until_idle(qtbot, window)
    files = [Path(drag_data(window, row).urls()[0].toLocalFile()) for row in (0, 1, 0)]
    assert files[0] == files[2] != files[1]
    with Image.open(files[0]) as picture:
        assert picture.format == "PNG"
    window.close()
    assert not files[0].parent.exists()


def test_use_these_settings_brings_back_all_that_made_the_picture(drawn: MainWindow) -> None:
    made_by = drawn.session.results[0].request
    drawn.parameters_panel.set_prompt("something else")
    find_child(drawn.parameters_panel, SamplingPanel).set_value(replace(made_by.sampling, steps=99, seed=7))
    menu = drawn.controller.menu.build_for_row(0)
    next(action for action in menu.actions() if action.text() == "Use these settings").trigger()
    now = drawn.parameters_panel.value()
    assert (now.prompts, now.sampling, now.seed_locked) == (made_by.prompts, made_by.sampling, True)
    menu.deleteLater()


def test_use_this_seed_takes_only_the_seed(drawn: MainWindow) -> None:
    drawn.parameters_panel.set_prompt("something else")
    drawn.parameters_panel.set_seed(0)
    drawn.controller.results.apply_seed()
    now = drawn.parameters_panel.value()
    assert now.sampling is not None
    assert now.sampling.seed == drawn.session.results[0].picture.seed
    assert now.prompts.prompt == "something else"
    assert now.seed_locked


def test_opening_a_saved_picture_offers_its_settings(drawn: MainWindow, tmp_path: Path) -> None:
    result = drawn.session.results[0]
    assert result.saved_to is not None
    drawn.parameters_panel.set_prompt("something else")
    drawn.import_controller.open_picture(result.saved_to)
    assert drawn.document.has_picture
    assert drawn.parameters_panel.value().prompts.prompt == "something else"
    drawn.canvas_area.toast.action_triggered.emit()
    assert drawn.parameters_panel.value().prompts == result.request.prompts


def test_opening_what_is_no_picture_says_so_and_leaves_all_as_it_is(drawn: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "plain.png").write_text("not a picture")
    drawn.import_controller.open_picture(tmp_path / "plain.png")
    assert "plain.png" in drawn.canvas_area.banner.accessibleName()
    assert not drawn.document.has_picture


# zoom and pan


def make_viewport(picture: tuple[float, float] = (1000.0, 500.0)) -> Viewport:
    return Viewport(QSizeF(532, 432), QSizeF(*picture)).fit()


def test_fit_shows_the_whole_picture_centred() -> None:
    target = make_viewport().picture_rect()
    assert (target.width(), target.height()) == pytest.approx((500, 250))
    assert (target.center().x(), target.center().y()) == pytest.approx((266, 216))


def test_zooming_keeps_the_pixel_under_the_cursor() -> None:
    cursor = QPointF(400, 150)
    before = make_viewport().to_picture_point(cursor)
    zoomed = make_viewport().zoomed(3.0, cursor)
    after = zoomed.to_picture_point(cursor)
    assert zoomed.scale == 3.0
    assert (after.x(), after.y()) == pytest.approx((before.x(), before.y()))


def test_zoom_has_limits_and_the_picture_cannot_be_lost() -> None:
    assert make_viewport().zoomed(1e9, QPointF(0, 0)).scale == MAX_ZOOM
    assert make_viewport().zoomed(1e-9, QPointF(0, 0)).scale > 0
    far = make_viewport().zoomed(2.0, QPointF(266, 216)).panned(QPointF(1e6, 1e6))
    assert far.centre == QPointF(0, 0), "the picture's corner is still in the middle of the view"


def test_a_fitted_picture_stays_fitted_when_the_window_grows() -> None:
    assert make_viewport().resized(QSizeF(1032, 1032)).scale == pytest.approx(1.0)
    assert make_viewport().zoomed(0.7, QPointF(0, 0)).resized(QSizeF(1032, 1032)).scale == pytest.approx(0.7)


def test_the_wheel_zooms_the_canvas_and_double_click_fits_again(drawn: MainWindow, qtbot: QtBot) -> None:
    canvas = drawn.canvas_area.canvas
    fitted = canvas.zoom
    canvas.show_actual_size()
    assert canvas.zoom == pytest.approx(1.0)
    canvas.zoom_in()
    assert canvas.zoom == pytest.approx(1.25)
    qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton)
    assert canvas.is_fitted
    assert canvas.zoom == pytest.approx(fitted)


def test_space_drag_pans_and_does_not_drag_the_picture_out(drawn: MainWindow, qtbot: QtBot) -> None:
    canvas = drawn.canvas_area.canvas
    canvas.zoom_to(8.0)
    before = canvas.viewport.centre
    with qtbot.assertNotEmitted(canvas.drag_requested):
        qtbot.keyPress(canvas, Qt.Key.Key_Space)
        start = canvas.rect().center()
        qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
        qtbot.mouseMove(canvas, start + start / 4)
        qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=start + start / 4)
        qtbot.keyRelease(canvas, Qt.Key.Key_Space)
    assert canvas.viewport.centre.x() < before.x()
    assert canvas.viewport.centre.y() < before.y()
