"""What the number fields do with text: they read every locale's digits and separators, and refuse with a remark."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.numbers import begins_number, in_words, plain, read_real, read_whole
from sdxl_desktop.ui.widgets.remark import Remarks

Verdict = tuple[QValidator.State, str, int]


class NumberText:
    """Stands between the text of `box` and its value (see `core.numbers`).

    A key or a pasted text that makes no number is refused at once. What is no number yet, or one out of range, is
    put right when the field is left, which is told.
    """

    def __init__(self, box: QSpinBox | QDoubleSpinBox, shown: Callable[[float], str], *, whole: bool) -> None:
        self._box, self._shown, self._whole = box, shown, whole
        self._remarks = Remarks(box)
        box.lineEdit().inputRejected.connect(lambda: self._remarks.say(self._no_number()))
        box.lineEdit().textEdited.connect(self._remarks.hide)

    def value(self, text: str) -> float | None:
        """The number that `text` means; None for a text that is not acceptable."""
        value = self._read(text)
        return value if value is not None and self._box.minimum() <= value <= self._box.maximum() else None

    def is_settled(self) -> bool:
        """Whether the box shows its value, and nothing is being typed into it that has yet to be read."""
        return self._box.text() == self._framed(self._box.value())

    def validate(self, text: str, position: int) -> Verdict:
        """As Qt's `validate`: the text comes back without what cannot be seen, such as the end of a pasted line."""
        seen = "".join(character for character in text if character.isprintable())
        position = min(position, len(seen))
        bare = self._bare(text)
        special = self._box.specialValueText().casefold()
        if self.value(text) is not None:
            return QValidator.State.Acceptable, seen, position
        begun = begins_number(bare, whole=self._whole) or special.startswith(bare.casefold())
        if self._read(text) is not None or begun:
            return QValidator.State.Intermediate, seen, position
        return QValidator.State.Invalid, text, position

    def fixup(self, text: str) -> str:
        """The text to put in the place of one that cannot be taken; why is told."""
        value, box = self._read(text), self._box
        if value is None:
            now = self._framed(box.value())
            self._remarks.say(f"{self._no_number()} It stays {now}.")
            return now
        low = value < box.minimum()
        nearest = self._framed(box.minimum() if low else box.maximum())
        self._remarks.say(f"{in_words(value)} is {'less' if low else 'more'} than this can be. It is {nearest} now.")
        return nearest

    def _read(self, text: str) -> float | None:
        bare, special = self._bare(text), self._box.specialValueText()
        if special and bare.casefold() == special.casefold():
            return self._box.minimum()
        try:
            return read_whole(bare) if self._whole else read_real(bare)
        except RequestError:
            return None

    def _bare(self, text: str) -> str:
        before, behind = plain(self._box.prefix()), plain(self._box.suffix())
        bare, framed = plain(text), ""
        while bare != framed:  # "512 px" pasted over "64" makes "512 px px"
            framed = bare
            bare = plain(bare.removeprefix(before).removesuffix(behind))
        return bare

    def _framed(self, value: float) -> str:
        box = self._box
        if box.specialValueText() and value == box.minimum():
            return box.specialValueText()
        return f"{box.prefix()}{self._shown(value)}{box.suffix()}"

    def _no_number(self) -> str:
        name = self._box.accessibleName() or "This field"
        return f"{name}: a whole number." if self._whole else f"{name}: a number such as 3.5 or 3,5."
