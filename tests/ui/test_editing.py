"""Editing a picture in the window: intents, applying or discarding candidates, and blending without a new run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QAbstractButton, QCheckBox, QComboBox, QSlider, QSpinBox, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.edit import EditParameters, PrefillMode
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import INTENT_PRESETS, Intent, MaskMetrics, parameters_for_intent
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.core.workspace_value import EditPanelState, WorkspaceValue
from sdxl_desktop.engine.fake_engine import gradient
from sdxl_desktop.metadata.picture_files import read_record
from sdxl_desktop.session.settings_store import SettingsStore
from sdxl_desktop.ui.expand_dialog import ExpandDialog
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.painting.tool_settings import ToolKind
from sdxl_desktop.ui.widgets.fields import FloatField
from tests.typed import arrays_equal
from tests.ui.conftest import MakeWindow, make_checkpoint, wait_until_idle
from tests.ui.inpainting_engine import SIDE, InpaintingEngine, disc_mask, finish_picture, photo
from tests.ui.widget_lookup import find_named, menu_action, rgb

pytestmark = pytest.mark.usefixtures("plain_style")


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """One checkpoint, with a VAE encoder."""
    folder = make_checkpoint(tmp_path / "shipped" / "starter", title="Starter")
    shutil.copytree(folder / "vae_decoder", folder / "vae_encoder")
    return tmp_path / "shipped"


@pytest.fixture
def engine() -> InpaintingEngine:
    return InpaintingEngine()


@pytest.fixture
def window(make_window: MakeWindow, engine: InpaintingEngine) -> MainWindow:
    """A window with a picture of 64 × 64 on the canvas, and no mask."""
    made = make_window(engine, settings=Settings(preferences=Preferences(watermark=False)))
    made.document.set_picture(photo(), "photo.png")
    made.canvas_area.show_document()
    return made


@pytest.fixture
def masked(window: MainWindow, qtbot: QtBot) -> MainWindow:
    window.document.set_mask(disc_mask())
    with qtbot.waitSignal(window.import_controller.edit_source_changed):
        pass
    return window


@pytest.fixture
def filled(masked: MainWindow, qtbot: QtBot) -> MainWindow:
    """A window with a candidate for the masked area on the canvas."""
    draw(masked, qtbot)
    return masked


def draw(window: MainWindow, qtbot: QtBot) -> None:
    window.controller.generate()
    wait_until_idle(qtbot, window)


def button(inside: QWidget, words: str) -> QAbstractButton:
    found = [each for each in inside.findChildren(QAbstractButton) if each.text() == words]
    assert len(found) == 1, f"{len(found)} buttons are called {words!r}"
    return found[0]


def click(qtbot: QtBot, inside: QWidget, words: str) -> None:
    """Click the middle of the button with this text; a switch reacts everywhere."""
    target = button(inside, words)
    qtbot.mouseClick(target, Qt.MouseButton.LeftButton)


def control(inside: QWidget, kind: type[Any], name: str) -> Any:
    (found,) = [each for each in inside.findChildren(kind) if each.accessibleName() == name]
    return found


def checked_intents(window: MainWindow) -> list[str]:
    """Return the intents that are shown as selected."""
    names = {intent.label for intent in Intent}
    return [
        each.text()
        for each in window.parameters_panel.findChildren(QToolButton)
        if each.text() in names and each.isChecked()
    ]


def picture_of(window: MainWindow) -> Any:
    pixels = window.document.picture
    assert pixels is not None
    return pixels.copy()


def edit_of(request: GenerationRequest) -> EditParameters:
    assert request.edit is not None
    return request.edit


# intents


@pytest.mark.parametrize(
    "intent",
    [
        pytest.param(each, id=str(each), marks=[pytest.mark.slow] * (each not in (Intent.FILL, Intent.REMOVE)))
        for each in Intent
        if each is not Intent.EXPAND
    ],
)
def test_an_intent_is_one_click_and_goes_into_the_request(
    masked: MainWindow, qtbot: QtBot, engine: InpaintingEngine, intent: Intent
) -> None:
    click(qtbot, masked.parameters_panel, intent.label)
    assert checked_intents(masked) == [intent.label]
    draw(masked, qtbot)
    edit = edit_of(engine.requests[-1])
    meant = parameters_for_intent(intent, MaskMetrics.from_mask(disc_mask()), Size(SIDE, SIDE))
    assert (edit.strength, edit.prefill, edit.grow) == (meant.strength, meant.prefill, meant.grow)
    assert (edit.mask_blur, edit.soft, edit.match_colour) == (meant.mask_blur, meant.soft, meant.match_colour)
    assert edit.keep_size, "what is filled comes back at the picture's own size"


def test_a_new_window_fills(masked: MainWindow) -> None:
    assert checked_intents(masked) == ["Fill"]


def test_without_a_mask_only_what_needs_none_is_offered(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.import_controller.edit_source_changed):
        pass
    offered = [intent for intent in Intent if button(window.parameters_panel, intent.label).isEnabled()]
    assert offered == [Intent.REFINE, Intent.EXPAND]
    assert checked_intents(window) == []
    click(qtbot, window.parameters_panel, "Refine")
    assert checked_intents(window) == ["Refine"]
    assert window.parameters_panel.value().edit.strength == INTENT_PRESETS[Intent.REFINE].strength


def test_sizes_follow_the_mask_until_a_value_is_changed_by_hand(masked: MainWindow, qtbot: QtBot) -> None:
    click(qtbot, masked.parameters_panel, "Replace")
    wide = masked.parameters_panel.value().edit
    masked.document.set_mask(disc_mask(radius=6))
    with qtbot.waitSignal(masked.import_controller.edit_source_changed):
        pass
    narrow = masked.parameters_panel.value().edit
    assert narrow.mask_blur < wide.mask_blur
    click(qtbot, masked.parameters_panel, "Details")
    grow = control(masked.parameters_panel, QSpinBox, "Growth of the mask in pixels")
    qtbot.keyClick(grow, Qt.Key.Key_Up)
    assert checked_intents(masked) == []
    by_hand = masked.parameters_panel.value().edit
    assert by_hand == replace(narrow, intent=None, grow=narrow.grow + 1)
    masked.document.set_mask(disc_mask(radius=16))
    with qtbot.waitSignal(masked.import_controller.edit_source_changed):
        pass
    assert masked.parameters_panel.value().edit == by_hand


def test_what_an_intent_does_not_decide_leaves_it_alone(masked: MainWindow, qtbot: QtBot) -> None:
    click(qtbot, masked.parameters_panel, "Add")
    click(qtbot, masked.parameters_panel, "Details")
    click(qtbot, masked.parameters_panel, "Paste back at the picture's own size")
    assert checked_intents(masked) == ["Add"]
    assert not masked.parameters_panel.value().edit.fill_keep_size


@pytest.mark.parametrize(
    ("words", "field"), [("Soft mask", "soft"), ("Match colours", "match_colour"), ("Draw only the masked area", "")]
)
def test_every_switch_of_the_details_reaches_the_request(
    masked: MainWindow, qtbot: QtBot, engine: InpaintingEngine, words: str, field: str
) -> None:
    click(qtbot, masked.parameters_panel, "Details")
    before = masked.parameters_panel.value().edit
    click(qtbot, masked.parameters_panel, words) if words != "Match colours" else control_switch(masked, words).click()
    draw(masked, qtbot)
    edit = edit_of(engine.requests[-1])
    if field:
        assert getattr(edit, field) is not getattr(before, field)
    else:
        assert edit.only_masked == before.margin


def control_switch(window: MainWindow, words: str) -> QCheckBox:
    """Return the panel's switch: the candidate bar has one of the same name."""
    (found,) = [each for each in window.parameters_panel.findChildren(QCheckBox) if each.text() == words]
    return found


