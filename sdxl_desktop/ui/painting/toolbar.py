"""The tool bar of the canvas: the tools, how the one in hand is set, and what is done to the whole mask."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QToolButton, QWidget

from sdxl_desktop.ui.painting.mask_menu import MaskMenu
from sdxl_desktop.ui.painting.settings import MAX_TOLERANCE, ToolKind, ToolSettings
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.fields import IntField
from sdxl_desktop.ui.widgets.layout import muted, row

_TIPS = {
    ToolKind.HAND: "Hand: move the picture, or drag it out to another application (V)",
    ToolKind.BRUSH: "Brush: paint what is to be drawn anew (B). Shift-drag sets the size, Alt erases",
    ToolKind.ERASER: "Eraser: take away from the mask (E). X goes back to the brush",
    ToolKind.RECTANGLE: "Rectangle (R). Shift makes a square, Alt takes away",
    ToolKind.ELLIPSE: "Ellipse (O). Shift makes a circle, Alt takes away",
    ToolKind.LASSO: "Lasso: draw around an area (L). Alt takes away",
    ToolKind.COLOUR: "Select by colour: mask what looks like the place you click (W). Alt takes away",
    ToolKind.FRAME: "Frame: drag the picture's edges outward to draw more around it (F). Shift drags both sides, or "
    "keeps a corner's shape; arrow keys move an edge, Enter applies, Esc gives up",
}
_MAX_SIZE = 2048
_GAP = 2
_AROUND = 12 + 8 + 17 + 3 * _GAP
"""Points for the margins and the line after the tools."""
_PLENTY = 10_000


class _Setting(QWidget):
    """A word and a number."""

    changed = Signal()

    def __init__(self, words: str, field: IntField, suffix: str, tip: str) -> None:
        super().__init__()
        self.field = field
        field.setSuffix(suffix)
        field.setFixedWidth(80 if suffix else 60)
        self._word = muted(words)
        self._word.setBuddy(field)
        for widget in (self, self._word, field):
            widget.setToolTip(tip)
        self.setLayout(row(self._word, field, spacing=6, margins=(0, 0, 8, 0)))
        field.valueChanged.connect(self.changed)

    def show_in(self, room: int) -> int:
        """Show itself in so many points, without the word if it must be, or not at all; returns the points it takes."""
        for with_word in (True, False):
            self._word.setVisible(with_word)
            needed = self.sizeHint().width() + _GAP
            if needed <= room:
                self.show()
                return needed
        self.hide()
        return 0


class PaintBar(QWidget):
    """Edits a ToolSettings; verbs for the whole mask are signals. `changed` when the person set something, `worn` also
    when `set_value` did: whoever works by the settings follows that one."""

    changed = Signal()
    worn = Signal()
    undo_wanted = Signal()
    redo_wanted = Signal()
    invert_wanted = Signal()
    clear_wanted = Signal()
    fill_holes_wanted = Signal()
    grow_wanted = Signal(int)
    shrink_wanted = Signal(int)
    feather_wanted = Signal(int)
    load_mask_wanted = Signal()
    save_mask_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("canvasBar")  # the same ground and line as the bar above it
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._group = QButtonGroup(self)
        self._tools = {kind: self._tool_button(kind) for kind in ToolKind}
        self._make_fields()
        self._make_buttons()
        self._menu = MaskMenu(self)
        self._more.setMenu(self._menu)
        self._lay_out()
        self._connect()
        self._put(ToolSettings())
        self.show_steps("", "")
        self.show_document(editable=False, masked=False)

    # building

    def _tool_button(self, kind: ToolKind) -> IconButton:
        button = IconButton(f"tool-{kind}", kind.label, _TIPS[kind])
        button.setCheckable(True)
        self._group.addButton(button)
        return button

    def _make_fields(self) -> None:
        self._size = _Setting("Size", IntField("Brush size", 1, _MAX_SIZE), " px", "Diameter of the brush ([ and ])")
        self._hardness = _Setting(
            "Hardness", IntField("Brush hardness", 0, 100), " %", "How sharp the brush's rim is (Shift+[ and Shift+])"
        )
        self._opacity = _Setting(
            "Opacity", IntField("Brush opacity", 1, 100), " %", "The most that one stroke covers (1 to 9, 0 for all)"
        )
        self._tolerance = _Setting(
            "Tolerance", IntField("Tolerance", 0, MAX_TOLERANCE), "", "How different a colour may be (0 to 255)"
        )
        self._hardness.field.setSingleStep(5)
        self._opacity.field.setSingleStep(5)

    def _make_buttons(self) -> None:
        self._contiguous = IconButton("connected", "Connected only", "Only what is connected with the place you click")
        self._contiguous.setCheckable(True)
        self._add = IconButton("add", "Add", "Shapes are added to the mask (X)")
        self._subtract = IconButton(
            "subtract", "Subtract", "Shapes are taken out of the mask (X, or Alt while drawing)"
        )
        self._combining = QButtonGroup(self)
        for button in (self._add, self._subtract):
            button.setCheckable(True)
            self._combining.addButton(button)
        self._undo = IconButton("undo", "Undo", "Undo (Ctrl+Z)")
        self._redo = IconButton("redo", "Redo", "Redo (Ctrl+Shift+Z)")
        self._overlay = IconButton("eye", "Show the mask", "Show or hide the mask (M)")
        self._overlay.setCheckable(True)
        self._more = IconButton("more", "Mask", "More for the mask: grow, shrink, feather, load, save, colours")
        self._more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._more.setProperty("role", "menu")
        self._more.setStyleSheet("QToolButton::menu-indicator { image: none; }")

        self._hint = muted("Drag an edge outward to draw more there")

    def _lay_out(self) -> None:
        bar = row(spacing=_GAP, margins=(12, 4, 8, 4))
        for button in self._tools.values():
            bar.addWidget(button)
        self._rule = _upright_rule()
        _add_spaced(bar, self._rule)
        bar.addWidget(self._add)
        bar.addWidget(self._subtract)
        for setting in (self._size, self._hardness, self._opacity, self._tolerance):
            bar.addWidget(setting)
        bar.addWidget(self._contiguous)
        bar.addWidget(self._hint)
        bar.addStretch(1)
        for button in (self._undo, self._redo, self._overlay, self._more):
            bar.addWidget(button)
        self.setLayout(bar)

    def _connect(self) -> None:
        self._group.buttonClicked.connect(lambda _: self._changed())
        self._combining.buttonClicked.connect(lambda _: self._changed())
        for setting in (self._size, self._hardness, self._opacity, self._tolerance):
            setting.changed.connect(self._changed)
        self._contiguous.clicked.connect(self._changed)
        self._overlay.clicked.connect(self._changed)
        self._undo.clicked.connect(self.undo_wanted)
        self._redo.clicked.connect(self.redo_wanted)
        menu = self._menu
        menu.changed.connect(self._changed)
        menu.invert_wanted.connect(self.invert_wanted)
        menu.clear_wanted.connect(self.clear_wanted)
        menu.fill_holes_wanted.connect(self.fill_holes_wanted)
        menu.grow_wanted.connect(self.grow_wanted)
        menu.shrink_wanted.connect(self.shrink_wanted)
        menu.feather_wanted.connect(self.feather_wanted)
        menu.load_mask_wanted.connect(self.load_mask_wanted)
        menu.save_mask_wanted.connect(self.save_mask_wanted)

    # the contract of panels

    def value(self) -> ToolSettings:
        return ToolSettings(
            tool=next(kind for kind, button in self._tools.items() if button.isChecked()),
            size=self._size.field.value(),
            hardness=self._hardness.field.value() / 100,
            opacity=self._opacity.field.value() / 100,
            tolerance=self._tolerance.field.value(),
            contiguous=self._contiguous.isChecked(),
            subtract=self._subtract.isChecked(),
            overlay=self._overlay.isChecked(),
            overlay_look=self._menu.overlay_look(),
        )

    def set_value(self, settings: ToolSettings) -> None:
        self._put(settings)
        self.worn.emit()

    def take_up(self, tool: ToolKind) -> None:
        """Choose a tool, as if its button were pressed."""
        self.set_value(replace(self.value(), tool=tool))
        self.changed.emit()

    def _put(self, settings: ToolSettings) -> None:
        fields = (self._size, self._hardness, self._opacity, self._tolerance)
        blockers = [QSignalBlocker(setting) for setting in fields]
        self._tools[settings.tool].setChecked(True)
        self._size.field.setValue(settings.size)
        self._hardness.field.setValue(round(settings.hardness * 100))
        self._opacity.field.setValue(round(settings.opacity * 100))
        self._tolerance.field.setValue(settings.tolerance)
        self._contiguous.setChecked(settings.contiguous)
        (self._subtract if settings.subtract else self._add).setChecked(True)
        self._overlay.setChecked(settings.overlay)
        self._menu.set_overlay_look(settings.overlay_look)
        for blocker in blockers:
            blocker.unblock()
        self._show_settings()

    def _changed(self) -> None:
        self._show_settings()
        self.worn.emit()
        self.changed.emit()

    # what is to be seen

    def show_steps(self, undo: str, redo: str) -> None:
        """The names of the next steps back and forth ("Undo brush stroke"), "" when there is none."""
        self._undo.setEnabled(bool(undo))
        self._redo.setEnabled(bool(redo))
        self._undo.setToolTip(f"{undo or 'Undo'} (Ctrl+Z)")
        self._redo.setToolTip(f"{redo or 'Redo'} (Ctrl+Shift+Z)")

    def show_document(self, *, editable: bool, masked: bool) -> None:
        """Whether there is a picture to work on, and whether any of it is masked."""
        for button in (*self._tools.values(), self._overlay, self._more):
            button.setEnabled(editable)
        for setting in (self._size, self._hardness, self._opacity, self._tolerance):
            setting.setEnabled(editable)
        for button in (self._add, self._subtract, self._contiguous):
            button.setEnabled(editable)
        self._menu.show_masked(masked)

    def _show_settings(self) -> None:
        """Show what belongs to the tool in hand, as far as there is room: keys do the rest."""
        kind = next(kind for kind, button in self._tools.items() if button.isChecked())
        self._overlay.show_picture("eye" if self._overlay.isChecked() else "eye-off")
        self._rule.setVisible(kind is not ToolKind.HAND)
        room = self.width() - self._least_width() if self.isVisible() else _PLENTY
        for setting, wanted in ((self._size, kind.paints), (self._tolerance, kind is ToolKind.COLOUR)):
            if wanted:
                room -= setting.show_in(room)
            else:
                setting.hide()
        for widgets, shown in (
            ((self._add, self._subtract), kind.selects),
            ((self._contiguous,), kind is ToolKind.COLOUR),
            ((self._undo, self._redo), True),
            ((self._opacity,), kind.paints),
            ((self._hardness,), kind.paints),
            ((self._hint,), kind is ToolKind.FRAME),
        ):
            needed = sum(widget.sizeHint().width() + _GAP for widget in widgets) if shown else 0
            for widget in widgets:
                widget.setVisible(shown and room >= needed)
            room -= needed

    def _least_width(self) -> int:
        """The width of what is always to be seen."""
        buttons = (*self._tools.values(), self._overlay, self._more)
        return sum(button.sizeHint().width() + _GAP for button in buttons) + _AROUND

    def minimumSizeHint(self) -> QSize:
        return QSize(self._least_width(), super().minimumSizeHint().height())

    def resizeEvent(self, change: QResizeEvent) -> None:
        super().resizeEvent(change)
        self._show_settings()


def _upright_rule() -> QFrame:
    line = QFrame()
    line.setProperty("role", "rule")
    line.setFixedSize(1, 20)
    line.setStyleSheet("max-height: 20px; min-height: 20px;")
    return line


def _add_spaced(bar: QHBoxLayout, widget: QWidget) -> None:
    bar.addSpacing(8)
    bar.addWidget(widget)
    bar.addSpacing(8)
