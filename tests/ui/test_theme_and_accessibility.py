"""Readable themes, icons in every size, presets of the trained shapes, and controls reachable by keyboard."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QColor, QImage, QPalette
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QMenu, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.library.scan import read_checkpoint
from sdxl_desktop.ui import icons, stylesheet
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.panels.generate_bar import GenerateBar
from sdxl_desktop.ui.size_presets import size_presets_for
from sdxl_desktop.ui.theme import DARK, LIGHT, ThemeColours, build_palette, build_stylesheet
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.layout_helpers import Disclosure
from tests.ui.conftest import make_checkpoint
from tests.ui.widget_lookup import find_child, find_named, repeated_mnemonics

AA_TEXT, AA_CONTROL = 4.5, 3.0


def contrast(one: str, other: str) -> float:
    """Return the WCAG 2.2 contrast ratio of two "#rrggbb" colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_the_contrast_formula_knows_black_and_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("colours", [DARK, LIGHT], ids=lambda colours: colours.mode)
def test_all_text_has_aa_contrast_on_its_ground(colours: ThemeColours) -> None:
    pairs = [
        (text, ground)
        for text in (colours.text, colours.muted)
        for ground in (colours.window, colours.sunken, colours.field, colours.raised)
    ]
    pairs += [
        (colours.on_accent, colours.accent),
        (colours.on_accent, colours.accent_hover),
        (colours.on_danger, colours.danger),
        (colours.on_danger, colours.danger_hover),
        (colours.accent_text, colours.window),
        (colours.accent_text, colours.note_background),
        (colours.accent_text, colours.danger_background),
        (colours.danger_text, colours.window),
        (colours.danger_text, colours.danger_background),
        (colours.text, colours.danger_background),
        (colours.text, colours.note_background),
        (colours.text, colours.hover),
    ]
    poor = [
        (text, ground, round(contrast(text, ground), 2)) for text, ground in pairs if contrast(text, ground) < AA_TEXT
    ]
    assert not poor


@pytest.mark.parametrize("colours", [DARK, LIGHT], ids=lambda colours: colours.mode)
def test_the_focus_can_be_seen(colours: ThemeColours) -> None:
    assert contrast(colours.accent, colours.window) >= AA_CONTROL
    assert contrast(colours.accent, colours.field) >= AA_CONTROL


@pytest.mark.parametrize("colours", [DARK, LIGHT], ids=lambda colours: colours.mode)
def test_the_style_sheet_names_only_colours_and_icons_there_are(colours: ThemeColours) -> None:
    sheet = build_stylesheet(colours)
    assert "@" not in sheet
    for name in re.findall(r'url\("icons:([^"]+)"\)', sheet):
        assert (resources_folder() / "icons" / name).is_file(), name
    used = set(re.findall(r"@(\w+)", stylesheet.STYLESHEET_TEMPLATE))
    assert used <= {field.name for field in fields(ThemeColours)}


def test_the_window_is_repainted_when_the_theme_changes(window: MainWindow) -> None:
    theme = window.theme
    theme.apply_theme("light")
    light = window.grab().toImage().pixelColor(5, 60)
    theme.apply_theme("dark")
    dark = window.grab().toImage().pixelColor(5, 60)
    assert light.lightness() > 200 > 60 > dark.lightness()


def test_icon_buttons_follow_the_theme(window: MainWindow, app: QApplication) -> None:
    swap = next(found for found in window.findChildren(QToolButton) if "Swap" in found.accessibleName())
    lightness = {}
    for theme in ("light", "dark"):
        window.theme.apply_theme(theme)
        app.processEvents()
        drawn = swap.icon().pixmap(24, 24).toImage()
        opaque = [
            QColor(drawn.pixelColor(x, y)).lightness()
            for x in range(drawn.width())
            for y in range(drawn.height())
            if drawn.pixelColor(x, y).alpha() > 200
        ]
        lightness[theme] = sum(opaque) / len(opaque)
    assert lightness["light"] < 80 < 180 < lightness["dark"]


