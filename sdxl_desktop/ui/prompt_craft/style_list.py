"""The list of styles: a Qt model with a check box and a preview for each style, filtered by words and category."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QIcon, QImage, QKeyEvent, QPainter, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.prompt_craft.styles import Style
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

PREVIEW_SIDE = 48
_DETAIL_ROLE = int(Qt.ItemDataRole.UserRole)
_Index = QModelIndex | QPersistentModelIndex


class StyleListModel(QAbstractListModel):
    """The styles that match; the names of the chosen ones, in the order in which they were chosen."""

    chosen_changed = Signal()

    def __init__(self, preview: Callable[[Style], Path | None]) -> None:
        super().__init__()
        self._preview = preview
        self._all: tuple[Style, ...] = ()
        self._shown: tuple[Style, ...] = ()
        self._chosen: tuple[str, ...] = ()
        self._icons: dict[str, QIcon] = {}
        self._palette = QPalette()
        self._words, self._category = "", ""

    def set_styles(self, styles: Sequence[Style]) -> None:
        self._all = tuple(styles)
        self._icons.clear()
        self.set_filter(self._words, self._category)

    def set_palette(self, palette: QPalette) -> None:
        """Take the colours of placeholders from this palette."""
        self._palette = palette
        self._icons.clear()

    def set_filter(self, words: str, category: str) -> None:
        """Show the styles that hold all `words`, in any case, and are in `category` ("" for any): first those that have
        them in their names."""
        self.beginResetModel()
        self._words, self._category = words, category
        found = (style for style in self._all if self._matches(style))
        asked = words.lower().split()
        self._shown = tuple(sorted(found, key=lambda style: any(word not in style.name.lower() for word in asked)))
        self.endResetModel()

    def _matches(self, style: Style) -> bool:
        held = f"{style.name}\n{style.category}\n{style.prompt}\n{style.negative_prompt}".lower()
        return self._category in ("", style.category) and all(word in held for word in self._words.lower().split())

    @property
    def chosen(self) -> tuple[str, ...]:
        return self._chosen

    def set_chosen(self, names: tuple[str, ...]) -> None:
        """Check these; does not emit `chosen_changed`."""
        self._chosen = names
        if self._shown:
            self.dataChanged.emit(self.index(0), self.index(len(self._shown) - 1), [Qt.ItemDataRole.CheckStateRole])

    def style_at(self, row: int) -> Style | None:
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def toggle(self, row: int) -> None:
        """Choose the style in `row`, or choose it no longer."""
        style = self.style_at(row)
        if style is not None:
            others = tuple(name for name in self._chosen if name != style.name)
            self.set_chosen(others if style.name in self._chosen else (*self._chosen, style.name))
            self.chosen_changed.emit()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._shown)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        style = self.style_at(index.row())
        if style is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return display_text(style.name)
            case Qt.ItemDataRole.AccessibleTextRole:
                return display_text(style.name) + (", chosen" if style.name in self._chosen else "")
            case r if r == _DETAIL_ROLE:
                return display_text(f"{style.category} · {style.prompt or style.negative_prompt}")
            case Qt.ItemDataRole.ToolTipRole:
                return plain_text_tooltip(display_text(style.prompt or style.negative_prompt, 400))
            case Qt.ItemDataRole.CheckStateRole:
                return Qt.CheckState.Checked if style.name in self._chosen else Qt.CheckState.Unchecked
            case Qt.ItemDataRole.DecorationRole:
                return self._icon(style)
        return None

    def _icon(self, style: Style) -> QIcon:
        if style.name not in self._icons:
            file = self._preview(style)
            image = QImage() if file is None else QImage(str(file))
            pixmap = _placeholder(style.name, self._palette) if image.isNull() else QPixmap.fromImage(image)
            self._icons[style.name] = QIcon(pixmap)
        return self._icons[style.name]


def _placeholder(name: str, palette: QPalette) -> QPixmap:
    """Return a square with the initials of a style that has no preview."""
    side = PREVIEW_SIDE * 2  # sharp on displays of twice the density
    pixmap = QPixmap(side, side)
    pixmap.fill(QColor(0, 0, 0, 0))
    initials = "".join(word[0] for word in name.split()[:2] if word[0].isalnum()).upper()
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(palette.color(QPalette.ColorRole.Light))
    painter.drawRoundedRect(QRectF(0, 0, side, side), 12, 12)
    font = painter.font()
    font.setPixelSize(side // 3)
    painter.setFont(font)
    painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
    painter.drawText(QRectF(0, 0, side, side), Qt.AlignmentFlag.AlignCenter, initials)
    painter.end()
    return pixmap


class _StyleDelegate(QStyledItemDelegate):
    """Paints check box, preview, name and a line of text on a rounded background."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        return QSize(200, max(PREVIEW_SIDE + 12, 2 * option.fontMetrics.height() + 16))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        palette: QPalette = option.palette
        place: QRect = option.rect.adjusted(2, 1, -2, -1)
        state: QStyle.StateFlag = option.state
        selected = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            focused = selected and state & QStyle.StateFlag.State_HasFocus
            painter.setPen(palette.color(QPalette.ColorRole.Accent) if focused else Qt.PenStyle.NoPen)
            painter.setBrush(palette.color(QPalette.ColorRole.Light if selected else QPalette.ColorRole.Button))
            painter.drawRoundedRect(place, 6, 6)
        box = QRectF(place.left() + 10, place.center().y() - 8, 16, 16)
        _paint_check_box(painter, box, palette, index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked)
        picture = QRect(place.left() + 36, place.center().y() - PREVIEW_SIDE // 2, PREVIEW_SIDE, PREVIEW_SIDE)
        icon = index.data(Qt.ItemDataRole.DecorationRole)
        if isinstance(icon, QIcon):
            icon.paint(painter, picture)
        self._paint_text(painter, option, index, place.adjusted(36 + PREVIEW_SIDE + 12, 6, -10, -6))
        painter.restore()

    def _paint_text(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index, place: QRect) -> None:
        palette: QPalette = option.palette
        name = QFont(option.font)
        name.setWeight(QFont.Weight.DemiBold)
        half = place.height() // 2
        for text, font, role, top in (
            (index.data(), name, QPalette.ColorRole.WindowText, place.top()),
            (index.data(_DETAIL_ROLE), QFont(option.font), QPalette.ColorRole.PlaceholderText, place.top() + half),
        ):
            painter.setFont(font)
            painter.setPen(palette.color(role))
            words = painter.fontMetrics().elidedText(str(text), Qt.TextElideMode.ElideRight, place.width())
            where = QRect(place.left(), top, place.width(), half)
            painter.drawText(where, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)


def _paint_check_box(painter: QPainter, box: QRectF, palette: QPalette, checked: bool) -> None:
    painter.setPen(
        QPen(palette.color(QPalette.ColorRole.Accent if checked else QPalette.ColorRole.PlaceholderText), 1.5)
    )
    painter.setBrush(palette.color(QPalette.ColorRole.Accent if checked else QPalette.ColorRole.Base))
    painter.drawRoundedRect(box, 4, 4)
    if checked:
        painter.setPen(QPen(palette.color(QPalette.ColorRole.HighlightedText), 2))
        corners = ((0.25, 0.52), (0.43, 0.70), (0.76, 0.32))
        painter.drawPolyline([box.topLeft() + QPointF(x * box.width(), y * box.height()) for x, y in corners])


class StyleListView(QListView):
    """A click, Space and Enter choose a style; `current_changed` carries the current one (Style or None)."""

    current_changed = Signal(object)

    def __init__(self, model: StyleListModel) -> None:
        super().__init__()
        self._model = model
        self.setObjectName("styleList")
        self.setAccessibleName("Styles")
        self.setModel(model)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setItemDelegate(_StyleDelegate(self))
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.clicked.connect(lambda index: model.toggle(index.row()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self.currentIndex().isValid():
            self._model.toggle(self.currentIndex().row())
            return
        super().keyPressEvent(event)

    def currentChanged(self, current: _Index, previous: _Index) -> None:
        super().currentChanged(current, previous)
        self.current_changed.emit(self._model.style_at(current.row()) if current.isValid() else None)

    def current_style(self) -> Style | None:
        return self._model.style_at(self.currentIndex().row()) if self.currentIndex().isValid() else None
