"""Catalogue cards: what each known checkpoint is, costs and allows, and whether it fits this computer."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QPushButton

from sdxl_desktop.library.catalogue import SYSTEM_MEMORY_RESERVE, CatalogueEntry, CatalogueKind, catalogue
from sdxl_desktop.ui.library import library_formatting
from sdxl_desktop.ui.library.common_widgets import Tone, set_tone
from sdxl_desktop.ui.library.common_widgets import wrapped_label as plain
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip


@dataclass(frozen=True, slots=True)
class MemoryFit:
    """Whether a checkpoint runs on this computer, as text, and the text's tone."""

    text: str
    tone: Tone


def memory_fit(entry: CatalogueEntry, machine_memory: int) -> MemoryFit:
    """Return whether a computer with `machine_memory` bytes can run the checkpoint, by the catalogue's estimate."""
    least = entry.memory.minimum if entry.memory is not None else None
    if least is None or "memory" in entry.unverified:
        return MemoryFit("", "")
    if least <= machine_memory - SYSTEM_MEMORY_RESERVE:
        return MemoryFit("Fits this computer", "good")
    return MemoryFit(
        f"Needs more memory than the {library_formatting.format_size(machine_memory)} of this computer", "bad"
    )


def entry_summary(entry: CatalogueEntry) -> str:
    """Return download size, memory and licence; facts that could not be verified are omitted."""
    facts = []
    if entry.download_bytes is not None and "download_bytes" not in entry.unverified:
        facts.append(f"{library_formatting.format_size(entry.download_bytes)} to download")
    if entry.memory is not None and entry.memory.minimum is not None and "memory" not in entry.unverified:
        facts.append(f"about {library_formatting.format_size(entry.memory.minimum)} of memory to draw")
    if entry.licence is None or "licence" in entry.unverified:
        facts.append("read its licence on its page")
    elif entry.licence.name:
        facts.append(entry.licence.name)
    return " · ".join(facts)


def addition_summary(entry: CatalogueEntry) -> str:
    """Return the kind of an add-on (not a whole checkpoint) and its base: "LoRA for SDXL base 1.0"."""
    needed = next((other for other in catalogue() if other.id == entry.needs), None)
    if entry.kind in (CatalogueKind.CHECKPOINT, CatalogueKind.SHIPPED):
        return ""
    if entry.kind is CatalogueKind.UNET:
        return f"goes with {needed.title}" if needed is not None else ""
    kind = library_formatting.catalogue_entry_kind(entry)
    return f"{kind} for {needed.title}" if needed is not None else kind


class CatalogueCard(QFrame):
    """A card for one known checkpoint; `requested` carries its id."""

    requested = Signal(str)

    def __init__(self, entry: CatalogueEntry, machine_memory: int) -> None:
        super().__init__()
        self.setObjectName("card")
        self.entry = entry
        self._title = heading_label(entry.title)
        self._kind = muted_label(addition_summary(entry))
        self._sentence = plain(entry.sentence)
        self._facts = muted_label(entry_summary(entry), wrap=True)
        self._memory_fit_label = plain()
        self.get_button = QPushButton("Get…")
        self._lay_out(memory_fit(entry, machine_memory))
        self.get_button.clicked.connect(lambda: self.requested.emit(entry.id))

    def _lay_out(self, fits: MemoryFit) -> None:
        if self.entry.licence is not None:
            self._facts.setToolTip(plain_text_tooltip(self.entry.licence.words))
        set_tone(self._memory_fit_label, fits.tone)
        self._memory_fit_label.setText(fits.text)
        self.get_button.setAutoDefault(False)
        self.get_button.setAccessibleName(f"Get {self.entry.title}")
        self.get_button.setAccessibleDescription(f"{self.entry.sentence} {self._facts.text()}. {fits.text}")
        head = row(self._title, self._kind)
        head.addStretch(1)
        head.addWidget(self.get_button)
        self.setLayout(
            column(head, self._sentence, self._facts, self._memory_fit_label, spacing=4, margins=(16, 10, 12, 12))
        )
        self._memory_fit_label.setVisible(bool(fits.text))  # only now: without a parent it would be a top-level window

    def mark_installed(self, installed: bool) -> None:
        """Set whether the checkpoint is already in the library."""
        self.get_button.setText("Get again…" if installed else "Get…")
        self._kind.setText("in your library" if installed else addition_summary(self.entry))

    def text(self) -> str:
        """Return the card's text."""
        return "\n".join(
            (
                self._title.text(),
                self._kind.text(),
                self._sentence.text(),
                self._facts.text(),
                self._memory_fit_label.text(),
            )
        )
