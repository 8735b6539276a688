"""Cards of the catalogue: what each known checkpoint is, costs and allows, and whether it fits this computer."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QPushButton

from sdxl_desktop.library.catalogue import SYSTEM_RESERVE, Entry, Kind, catalogue
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.pieces import Tone, set_tone
from sdxl_desktop.ui.library.pieces import words as plain
from sdxl_desktop.ui.widgets.layout import column, heading, muted, row
from sdxl_desktop.ui.widgets.plain import plain_tip


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether something runs here, in words, and how good that news is."""

    words: str
    tone: Tone


def fit(entry: Entry, machine_memory: int) -> Fit:
    """Whether a computer with `machine_memory` bytes can draw with it, by the catalogue's estimate."""
    least = entry.memory.least if entry.memory is not None else None
    if least is None or "memory" in entry.unverified:
        return Fit("", "")
    if least <= machine_memory - SYSTEM_RESERVE:
        return Fit("Fits this computer", "good")
    return Fit(f"Needs more memory than the {words.size(machine_memory)} of this computer", "bad")


def facts(entry: Entry) -> str:
    """Download, memory and licence; what could not be verified is not claimed."""
    said = []
    if entry.download_bytes is not None and "download_bytes" not in entry.unverified:
        said.append(f"{words.size(entry.download_bytes)} to download")
    if entry.memory is not None and entry.memory.least is not None and "memory" not in entry.unverified:
        said.append(f"about {words.size(entry.memory.least)} of memory to draw")
    if entry.licence is None or "licence" in entry.unverified:
        said.append("read its licence on its page")
    elif entry.licence.name:
        said.append(entry.licence.name)
    return " · ".join(said)


def what(entry: Entry) -> str:
    """What it is beside a whole checkpoint, and what it goes with: "LoRA for SDXL base 1.0"."""
    needed = next((other for other in catalogue() if other.id == entry.needs), None)
    if entry.kind in (Kind.CHECKPOINT, Kind.SHIPPED):
        return ""
    if entry.kind is Kind.UNET:
        return f"goes with {needed.title}" if needed is not None else ""
    kind = words.entry_kind(entry)
    return f"{kind} for {needed.title}" if needed is not None else kind


class EntryCard(QFrame):
    """One known checkpoint; `wanted` carries its id."""

    wanted = Signal(str)

    def __init__(self, entry: Entry, machine_memory: int) -> None:
        super().__init__()
        self.setObjectName("card")
        self.entry = entry
        self._head = heading(entry.title)
        self._kind = muted(what(entry))
        self._sentence = plain(entry.sentence)
        self._facts = muted(facts(entry), wrap=True)
        self._fit = plain()
        self.get = QPushButton("Get…")
        self._lay_out(fit(entry, machine_memory))
        self.get.clicked.connect(lambda: self.wanted.emit(entry.id))

    def _lay_out(self, fits: Fit) -> None:
        if self.entry.licence is not None:
            self._facts.setToolTip(plain_tip(self.entry.licence.words))
        set_tone(self._fit, fits.tone)
        self._fit.setText(fits.words)
        self.get.setAutoDefault(False)
        self.get.setAccessibleName(f"Get {self.entry.title}")
        self.get.setAccessibleDescription(f"{self.entry.sentence} {self._facts.text()}. {fits.words}")
        head = row(self._head, self._kind)
        head.addStretch(1)
        head.addWidget(self.get)
        self.setLayout(column(head, self._sentence, self._facts, self._fit, spacing=4, margins=(16, 10, 12, 12)))
        self._fit.setVisible(bool(fits.words))  # only now: without a parent it would be a window

    def show_have(self, have: bool) -> None:
        """Whether it is in the library already."""
        self.get.setText("Get again…" if have else "Get…")
        self._kind.setText("in your library" if have else what(self.entry))

    def text(self) -> str:
        """What the card says."""
        return "\n".join(
            (self._head.text(), self._kind.text(), self._sentence.text(), self._facts.text(), self._fit.text())
        )