def test_the_start_can_be_chosen(masked: MainWindow, qtbot: QtBot, engine: InpaintingEngine) -> None:
    click(qtbot, masked.parameters_panel, "Details")
    box = control(masked.parameters_panel, QComboBox, "Start from")
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Home)
    assert checked_intents(masked) == []
    draw(masked, qtbot)
    assert edit_of(engine.requests[-1]).prefill is PrefillMode.KEEP


def test_the_intent_is_there_again_at_the_next_start(masked: MainWindow, paths: AppPaths, qtbot: QtBot) -> None:
    click(qtbot, masked.parameters_panel, "Remove")
    masked.close()
    settings, problem = SettingsStore(paths.settings_file).load()
    assert problem is None
    assert settings.workspace.edit.intent is Intent.REMOVE


def test_values_of_ones_own_are_kept_without_an_intent(make_window: MakeWindow, qtbot: QtBot) -> None:
    value = EditPanelState(
        fill_strength=0.7, grow=9, soft=True, prefill=PrefillMode.BLUR, mask_blur=1.5, match_colour=True
    )
    window = make_window(InpaintingEngine(), settings=Settings(workspace=WorkspaceValue(edit=value)))
    window.document.set_picture(photo())
    window.document.set_mask(disc_mask())
    with qtbot.waitSignal(window.import_controller.edit_source_changed):
        pass
    assert window.parameters_panel.value().edit == value


