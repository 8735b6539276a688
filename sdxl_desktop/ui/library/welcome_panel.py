"""Suggestions for an empty canvas: an installed checkpoint, a fast one, and the best that fits this computer."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QPushButton, QSizePolicy, QWidget

from sdxl_desktop.library.catalogue import CatalogueEntry, CatalogueKind, Suggestions, required_entries
from sdxl_desktop.library.convert.resource_estimate import estimate_conversion
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.ui.formatting import format_duration
from sdxl_desktop.ui.library import library_formatting, library_stylesheet
from sdxl_desktop.ui.library.common_widgets import wrapped_label as plain
from sdxl_desktop.ui.widgets.buttons import IconButton, with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

_MAX_WIDTH = 780
_ASSUMED_BYTES_PER_SECOND = 5e6
"""Bytes per second of a typical home connection, 40 Mbit/s; a card's time names this assumption."""
_BYTES_PER_WEIGHT = 2


class WelcomeCard(QFrame):
    """One suggestion: its purpose, title, description, cost, and a button."""

    def __init__(self, role: str, entry: CatalogueEntry, cost: str, button: str, *, primary: bool) -> None:
        super().__init__()
        self.setObjectName("card")
        self.entry = entry
        self.button = with_role(QPushButton(button), "primary" if primary else "")
        self.button.setAccessibleName(f"{button.rstrip('…')}: {entry.title}")
        self.button.setAccessibleDescription(f"{role}. {entry.sentence} {cost}")
        self._role, self._title = muted_label(role), heading_label(entry.title)
        self._sentence, self._cost = plain(entry.sentence), muted_label(cost, wrap=True)
        self._sentence.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._grid = QGridLayout(self)
        for widget in (self._role, self._title, self._sentence, self._cost, self.button):
            self._grid.addWidget(widget)  # a widget must not be shown before it has a parent
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self.setToolTip(plain_text_tooltip(f"{entry.sentence} {cost}."))
        self.set_compact(False)

    def set_compact(self, compact: bool) -> None:
        """Show everything, or only what fits on one line."""
        grid = self._grid
        whole: tuple[QWidget, ...] = (self._role, self._title, self._sentence, self._cost, self.button)
        line: tuple[QWidget, ...] = (self._title, self._role, self.button)
        for widget in whole:
            grid.removeWidget(widget)
            widget.setVisible(not compact or widget in line)
        if compact:
            grid.setContentsMargins(14, 6, 8, 6)
            for number, widget in enumerate(line):
                grid.addWidget(widget, 0, number)
        else:
            grid.setContentsMargins(14, 10, 14, 12)
            for number, widget in enumerate(whole):
                grid.addWidget(widget, number, 0)
        grid.setColumnStretch(1, 1 if compact else 0)
        grid.setRowStretch(2, 0 if compact else 1)

    def text(self) -> str:
        """Return the card's text."""
        return f"{self.button.accessibleName()}. {self.button.accessibleDescription()}"


class WelcomePanel(QWidget):
    """Emits `use_installed_requested`, `import_requested` with a catalogue id, or `dismiss_requested`."""

    use_installed_requested = Signal()
    import_requested = Signal(str)
    dismiss_requested = Signal()

    def __init__(self, suggestions: Suggestions) -> None:
        super().__init__()
        self.setStyleSheet(library_stylesheet.LIBRARY_STYLESHEET)
        self.cards = _create_cards(suggestions)
        self.close_button = IconButton("close", "Do not suggest checkpoints again")
        self._grid = QGridLayout()
        self._grid.setSpacing(8)
        self._columns = 0
        head = row(heading_label("Choose a checkpoint"), muted_label("you can add more at any time with Ctrl+L"))
        head.addStretch(1)
        head.addWidget(self.close_button)
        whole = column(head, spacing=4)
        whole.addLayout(self._grid)
        self.setLayout(whole)
        self.setMaximumWidth(_MAX_WIDTH)
        self.close_button.clicked.connect(self.dismiss_requested)
        for card in self.cards:
            card.button.clicked.connect(lambda *_, card=card: self._request(card.entry))
        self._arrange(3)

    def _request(self, entry: CatalogueEntry) -> None:
        if entry.kind is CatalogueKind.SHIPPED:
            self.use_installed_requested.emit()
        else:
            self.import_requested.emit(entry.id)

    def set_compact(self, compact: bool) -> None:
        """Lay out the cards side by side, or one per row where space is limited."""
        for card in self.cards:
            card.set_compact(compact)
        self._arrange(1 if compact else 3)

    def sizeHint(self) -> QSize:
        return QSize(_MAX_WIDTH, super().sizeHint().height())

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for number, card in enumerate(self.cards):
            self._grid.addWidget(card, number // columns, number % columns)
        for number in range(3):
            self._grid.setColumnStretch(number, 1 if number < columns else 0)


def _create_cards(suggestions: Suggestions) -> tuple[WelcomeCard, ...]:
    cards = [WelcomeCard("Ready now", suggestions.shipped, "Nothing to download", "Draw with it", primary=True)]
    if suggestions.fast is not None:
        cards.append(WelcomeCard("Fast", suggestions.fast, cost_text(suggestions.fast), "Get it…", primary=False))
    if suggestions.best is not None and suggestions.best is not suggestions.fast:
        cards.append(
            WelcomeCard(
                "Best for this computer", suggestions.best, cost_text(suggestions.best), "Get it…", primary=False
            )
        )
    return tuple(cards)


def cost_text(entry: CatalogueEntry) -> str:
    """Return the download size including dependencies, and the time for the download and the conversion to 8 bits."""
    entries = required_entries(entry)
    sizes = [part.download_bytes for part in entries]
    if any(size is None or "download_bytes" in part.unverified for size, part in zip(sizes, entries, strict=True)):
        return "Its size is shown before it starts"
    total = sum(size or 0 for size in sizes)
    seconds = total / _ASSUMED_BYTES_PER_SECOND
    if entry.openvino is None:
        weights = [total // _BYTES_PER_WEIGHT]
        seconds += estimate_conversion(WeightFormat.INT8, weights, total).seconds
    most = "up to " if entry.kind is CatalogueKind.UNET else ""
    size, duration = library_formatting.format_size(total), format_duration(seconds)
    return f"{most}{size} to download; {duration} in all at 40 Mbit/s"
