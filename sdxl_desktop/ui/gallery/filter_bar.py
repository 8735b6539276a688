"""The gallery's search field and filters. Its value is a `HistoryFilter`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QPushButton, QWidget

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.history.entries import CheckpointCount, HistoryFilter, PictureKind, TagCount
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.layout_helpers import row

_SEARCH_DELAY_MS = 200
_MAX_NAME = 40
_ANY_TIME = "any"
_DAYS = (("Date", _ANY_TIME), ("Today", 0), ("Last 7 days", 6), ("Last 30 days", 29), ("Last 365 days", 364))
_SIZES: tuple[tuple[str, tuple[Size | None, Size | None]], ...] = (
    ("Size", (None, None)),
    ("Up to 512 a side", (None, Size(512, 512))),
    ("Up to 1024 a side", (None, Size(1024, 1024))),
    ("1024 a side and more", (Size(1024, 1024), None)),
    ("2048 a side and more", (Size(2048, 2048), None)),
)
"""Label, minimum and maximum."""


class FilterChoice(QComboBox):
    """A filter with a few choices; the first one means no condition."""

    def __init__(self, name: str, choices: Sequence[tuple[str, Any]]) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self._values: list[Any] = []
        self.set_choices(choices)

    def value(self) -> Any:
        """Return the chosen value. (Qt's own item data would lose the types of some.)"""
        return self._values[self.currentIndex()]

    def set_choices(self, choices: Sequence[tuple[str, Any]]) -> None:
        """Replace the choices and keep the chosen value, if it is still there."""
        chosen = self.value() if self._values else None
        blocked = self.blockSignals(True)
        self.clear()
        self._values = [value for _, value in choices]
        self.addItems([text for text, _ in choices])
        self.choose(chosen)
        self.blockSignals(blocked)

    def choose(self, value: object) -> None:
        """Choose `value`, or no condition if it is not offered."""
        self.setCurrentIndex(self._values.index(value) if value in self._values else 0)


class FilterBar(QWidget):
    """Emits `changed` when the user changes the filter; typing does so after a short pause."""

    changed = Signal()

    def __init__(self, today: Callable[[], date] = date.today) -> None:
        super().__init__()
        self._today = today
        self.search = QLineEdit(placeholderText="Search prompts", clearButtonEnabled=True)
        self.search.setAccessibleName("Search prompts")
        self.search.setToolTip(
            'Words of the prompt, or their beginnings; "words in quotes" follow one another (Ctrl+F)'
        )
        self._checkpoint = FilterChoice("Checkpoint", [("Checkpoint", "")])
        self._kind = FilterChoice("Kind", [("Kind", ""), *((kind.label, kind) for kind in PictureKind)])
        self._size = FilterChoice("Size", _SIZES)
        self._date = FilterChoice("Date", _DAYS)
        stars = [(f"{'★' * rating} and better" if rating < 5 else "★" * 5, rating) for rating in range(1, 6)]
        self._rating = FilterChoice("Rating", [("Rating", 0), *stars])
        self._mark = FilterChoice("Star and mask", [("Marks", ""), ("Starred", "star"), ("With a mask", "mask")])
        self._tag = FilterChoice("Tag", [("Tag", "")])
        self.clear_button = with_role(QPushButton("Clear"), "link")
        self.clear_button.setToolTip("Remove search and filters")
        self._timer = QTimer(self, singleShot=True, interval=_SEARCH_DELAY_MS)
        self._timer.timeout.connect(self._emit_now)
        self._choices = (
            self._checkpoint,
            self._kind,
            self._size,
            self._date,
            self._rating,
            self._mark,
            self._tag,
        )
        self.setLayout(self._lay_out())
        self._told = self.value()
        self._connect()
        self._update_clear()

    def _lay_out(self) -> QHBoxLayout:
        whole = row(*self._choices, self.clear_button, spacing=8)
        for index in range(len(self._choices)):
            whole.setStretch(index, 1)
        return whole

    def _connect(self) -> None:
        self.search.textChanged.connect(self._timer.start)
        self.search.textChanged.connect(self._update_clear)
        self.search.returnPressed.connect(self._search_now)
        for choice in self._choices:
            choice.currentIndexChanged.connect(self._update_clear)
            choice.currentIndexChanged.connect(self._emit_now)
        self.clear_button.clicked.connect(self.clear)

    def _search_now(self) -> None:
        if self._timer.isActive():
            self._emit_now()

    def clear(self) -> None:
        """Remove search and filters, and emit `changed` once."""
        blocked = self.blockSignals(True)
        self.search.clear()
        for choice in self._choices:
            choice.setCurrentIndex(0)
        self.blockSignals(blocked)
        self._emit_now()

    def type_to_search(self, text: str) -> None:
        """Begin a search with `text`, which was typed elsewhere."""
        self.search.setFocus()
        self.search.setText(text)

    def set_known(self, checkpoints: Sequence[CheckpointCount], tags: Sequence[TagCount]) -> None:
        """Offer the checkpoints and tags that there are; what is chosen stays."""
        counts: dict[str, int] = {}
        for each in checkpoints:
            counts[each.title] = counts.get(each.title, 0) + each.count
        titles = [(display_text(title, _MAX_NAME), title) for title in counts]
        self._checkpoint.set_choices([("Checkpoint", ""), *titles])
        self._tag.set_choices([("Tag", ""), *((display_text(tag.tag, _MAX_NAME), tag.tag) for tag in tags)])
        self._tag.setEnabled(bool(tags))
        self._emit_if_changed()

    def _emit_if_changed(self) -> None:
        """Emit `changed` if the chosen checkpoint or tag does not exist any more."""
        if self.value() != self._told:
            self._emit_now()

    def _emit_now(self) -> None:
        self._timer.stop()
        self._told = self.value()
        self.changed.emit()

    def _update_clear(self) -> None:
        self.clear_button.setVisible(self.value() != HistoryFilter())

    def value(self) -> HistoryFilter:
        """Return the filter; conditions on the date are relative to today."""
        days, mark, kind = self._date.value(), self._mark.value(), self._kind.value()
        today = self._today()
        min_size, max_size = self._size.value()
        return HistoryFilter(
            text=self.search.text().strip(),
            checkpoint=self._checkpoint.value(),
            kinds=frozenset([kind]) if kind else frozenset(),
            min_size=min_size,
            max_size=max_size,
            created_from=None if days == _ANY_TIME else today - timedelta(days=days),
            min_rating=self._rating.value(),
            starred=True if mark == "star" else None,
            has_mask=True if mark == "mask" else None,
            tag=self._tag.value(),
        )