def test_expand_asks_how_far_and_draws_what_is_new(window: MainWindow, qtbot: QtBot, engine: InpaintingEngine) -> None:
    click(qtbot, window.parameters_panel, "Expand")
    assert checked_intents(window) == [], "nothing is larger yet"
    (dialog,) = window.canvas_area.findChildren(ExpandDialog)
    control(dialog, QSpinBox, "Right").setValue(32)
    click(qtbot, dialog, "Expand")
    assert window.document.size == Size(96, 64)
    assert checked_intents(window) == ["Expand"]
    draw(window, qtbot)
    request = engine.requests[-1]
    drawn = request.sampling.size
    assert drawn.width / drawn.height == pytest.approx(1.5, rel=0.1), "nothing of what is new is cut off"
    assert edit_of(request).prefill is PrefillMode.SURROUNDINGS
    result = window.session.results[-1].picture.pixels
    assert result.shape == (64, 96, 3)
    assert np.array_equal(result[:, :64], photo()), "the old picture is as it was"


def test_dragging_the_pictures_edge_outwards_means_to_expand(window: MainWindow, qtbot: QtBot) -> None:
    window.canvas_area.paint_bar.select_tool(ToolKind.FRAME)
    canvas = window.canvas_area.canvas
    edge = canvas.viewport.picture_rect()
    start, end = (QPoint(round(edge.right()) + by, round(edge.center().y())) for by in (0, round(edge.width() / 4)))
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(canvas, end)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=end)
    size = window.document.size
    assert size is not None
    assert size.width > SIDE
    assert checked_intents(window) == ["Expand"]


# candidates


def test_a_candidate_overwrites_nothing_until_it_is_applied_and_that_can_be_undone(
    filled: MainWindow, qtbot: QtBot
) -> None:
    assert np.array_equal(picture_of(filled), photo())
    click(qtbot, filled.canvas_area.candidate_bar, "Apply")
    assert np.array_equal(picture_of(filled), filled.session.results[0].picture.pixels)
    assert not np.array_equal(picture_of(filled), photo())
    filled.import_controller.undo()
    assert np.array_equal(picture_of(filled), photo())


def test_applying_and_going_on_draws_on_what_was_applied_with_a_seed_of_its_own(
    filled: MainWindow, qtbot: QtBot, engine: InpaintingEngine
) -> None:
    first = filled.session.results[0]
    filled.parameters_panel.set_seed(first.request.sampling.seed)  # even if the seed is locked
    click(qtbot, filled.canvas_area.candidate_bar, "Apply and keep going")
    wait_until_idle(qtbot, filled)
    request = engine.requests[-1]
    assert np.array_equal(edit_of(request).picture.array, first.picture.pixels)
    assert edit_of(request).mask == edit_of(first.request).mask
    assert request.sampling.seed == first.request.sampling.seed + 1
    assert filled.parameters_panel.value().sampling == request.sampling, "the desk shows it"
    assert filled.canvas_area.current_row() == 1


def test_discarding_leaves_the_file_and_can_be_undone(filled: MainWindow, qtbot: QtBot) -> None:
    draw(filled, qtbot)
    first, second = filled.session.results
    filled.canvas_area.go_to(0)
    click(qtbot, filled.canvas_area.candidate_bar, "Discard")
    assert filled.session.results == [second]
    assert filled.canvas_area.shown_result is second
    assert first.saved_to is not None
    assert first.saved_to.exists()
    assert first.saved_to.name in filled.canvas_area.toast.accessibleName()
    click(qtbot, filled.canvas_area.toast, "Undo")
    assert filled.session.results == [first, second]
    assert filled.canvas_area.shown_result is first


def test_discarding_goes_to_another_candidate_and_then_to_the_picture(filled: MainWindow, qtbot: QtBot) -> None:
    draw(filled, qtbot)
    click(qtbot, filled.canvas_area.candidate_bar, "Discard")
    assert filled.canvas_area.current_row() == 0
    click(qtbot, filled.canvas_area.candidate_bar, "Discard")
    assert filled.session.results == []
    assert filled.canvas_area.canvas_editor.is_attached


