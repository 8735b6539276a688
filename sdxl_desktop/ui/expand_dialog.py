"""Dialog for how far a picture is extended beyond its edges."""

from __future__ import annotations

from PySide6.QtWidgets import QDialogButtonBox, QFormLayout, QPushButton, QWidget

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.ui.widgets.fields import IntField
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row

_STEP = 64
_MAX_PIXELS = 4096
_QUARTER_DIVISOR = 4
_SIDES = ("Left", "Top", "Right", "Bottom")


class ExpandDialog(FittedDialog):
    """`value` is the number of new pixels on the left, top, right and bottom."""

    def __init__(self, size: Size, parent: QWidget) -> None:
        super().__init__(parent)
        self._size = size
        self.setWindowTitle("Expand the picture")
        self._fields = tuple(self._create_field(side) for side in _SIDES)
        self._result = muted_label("")
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, parent=self
        )
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setText("Expand")
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self._lay_out()
        self._update_result()

    def _create_field(self, side: str) -> IntField:
        field = IntField(side, 0, _MAX_PIXELS)
        field.setSingleStep(_STEP)
        field.setSuffix(" px")
        field.setKeyboardTracking(True)  # enables the button below while typing
        field.valueChanged.connect(self._update_result)
        return field

    def _lay_out(self) -> None:
        form = QFormLayout()
        for side, field in zip(_SIDES, self._fields, strict=True):
            form.addRow(f"&{side}", field)
        every = QPushButton("A quarter on every side")
        every.setAutoDefault(False)
        every.clicked.connect(self._set_all_sides)
        words = muted_label(
            "The new area continues the picture's edge and is masked, so the next run draws it.", wrap=True
        )
        shortcut = row(every)
        shortcut.addStretch(1)
        sides = QWidget()
        sides.setLayout(form)
        self.setLayout(
            column(words, sides, shortcut, self._result, self._buttons, spacing=12, margins=(20, 16, 20, 16))
        )

    def _set_all_sides(self) -> None:
        wide, high = (
            max(_STEP // 8, side // _QUARTER_DIVISOR // 8 * 8) for side in (self._size.width, self._size.height)
        )
        for field, pixels in zip(self._fields, (wide, high, wide, high), strict=True):
            field.setValue(pixels)

    def _update_result(self) -> None:
        left, top, right, bottom = (field.value() for field in self._fields)  # not committed: the user may be typing
        width, height = self._size.width + left + right, self._size.height + top + bottom
        self._result.setText(f"{self._size.width} × {self._size.height} becomes {width} × {height}")
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(any((left, top, right, bottom)))

    def value(self) -> tuple[int, int, int, int]:
        left, top, right, bottom = (field.commit_value() for field in self._fields)
        return left, top, right, bottom
