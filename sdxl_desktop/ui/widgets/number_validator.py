"""Input validation of number fields: accepts all locales' digits and separators, and explains rejections."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.number_parsing import format_number, is_number_prefix, normalize_digits, parse_float, parse_int
from sdxl_desktop.ui.widgets.field_hint import FieldHints

ValidationResult = tuple[QValidator.State, str, int]


class NumberValidator:
    """Converts between the text of `spin_box` and its value (see `core.number_parsing`).

    A key or pasted text that makes no number is rejected at once. An incomplete number, or one out of range, is
    corrected with a hint when the field loses the focus.
    """

    def __init__(
        self, spin_box: QSpinBox | QDoubleSpinBox, format_value: Callable[[float], str], *, integer: bool
    ) -> None:
        self._spin_box, self._format_value, self._integer = spin_box, format_value, integer
        self._hints = FieldHints(spin_box)
        spin_box.lineEdit().inputRejected.connect(lambda: self._hints.show_message(self._not_a_number_text()))
        spin_box.lineEdit().textEdited.connect(self._hints.hide)
        self._may_show_other_text = False
        spin_box.lineEdit().textChanged.connect(self._handle_text_changed)

    def value(self, text: str) -> float | None:
        """Return the number in `text`; None if it is not acceptable."""
        value = self._parse(text)
        return value if value is not None and self._spin_box.minimum() <= value <= self._spin_box.maximum() else None

    def shows_value(self) -> bool:
        """Whether the box shows its value, with no typed text left to parse."""
        if self._may_show_other_text:
            self._may_show_other_text = self._spin_box.text() != self._with_affixes(self._spin_box.value())
        return not self._may_show_other_text

    def _handle_text_changed(self) -> None:
        """Qt does not report the text that it sets itself to show the value."""
        self._may_show_other_text = True

    def validate(self, text: str, position: int) -> ValidationResult:
        """Like Qt's `validate`; removes non-printable characters, such as a pasted newline, from the text."""
        seen = "".join(character for character in text if character.isprintable())
        position = min(position, len(seen))
        bare = self._strip_affixes(text)
        special = self._spin_box.specialValueText().casefold()
        if self.value(text) is not None:
            return QValidator.State.Acceptable, seen, position
        begun = is_number_prefix(bare, integer=self._integer) or special.startswith(bare.casefold())
        if self._parse(text) is not None or begun:
            return QValidator.State.Intermediate, seen, position
        return QValidator.State.Invalid, text, position

    def fixup(self, text: str) -> str:
        """Return the replacement for an unacceptable text, and show a hint with the reason."""
        value, box = self._parse(text), self._spin_box
        if value is None:
            now = self._with_affixes(box.value())
            self._hints.show_message(f"{self._not_a_number_text()} It stays {now}.")
            return now
        low = value < box.minimum()
        nearest = self._with_affixes(box.minimum() if low else box.maximum())
        self._hints.show_message(
            f"{format_number(value)} is {'less' if low else 'more'} than this can be. It is {nearest} now."
        )
        return nearest

    def _parse(self, text: str) -> float | None:
        bare, special = self._strip_affixes(text), self._spin_box.specialValueText()
        if special and bare.casefold() == special.casefold():
            return self._spin_box.minimum()
        try:
            return parse_int(bare) if self._integer else parse_float(bare)
        except RequestError:
            return None

    def _strip_affixes(self, text: str) -> str:
        before, behind = normalize_digits(self._spin_box.prefix()), normalize_digits(self._spin_box.suffix())
        bare, framed = normalize_digits(text), ""
        while bare != framed:  # "512 px" pasted over "64" makes "512 px px"
            framed = bare
            bare = normalize_digits(bare.removeprefix(before).removesuffix(behind))
        return bare

    def _with_affixes(self, value: float) -> str:
        box = self._spin_box
        if box.specialValueText() and value == box.minimum():
            return box.specialValueText()
        return f"{box.prefix()}{self._format_value(value)}{box.suffix()}"

    def _not_a_number_text(self) -> str:
        name = self._spin_box.accessibleName() or "This field"
        return f"{name}: a whole number." if self._integer else f"{name}: a number such as 3.5 or 3,5."