def test_discarding_never_leads_to_a_result_that_has_nothing_to_do_with_the_picture(
    filled: MainWindow, qtbot: QtBot
) -> None:
    filled.document.set_picture(255 - photo(), "another.png")
    draw(filled, qtbot)
    earlier, candidate = filled.session.results
    tips = [filled.canvas_area.result_strip.model().index(row, 0).data(Qt.ItemDataRole.ToolTipRole) for row in (0, 1)]
    assert "Earlier result" in tips[0]
    assert "Candidate" in tips[1]
    click(qtbot, filled.canvas_area.candidate_bar, "Discard")
    assert filled.session.results == [earlier]
    assert filled.canvas_area.shown_result is None
    assert filled.canvas_area.canvas_editor.is_attached
    menu_action(filled, "undo").trigger()
    assert filled.session.results == [earlier, candidate]
    assert filled.canvas_area.shown_result is candidate


def test_undo_takes_back_what_was_done_last_be_it_paint_or_a_discarded_result(filled: MainWindow, qtbot: QtBot) -> None:
    mask = disc_mask()
    click(qtbot, filled.canvas_area.candidate_bar, "Discard")
    filled.document.invert()
    undo = menu_action(filled, "undo")
    undo.trigger()
    assert arrays_equal(filled.document.mask, mask)
    assert filled.session.results == []
    undo.trigger()
    assert len(filled.session.results) == 1


@pytest.mark.parametrize("place", ["canvas", "result_strip"])
def test_the_keyboard_is_enough(filled: MainWindow, qtbot: QtBot, place: str) -> None:
    draw(filled, qtbot)
    draw(filled, qtbot)
    stage = filled.canvas_area
    keys = getattr(stage, place)
    keys.setFocus()
    assert stage.current_row() == 2
    qtbot.keyClick(keys, Qt.Key.Key_Left)
    qtbot.keyClick(keys, Qt.Key.Key_Left)
    assert stage.current_row() == 0
    qtbot.keyClick(keys, Qt.Key.Key_Right)
    assert stage.current_row() == 1
    kept = [filled.session.results[0], filled.session.results[2]]
    qtbot.keyClick(keys, Qt.Key.Key_Delete)
    assert filled.session.results == kept
    assert stage.current_row() == 1
    qtbot.keyClick(keys, Qt.Key.Key_Escape)
    assert stage.canvas_editor.is_attached
    assert np.array_equal(picture_of(filled), photo())
    stage.go_to(1)
    qtbot.keyClick(keys, Qt.Key.Key_Return)
    assert np.array_equal(picture_of(filled), kept[1].picture.pixels)
    assert stage.canvas_editor.is_attached


def test_keys_typed_into_a_field_are_no_verdict(filled: MainWindow, qtbot: QtBot) -> None:
    field = find_named(filled.canvas_area.candidate_bar, FloatField, "Feather in pixels")
    field.setFocus()
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.keyClick(field, Qt.Key.Key_Delete)
    assert len(filled.session.results) == 1
    assert np.array_equal(picture_of(filled), photo())


# blending


def feather(window: MainWindow, qtbot: QtBot, steps: int) -> None:
    """Move the slider by the keyboard, half a pixel per step."""
    slider = control(window.canvas_area.candidate_bar, QSlider, "Feather in pixels slider")
    slider.setFocus()
    before = window.session.results[0].picture
    for _ in range(abs(steps)):
        qtbot.keyClick(slider, Qt.Key.Key_Right if steps > 0 else Qt.Key.Key_Left)
    assert not np.array_equal(window.session.results[0].picture.pixels, before.pixels)


def test_another_feather_gives_what_a_run_with_it_would_have_given(filled: MainWindow, qtbot: QtBot) -> None:
    before = filled.session.results[0]
    feather(filled, qtbot, 6)
    after = filled.session.results[0]
    edit = edit_of(after.request)
    assert edit.mask_blur == edit_of(before.request).mask_blur + 3
    drawn = before.picture.generated_pixels
    assert drawn is not None
    again = finish_picture(after.request, replace(before.picture, pixels=drawn))
    assert np.array_equal(after.picture.pixels, again.pixels)
    changed = (after.picture.pixels != before.picture.pixels).any(axis=2)
    assert changed.any()
    assert not changed[disc_mask() == 0].any(), "outside the mask nothing ever changes"


