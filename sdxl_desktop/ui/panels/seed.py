"""The seed: its number, a dice for another one, and a lock that keeps it."""

from __future__ import annotations

import secrets

from PySide6.QtCore import QRegularExpression, QSignalBlocker, Signal
from PySide6.QtGui import QRegularExpressionValidator
from PySide6.QtWidgets import QLineEdit, QWidget

from sdxl_desktop.core.request import MAX_SEED
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.layout import Compound, row


def random_seed() -> int:
    return secrets.randbelow(MAX_SEED + 1)


class SeedPanel(Compound):
    """Edits a seed in [0, 2**32 - 1]. Typing one locks it: whoever types a seed wants that seed."""

    changed = Signal()

    def __init__(self, name: str = "Seed", tip: str = glossary.SEED, lock_tip: str = glossary.LOCK) -> None:
        super().__init__()
        self._name, self._tip = name, tip
        self._seed = 0
        self._edit = QLineEdit("0")
        self._dice = IconButton("dice", f"Random {name.lower()}", glossary.DICE)
        self._lock = IconButton("unlock", f"Lock the {name.lower()}", lock_tip)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self._edit.setAccessibleName(self._name)
        self._edit.setToolTip(self._tip)
        self._edit.setMaxLength(10)
        self._edit.setValidator(QRegularExpressionValidator(QRegularExpression(r"\d{0,10}"), self._edit))
        self._lock.setCheckable(True)
        self.setLayout(row(self._edit, self._dice, self._lock, spacing=4))

    def first_control(self) -> QWidget:
        return self._edit

    def _connect(self) -> None:
        self._edit.textEdited.connect(lambda: self._lock.setChecked(True))
        self._edit.editingFinished.connect(self._commit)
        self._dice.clicked.connect(self.roll)
        self._lock.toggled.connect(self._show_lock)
        self._lock.clicked.connect(lambda: self.changed.emit())

    def value(self) -> int:
        text = self._edit.text()
        return min(int(text), MAX_SEED) if text else self._seed

    def set_value(self, seed: int) -> None:
        with QSignalBlocker(self):
            self._put(seed)

    def locked(self) -> bool:
        return self._lock.isChecked()

    def set_locked(self, locked: bool) -> None:
        self._lock.setChecked(locked)

    def roll(self) -> None:
        """Take a random seed."""
        self._put(random_seed())

    def _commit(self) -> None:
        self._put(self.value())

    def _put(self, seed: int) -> None:
        moved, self._seed = seed != self._seed, seed
        self._edit.setText(str(seed))
        if moved:
            self.changed.emit()

    def _show_lock(self, locked: bool) -> None:
        self._lock.show_picture("lock" if locked else "unlock")