def test_the_application_icon_ships_in_every_size(app: QApplication) -> None:
    assert not app.windowIcon().isNull()
    for side in icons.APP_SIDES:
        image = QImage(str(resources_folder() / "icons" / f"sdxl-desktop-{side}.png"))
        assert (image.width(), image.height()) == (side, side)
        assert image.pixelColor(0, 0).alpha() < 128 < image.pixelColor(side // 2, side // 2).alpha()
    assert (resources_folder() / "icons" / "sdxl-desktop.ico").stat().st_size > 1000


def test_every_palette_role_is_ours(app: QApplication) -> None:
    made = build_palette(DARK)
    assert made.color(QPalette.ColorRole.Window).name() == DARK.window
    assert made.color(QPalette.ColorRole.Accent).name() == DARK.accent


def test_the_presets_of_a_full_size_checkpoint_are_the_trained_sizes(tmp_path: Path) -> None:
    shapes = size_presets_for(read_checkpoint(make_checkpoint(tmp_path / "full", title="Full", side=1024)))
    landscapes = [Size(1024, 1024), Size(1152, 896), Size(1216, 832), Size(1344, 768), Size(1536, 640)]
    assert [shape.size for shape in shapes] == landscapes + [size.swapped() for size in landscapes[1:]]


def test_the_presets_of_a_small_checkpoint_keep_its_area_and_multiple(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(make_checkpoint(tmp_path / "small", title="Small", side=256))
    shapes = size_presets_for(checkpoint)
    assert shapes[0].size == Size(256, 256)
    assert len({shape.size for shape in shapes}) == len(shapes)
    for shape in shapes:
        assert shape.size == shape.size.rounded_to_multiple(checkpoint.size_multiple)
        assert 0.85 < shape.size.pixel_count / 256**2 < 1.15


# every control is reachable by keyboard


def controls(window: MainWindow) -> list[QWidget]:
    """Return the controls that Tab can reach with everything open and enabled."""
    find_named(window.parameters_panel, Switch, "Micro-conditioning").setChecked(True)
    for section in window.findChildren(Disclosure):
        section.set_open(True)
    return [
        widget
        for widget in window.findChildren(QWidget)
        if widget.isVisibleTo(window)
        and widget.isEnabled()
        and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.focusProxy() is None
        and not isinstance(widget, QMenu)
    ]


def test_every_control_has_a_name_for_screen_readers(window: MainWindow) -> None:
    labelled = {id(label.buddy()) for label in window.findChildren(QLabel) if label.buddy()}
    nameless = [
        widget
        for widget in controls(window)
        if not widget.accessibleName()
        and not (isinstance(widget, QAbstractButton) and widget.text())
        and id(widget) not in labelled
        and not widget.objectName().startswith("qt_")
    ]
    assert len(controls(window)) > 30
    assert not nameless


def test_every_control_of_the_parameters_panel_explains_itself(window: MainWindow) -> None:
    silent = [
        widget.accessibleName() or widget
        for widget in window.parameters_panel.findChildren(QWidget)
        if widget.accessibleName() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus and not _explained(widget)
    ]
    assert not silent


def _explained(widget: QWidget | None) -> bool:
    while widget is not None:
        if widget.toolTip():
            return True
        widget = widget.parentWidget()
    return False


def test_no_two_things_share_a_mnemonic(window: MainWindow) -> None:
    texts = [label.text() for label in window.parameters_panel.findChildren(QLabel)]
    texts += [button.text() for button in window.parameters_panel.findChildren(QAbstractButton)]
    texts += [action.text() for action in window.menuBar().actions()]
    assert repeated_mnemonics(texts) == []


def test_no_menu_has_a_mnemonic_twice(window: MainWindow) -> None:
    menus = window.findChildren(QMenu)
    assert len(menus) > 5
    repeated = {menu.title(): repeated_mnemonics(action.text() for action in menu.actions()) for menu in menus}
    assert {title: letters for title, letters in repeated.items() if letters} == {}


def test_no_two_actions_share_a_shortcut(window: MainWindow) -> None:
    keys = Counter(keys.toString() for action in window.findChildren(QAction) for keys in action.shortcuts())
    assert len(keys) > 30
    assert [key for key, times in keys.items() if times > 1] == []


def test_tab_goes_down_the_parameters_panel_in_reading_order(window: MainWindow, qtbot: QtBot) -> None:
    window.activateWindow()
    expected = {widget for widget in controls(window) if window.parameters_panel.isAncestorOf(widget)}
    generate = find_child(window.parameters_panel, QPushButton, "generate")
    window.parameters_panel.focus_prompt()
    seen = []
    for _ in range(200):
        widget = window.focusWidget()
        assert widget is not None
        if widget is generate:
            break
        seen.append(widget)
        qtbot.keyClick(widget, Qt.Key.Key_Tab)
    else:
        pytest.fail("Generate is not reached")
    heights = [widget.mapTo(window.parameters_panel, widget.rect().center()).y() for widget in seen]
    jumps_back = [(seen[at], seen[at + 1]) for at in range(len(seen) - 1) if heights[at + 1] < heights[at] - 20]
    assert not jumps_back
    above_the_prompt = {
        find_named(window.parameters_panel, QComboBox, "Checkpoint"),
        find_named(window.parameters_panel, QToolButton, "Checkpoints"),
    }
    assert expected - set(seen) <= {
        generate,
        find_child(window.parameters_panel, GenerateBar).drafts_button,
        find_child(window.parameters_panel, GenerateBar).queue_button,
        *above_the_prompt,
    }, "all of them, and nothing twice"
    assert len(set(seen)) == len(seen)
