"""The fields for numbers and seeds: typed values are read as intended, in any locale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.checkpoint import Checkpoint, RecommendedSettings
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import MAX_SEED, Execution
from sdxl_desktop.core.scalars import NumberRow, scalar
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.seed_panel import SeedPanel
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.field_hint import HintBubble
from sdxl_desktop.ui.widgets.fields import FloatField, IntField
from sdxl_desktop.ui.widgets.layout_helpers import column
from tests.ui.widget_lookup import find_child


@pytest.fixture(params=["de_DE", "fr_FR", "en_US", "ar_EG"])
def locale(request: pytest.FixtureRequest) -> Iterator[str]:
    before = QLocale()
    QLocale.setDefault(QLocale(request.param))
    yield request.param
    QLocale.setDefault(before)


def type_into(qtbot: QtBot, field: IntField | FloatField | QLineEdit, text: str) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClick(field, Qt.Key.Key_Delete)
    qtbot.keyClicks(field, text)


def paste_into(qtbot: QtBot, field: IntField | FloatField | QLineEdit, text: str) -> None:
    field.setFocus()
    field.selectAll()
    QGuiApplication.clipboard().setText(text)
    qtbot.keyClick(field, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)


def hint_text(field: IntField | FloatField | QLineEdit) -> str:
    message = field.findChild(HintBubble)
    return message.text() if message is not None and message.isVisible() else ""


@pytest.fixture
def real(app: QApplication, qtbot: QtBot, locale: str) -> FloatField:
    field = FloatField("Guidance scale", 0, 50, 0.1, 1)
    qtbot.addWidget(field)
    field.setValue(5)
    field.show()
    return field


@pytest.mark.parametrize(("text", "value"), [("3.5", 3.5), ("3,5", 3.5), ("0.5", 0.5), (",7", 0.7), ("12", 12)])
def test_both_separators_are_typed_in_every_locale(qtbot: QtBot, real: FloatField, text: str, value: float) -> None:
    type_into(qtbot, real, text)
    qtbot.keyClick(real, Qt.Key.Key_Return)
    assert real.value() == value
    assert not hint_text(real)


@pytest.mark.parametrize("text", [" 7.5\n", "\u00a07,5\u00a0", "７．５", "٧٫٥"])
def test_what_surrounds_a_pasted_number_does_not_matter(qtbot: QtBot, real: FloatField, text: str) -> None:
    paste_into(qtbot, real, text)
    qtbot.keyClick(real, Qt.Key.Key_Return)
    assert real.value() == 7.5


def test_what_is_no_number_is_refused_and_reported(qtbot: QtBot, real: FloatField) -> None:
    for text in ("seven", "3.5 or so"):
        paste_into(qtbot, real, text)
        assert "3.5 or 3,5" in hint_text(real)
        qtbot.keyClick(real, Qt.Key.Key_Return)
        assert real.value() == 5
    type_into(qtbot, real, "")
    qtbot.keyClick(real, Qt.Key.Key_Return)
    assert real.value() == 5
    assert "stays" in hint_text(real)


def test_a_number_out_of_range_is_reported(qtbot: QtBot, real: FloatField) -> None:
    paste_into(qtbot, real, "1.234,5")
    real.interpretText()
    assert real.value() == 50
    assert "1234.5 is more" in hint_text(real)


def test_an_integer_takes_no_separator(app: QApplication, qtbot: QtBot, locale: str) -> None:
    field = IntField("Width in pixels", 8, 8192)
    qtbot.addWidget(field)
    field.setSuffix(" px")
    field.setValue(64)
    field.show()
    for text, value in (("512 px", 512), ("1 024", 1024), ("1.024", 1024), ("2,5", 1024), ("768.0", 768)):
        paste_into(qtbot, field, text)
        assert field.commit_value() == value, text
    field.setSpecialValueText("Auto")
    type_into(qtbot, field, "auto")
    assert field.commit_value() == 8


@pytest.fixture
def seed(app: QApplication, qtbot: QtBot) -> SeedPanel:
    panel = SeedPanel()
    qtbot.addWidget(panel)
    panel.set_value(7)
    panel.show()
    return panel


@pytest.mark.parametrize("text", ["-1", "", "random"])
def test_a_seed_of_minus_one_or_nothing_is_another_one_each_time(qtbot: QtBot, seed: SeedPanel, text: str) -> None:
    seed.set_locked(True)
    edit = find_child(seed, QLineEdit)
    type_into(qtbot, edit, "12")
    type_into(qtbot, edit, text)
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert not seed.is_locked()
    assert edit.text() == str(seed.value())


@pytest.mark.parametrize("text", [str(MAX_SEED + 1), "156680208700286", "12 or 13", "3.5"])
def test_what_is_no_seed_is_refused_whole(qtbot: QtBot, seed: SeedPanel, text: str) -> None:
    edit = find_child(seed, QLineEdit)
    paste_into(qtbot, edit, text)
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert (seed.value(), edit.text()) == (7, "7")
    assert "It stays 7." in hint_text(edit)


@pytest.fixture
def parameters_panel(app: QApplication, qtbot: QtBot) -> ParametersPanel:
    made = ParametersPanel()
    qtbot.addWidget(made)
    recommended = RecommendedSettings(size=Size(64, 64))
    made.set_checkpoints((Checkpoint(name="one", title="One", folder=Path("/one"), recommended=recommended),))
    return made


def seed_in(parameters_panel: ParametersPanel) -> QLineEdit:
    return next(edit for edit in parameters_panel.findChildren(QLineEdit) if edit.accessibleName() == "Seed")


def test_a_run_does_not_begin_with_half_a_seed(qtbot: QtBot, parameters_panel: ParametersPanel) -> None:
    paste_into(qtbot, seed_in(parameters_panel), "156680208700286")
    with pytest.raises(ValueError, match="between 0 and 4294967295"):
        parameters_panel.build_request(Execution())


def test_the_dice_locks_what_it_rolled(qtbot: QtBot, parameters_panel: ParametersPanel) -> None:
    dice = next(
        button for button in parameters_panel.findChildren(IconButton) if button.accessibleName() == "Random seed"
    )
    qtbot.mouseClick(dice, Qt.MouseButton.LeftButton)
    rolled = int(seed_in(parameters_panel).text())
    for _ in range(2):
        request = parameters_panel.build_request(Execution())
        assert request is not None
        assert request.sampling.seed == rolled


@dataclass(frozen=True, kw_only=True)
class Later:
    """A part of a request with numbers that a later version might declare."""

    pull: float = scalar(0.5, "The pull", (-1.0, 4.0), row=NumberRow("&Pull", "Pull", "How strongly.", 2, 0.25, 2))
    hops: int = scalar(3, "The hops", (1, 90), row=NumberRow("Hops", "Number of hops", "How often.", 10))


def test_a_declared_number_has_a_row_that_keeps_all_of_it(app: QApplication, qtbot: QtBot) -> None:
    rows, panel = NumberRows(Later, ("pull", "hops")), QWidget()
    qtbot.addWidget(panel)
    panel.setLayout(column(*rows.rows()))
    with qtbot.assertNotEmitted(rows.changed):
        rows.set_values(Later(pull=1.23456, hops=77))
    assert rows.values() == {"pull": 1.23456, "hops": 77}
    pull = next(field for field in panel.findChildren(FloatField) if field.accessibleName() == "Pull")
    hops = next(field for field in panel.findChildren(IntField) if field.accessibleName() == "Number of hops")
    assert (pull.minimum(), pull.maximum(), pull.singleStep(), pull.decimals()) == (-1.0, 4.0, 0.25, 2)
    assert (hops.minimum(), hops.maximum()) == (1, 90)
    assert (pull.toolTip(), hops.toolTip()) == ("How strongly.", "How often.")
    assert rows.summary() == ["Pull 1.23", "Hops 77"]
    with qtbot.waitSignal(rows.changed):
        hops.setValue(3)
    assert rows.summary() == ["Pull 1.23"]