@pytest.mark.styled
def test_colours_are_matched_or_not_without_drawing(filled: MainWindow, qtbot: QtBot, engine: InpaintingEngine) -> None:
    before, runs = filled.session.results[0], len(engine.requests)
    switch = button(filled.canvas_area.candidate_bar, "Match colours")
    qtbot.mouseClick(switch, Qt.MouseButton.LeftButton, pos=QPoint(10, switch.height() // 2))
    after = filled.session.results[0]
    assert edit_of(after.request).match_colour is not edit_of(before.request).match_colour
    assert before.picture.generated_pixels is not None
    again = finish_picture(after.request, replace(before.picture, pixels=before.picture.generated_pixels))
    assert np.array_equal(after.picture.pixels, again.pixels)
    assert len(engine.requests) == runs


def test_the_new_blend_is_on_the_canvas_and_in_the_strip_at_once(filled: MainWindow, qtbot: QtBot) -> None:
    feather(filled, qtbot, 6)
    pixels = filled.session.results[0].picture.pixels
    shown = filled.canvas_area.canvas.image()
    assert shown is not None
    row = [rgb(shown.pixelColor(x, 34)) for x in range(SIDE)]
    assert row == [tuple(pixel) for pixel in pixels[34].tolist()]
    assert filled.canvas_area.result_strip.model().rowCount() == 1
    assert filled.canvas_area.current_row() == 0


def test_the_file_follows_the_blend_and_its_record_says_so(filled: MainWindow, qtbot: QtBot) -> None:
    feather(filled, qtbot, 4)
    result = filled.session.results[0]
    assert result.saved_to is not None
    with Image.open(result.saved_to) as file:
        assert np.array_equal(np.asarray(file.convert("RGB")), result.picture.pixels)
    record = read_record(result.saved_to)
    assert record is not None
    assert edit_of(record.request) == edit_of(result.request.for_metadata())
    assert edit_of(record.request).prefill is PrefillMode.SURROUNDINGS
    assert len(list(result.saved_to.parent.iterdir())) == 1, "in its place, not beside it"


def test_the_way_back_is_the_blend_it_was_drawn_with(filled: MainWindow, qtbot: QtBot) -> None:
    before = filled.session.results[0]
    reset = control(filled.canvas_area.candidate_bar, QAbstractButton, "Blend as it was drawn")
    assert not reset.isEnabled()
    feather(filled, qtbot, 5)
    assert reset.isEnabled()
    qtbot.mouseClick(reset, Qt.MouseButton.LeftButton)
    after = filled.session.results[0]
    assert np.array_equal(after.picture.pixels, before.picture.pixels)
    assert edit_of(after.request) == edit_of(before.request)
    assert not reset.isEnabled()


@pytest.mark.styled
def test_while_the_slider_is_dragged_the_picture_follows_and_the_file_waits(filled: MainWindow, qtbot: QtBot) -> None:
    slider = control(filled.canvas_area.candidate_bar, QSlider, "Feather in pixels slider")
    before = filled.session.results[0]
    assert before.saved_to is not None
    written = before.saved_to.read_bytes()
    middle, x = slider.height() // 2, 6 + round((slider.width() - 12) * slider.value() / slider.maximum())
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(x, middle))
    seen = []
    for further in (6, 14):
        qtbot.mouseMove(slider, QPoint(x + further, middle))
        seen.append(filled.session.results[0].picture.pixels)
    assert not np.array_equal(seen[0], seen[1])
    assert before.saved_to.read_bytes() == written
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(x + 14, middle))
    with Image.open(before.saved_to) as file:
        assert np.array_equal(np.asarray(file.convert("RGB")), seen[1])


def test_what_is_applied_is_the_blend_that_is_seen(filled: MainWindow, qtbot: QtBot) -> None:
    feather(filled, qtbot, 6)
    click(qtbot, filled.canvas_area.candidate_bar, "Apply")
    assert np.array_equal(picture_of(filled), filled.session.results[0].picture.pixels)


def test_there_is_nothing_to_blend_where_nothing_was_filled(window: MainWindow, qtbot: QtBot) -> None:
    draw(window, qtbot)
    bar = window.canvas_area.candidate_bar
    assert bar.isVisible()
    assert not control(bar, QSlider, "Feather in pixels slider").isVisible()
    window.import_controller.remove_picture()
    window.canvas_area.go_to(0)
    assert not bar.isVisible(), "no picture to take a candidate over, and nothing to blend"


def test_a_new_gradient_is_no_gradient_of_before() -> None:
    """These tests would prove nothing if the engine did not draw something else for each seed."""
    assert not np.array_equal(gradient(Size(8, 8), 1), gradient(Size(8, 8), 2))
