"""The seed: its number, a button for a random one, and a lock that keeps it."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.seeds import parse_seed, random_seed
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.field_hint import FieldHints
from sdxl_desktop.ui.widgets.layout_helpers import CompoundField, row

_MAX_CHARACTERS = 100


class SeedPanel(CompoundField):
    """Edits a seed in [0, 2**32 - 1]. Typing or rolling a seed locks it, as the user wants that one. Typing -1 or
    nothing unlocks it. An invalid seed is rejected with a hint, and the previous seed is kept."""

    changed = Signal()

    def __init__(self, name: str = "Seed", tooltip: str = tooltips.SEED, lock_tooltip: str = tooltips.LOCK) -> None:
        super().__init__()
        self._name, self._tooltip = name, tooltip
        self._seed = 0
        self._edit = QLineEdit("0")
        self._random_button = IconButton("dice", f"Random {name.lower()}", tooltips.DICE)
        self._lock_button = IconButton("unlock", f"Lock the {name.lower()}", lock_tooltip)
        self._hints = FieldHints(self._edit)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self._edit.setAccessibleName(self._name)
        self._edit.setToolTip(self._tooltip)
        self._edit.setMaxLength(_MAX_CHARACTERS)
        self._lock_button.setCheckable(True)
        self.setLayout(row(self._edit, self._random_button, self._lock_button, spacing=4))

    def focus_target(self) -> QWidget:
        return self._edit

    def _connect(self) -> None:
        self._edit.textEdited.connect(self._handle_typed)
        self._edit.editingFinished.connect(self._commit)
        self._random_button.clicked.connect(self._randomize_and_lock)
        self._lock_button.toggled.connect(self._update_lock_icon)
        self._lock_button.clicked.connect(lambda: self.changed.emit())

    def value(self) -> int:
        """Return the seed, including one that is still being typed."""
        try:
            typed = parse_seed(self._edit.text())
        except RequestError:
            return self._seed
        return self._seed if typed is None else typed

    def input_error(self) -> RequestError | None:
        """Return why the typed text is not a seed; None if it is one."""
        try:
            parse_seed(self._edit.text())
        except RequestError as problem:
            return problem
        return None

    def set_value(self, seed: int) -> None:
        with QSignalBlocker(self):
            self._set_seed(seed)

    def is_locked(self) -> bool:
        return self._lock_button.isChecked()

    def set_locked(self, locked: bool) -> None:
        self._lock_button.setChecked(locked)

    def randomize(self) -> None:
        """Set a random seed."""
        self._set_seed(random_seed())

    def _randomize_and_lock(self) -> None:
        self.set_locked(True)
        self.randomize()

    def _handle_typed(self, text: str) -> None:
        self._hints.hide()
        try:
            self.set_locked(parse_seed(text) is not None)
        except RequestError:
            return

    def _commit(self) -> None:
        """Take the typed text; called when the field loses focus, even if nothing was typed."""
        problem = self.input_error()
        if problem is not None:
            self._hints.show_message(f"{problem} It stays {self._seed}.")
        self._set_seed(self.value())

    def _set_seed(self, seed: int) -> None:
        moved, self._seed = seed != self._seed, seed
        self._edit.setText(str(seed))
        if moved:
            self.changed.emit()

    def _update_lock_icon(self, locked: bool) -> None:
        self._lock_button.set_icon_name("lock" if locked else "unlock")
