"""What is asked before anything starts: what it is, under which licence, in which format, and what it will cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from sdxl_desktop.library.bring.offers import Offer
from sdxl_desktop.library.catalogue import Entry
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.hub.address import Address
from sdxl_desktop.session.library_memory import JobNote
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.format_table import FormatTable
from sdxl_desktop.ui.library.pieces import Facts, Notice, title
from sdxl_desktop.ui.library.pieces import words as plain
from sdxl_desktop.ui.library.room import Room, name_problem
from sdxl_desktop.ui.library.sheet import Sheet, tell_disk
from sdxl_desktop.ui.library.token_field import Asks, TokenField
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.layout import column, heading, labelled


class OfferSheet(Sheet):
    """Accepted when the person starts it; `value` then says what was chosen. `what` is what was asked for."""

    def __init__(self, offer: Offer, what: str, room: Room, asks: Asks, parent: QWidget) -> None:
        super().__init__(f"Add {offer.title}", parent)
        self._offer, self._what, self._room = offer, what, room
        self.formats = FormatTable(
            offer.forecasts, offer.suggested, memory=room.memory, disk=room.disk, as_it_is=words.as_it_is(offer)
        )
        self.name = QLineEdit(offer.name)
        self.keep = Switch("&Keep the downloaded files, too")
        self.token = TokenField(asks)
        self._facts, self._gate, self._advice = Facts(), Notice(), Notice()
        self._disk, self._wrong = plain(), plain(tone="bad")
        self._lay_out()
        self._connect()
        self._show()

    # building

    def _lay_out(self) -> None:
        offer = self._offer
        self.name.setAccessibleName("Name in the library")
        content = column(title(offer.title), spacing=12, margins=(0, 0, 12, 0))
        if offer.entry is not None:
            content.addWidget(plain(offer.entry.sentence))
        for widget in (self._facts, self._gate, self._advice):
            content.addWidget(widget)
        self._gate.body.insertWidget(2, self.token)
        self._formats_heading = heading("Weight format")
        content.addWidget(self._formats_heading)
        content.addWidget(self.formats)
        self._name_line = QWidget()
        self._name_line.setLayout(labelled("&Name", self.name))
        for field in (self._name_line, self._wrong, self.keep, self._disk):
            content.addWidget(field)
        content.addStretch(1)
        self.fill(content)
        self.resize(800, 740 if offer.gated else 580)

    def _connect(self) -> None:
        self.name.textChanged.connect(self._show)
        self.formats.changed.connect(self._show)
        self.token.kept.connect(lambda: self.start.setFocus())

    # showing

    def showEvent(self, event: QShowEvent) -> None:
        """The keyboard begins where something is to be decided."""
        super().showEvent(event)
        first = self.token.edit if self._offer.gated else self.formats.first()
        (first if first is not None and not self._offer.advice else self.cancel).setFocus()

    def _show(self) -> None:
        offer = self._offer
        only_advice = bool(offer.advice)
        choice = len(offer.forecasts) > 1
        for widget, shown in (
            (self._formats_heading, choice),
            (self.formats, bool(offer.forecasts)),
            (self._name_line, not only_advice),
            (self.keep, not only_advice and isinstance(offer.source, Address)),
            (self._disk, not only_advice),
            (self.start, not only_advice),
        ):
            widget.setVisible(shown)
        self._facts.show_lines(_facts(offer, self._coming()))
        self.cancel.setText("Close" if only_advice else "Cancel")
        if only_advice:
            self._advice.tell("There is nothing to import", offer.advice)
        self._show_gate()
        wrong = "" if only_advice else name_problem(self.name.text().strip(), self._room)
        self._wrong.setText(wrong)
        self._wrong.setVisible(bool(wrong))
        fits = self._show_disk()
        self.start.setEnabled(not wrong and fits and (self.formats.chosen or not offer.forecasts))

    def _show_gate(self) -> None:
        offer = self._offer
        self._gate.setVisible(offer.gated)
        if offer.gated and isinstance(offer.source, Address) and not self._gate.accessibleName():
            self._gate.tell("Its makers want its licence accepted first")
            self.token.show_for(offer.source.page)

    def _show_disk(self) -> bool:
        """Tell what must be free on the disk, and whether it is."""
        return tell_disk(self._disk, self.needed_disk(), self._room) or bool(self._offer.advice)

    def needed_disk(self) -> int:
        """Bytes that must be free: what is still to come over the line, and what the conversion writes."""
        forecast = self._offer.forecasts.get(self.formats.value()) if self.formats.chosen else None
        return self._coming() + (forecast.disk_meanwhile if forecast is not None else 0)

    def _coming(self) -> int:
        """Bytes that are to come over the line, for the chosen format."""
        offer = self._offer
        whole = offer.bytes_for(self.formats.value()) if self.formats.chosen else offer.download_bytes
        return max(0, whole - offer.kept_bytes)

    # the answer

    def value(self) -> tuple[Offer, JobNote]:
        """What was agreed on."""
        offer = replace(self._offer, name=self.name.text().strip())
        weights: WeightFormat | None = self.formats.value()
        note = JobNote(
            what=self._what,
            name=offer.name,
            title=offer.title,
            weights=weights.value if weights is not None else None,
            keep_download=self.keep.isChecked(),
        )
        return offer, note

    def text(self) -> str:
        """What the sheet says, for reading it aloud."""
        said = (self._facts.text(), self._advice.accessibleName(), self._wrong.text(), self._disk.text())
        return "\n".join(part for part in said if part)


def _facts(offer: Offer, coming: int) -> list[tuple[str, str]]:
    download = words.size(coming) if coming else ""
    if offer.kept_bytes:
        download = f"{words.size(coming)} more, {words.size(offer.kept_bytes)} are here already"
    return [
        ("What it is", words.what_it_is(offer)),
        ("From", str(offer.source) if isinstance(offer.source, Path) else offer.source.page),
        ("Licence", _licence(offer)),
        ("Download", download),
        ("Brought along", ", ".join(offer.needs)),
        ("Weights", " ".join(offer.notes)),
        ("Memory to draw", _memory(offer.entry)),
    ]


def _licence(offer: Offer) -> str:
    entry = offer.entry
    if entry is not None and entry.licence is not None and "licence" not in entry.unverified:
        named = f"{entry.licence.name}. " if entry.licence.name else ""
        return named + entry.licence.words
    if offer.licence:
        return f"{offer.licence} (read it on its page before you use it)"
    return "none is stated: read its page before you use it" if isinstance(offer.source, Address) else ""


def _memory(entry: Entry | None) -> str:
    if entry is None or entry.memory is None or entry.memory.least is None or "memory" in entry.unverified:
        return ""
    return f"about {words.size(entry.memory.least)}"
