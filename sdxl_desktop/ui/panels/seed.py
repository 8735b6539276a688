"""The seed: its number, a dice for another one, and a lock that keeps it."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.seeds import random_seed, read_seed
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.layout import Compound, row
from sdxl_desktop.ui.widgets.remark import Remarks

_MOST_CHARACTERS = 100


class SeedPanel(Compound):
    """Edits a seed in [0, 2**32 - 1]. Typing or rolling one locks it: whoever does that wants that seed. Typing -1 or
    nothing unlocks it. What is no seed is refused with a remark, and the seed stays what it was."""

    changed = Signal()

    def __init__(self, name: str = "Seed", tip: str = glossary.SEED, lock_tip: str = glossary.LOCK) -> None:
        super().__init__()
        self._name, self._tip = name, tip
        self._seed = 0
        self._edit = QLineEdit("0")
        self._dice = IconButton("dice", f"Random {name.lower()}", glossary.DICE)
        self._lock = IconButton("unlock", f"Lock the {name.lower()}", lock_tip)
        self._remarks = Remarks(self._edit)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self._edit.setAccessibleName(self._name)
        self._edit.setToolTip(self._tip)
        self._edit.setMaxLength(_MOST_CHARACTERS)
        self._lock.setCheckable(True)
        self.setLayout(row(self._edit, self._dice, self._lock, spacing=4))

    def first_control(self) -> QWidget:
        return self._edit

    def _connect(self) -> None:
        self._edit.textEdited.connect(self._typed)
        self._edit.editingFinished.connect(self._commit)
        self._dice.clicked.connect(self._roll_and_lock)
        self._lock.toggled.connect(self._show_lock)
        self._lock.clicked.connect(lambda: self.changed.emit())

    def value(self) -> int:
        """The seed, one that is still being typed included."""
        try:
            typed = read_seed(self._edit.text())
        except RequestError:
            return self._seed
        return self._seed if typed is None else typed

    def unreadable(self) -> RequestError | None:
        """Why what is typed is no seed; None when it is one."""
        try:
            read_seed(self._edit.text())
        except RequestError as problem:
            return problem
        return None

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

    def _roll_and_lock(self) -> None:
        self.set_locked(True)
        self.roll()

    def _typed(self, text: str) -> None:
        self._remarks.hide()
        try:
            self.set_locked(read_seed(text) is not None)
        except RequestError:
            return

    def _commit(self) -> None:
        """Take what was typed; called when the field is left, whether or not anything was typed."""
        problem = self.unreadable()
        if problem is not None:
            self._remarks.say(f"{problem} It stays {self._seed}.")
        self._put(self.value())

    def _put(self, seed: int) -> None:
        moved, self._seed = seed != self._seed, seed
        self._edit.setText(str(seed))
        if moved:
            self.changed.emit()

    def _show_lock(self, locked: bool) -> None:
        self._lock.show_picture("lock" if locked else "unlock")
