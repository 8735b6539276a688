"""The person's own default weights and notes for LoRAs and embeddings, kept by the content of the file.

So they stay when a file is renamed or moved, and count for its copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sdxl_desktop.core.additions import MAX_LORA_WEIGHT
from sdxl_desktop.core.file_hashes import CancelCheck, FileHashCache
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.state_file import read_state, update_state
from sdxl_desktop.library.additions.addition_entry import AdditionEntry

ADDITION_NOTES_FILE = "additions.json"
"""In the application's data folder."""
MAX_NOTES = 4000
"""Maximum characters of the notes on one file."""


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    """`bytes` is the file's size: only files of a known size are hashed to look for notes."""

    bytes: int
    weight: float | None = None
    text: str | None = None


class _NotesFile(msgspec.Struct, kw_only=True):
    notes: dict[str, _Note] = {}


@dataclass(frozen=True, slots=True)
class AdditionNotes:
    """One JSON file, shared by all windows; keys are content hashes. A file that cannot be read counts as empty."""

    file: Path
    hashes: FileHashCache

    def applied_to(
        self, entries: Iterable[AdditionEntry], check: CancelCheck = lambda: None
    ) -> tuple[AdditionEntry, ...]:
        """Return `entries` with the chosen weights and notes. Reads whole files of the sizes that have notes, once;
        `check` is called meanwhile and may raise to cancel."""
        notes = read_state(self.file, _NotesFile, _NotesFile()).notes
        sizes = {note.bytes for note in notes.values()}
        return tuple(self._applied(entry, notes, check) if entry.bytes in sizes else entry for entry in entries)

    def _applied(self, entry: AdditionEntry, notes: dict[str, _Note], check: CancelCheck) -> AdditionEntry:
        try:
            note = notes.get(self.hashes.get(entry.file, check))
        except OSError:
            return entry
        if note is None:
            return entry
        usable = note.weight is not None and -MAX_LORA_WEIGHT <= note.weight <= MAX_LORA_WEIGHT
        return replace(
            entry,
            chosen_weight=note.weight if usable else None,
            notes=entry.notes if note.text is None else note.text[:MAX_NOTES],
        )

    def set_weight(self, entry: AdditionEntry, weight: float | None) -> None:
        """Set the default weight of this file's content; None: what the files beside it recommend, else 1.

        Raises OSError if the file cannot be read, SettingsError if the notes cannot be written, RequestError for a
        weight out of range.
        """
        if weight is not None:
            check_range(f"The weight of {entry.name}", weight, -MAX_LORA_WEIGHT, MAX_LORA_WEIGHT)
        self._change(entry, lambda note: msgspec.structs.replace(note, weight=weight))

    def set_notes(self, entry: AdditionEntry, text: str) -> None:
        """Set the person's notes; raises as `set_weight` does."""
        self._change(entry, lambda note: msgspec.structs.replace(note, text=text[:MAX_NOTES]))

    def _change(self, entry: AdditionEntry, change: Callable[[_Note], _Note]) -> None:
        content = self.hashes.get(entry.file)
        size = entry.file.stat().st_size

        def changed(state: _NotesFile) -> _NotesFile:
            note = change(state.notes.get(content, _Note(bytes=size)))
            return _NotesFile(notes={**state.notes, content: note})

        update_state(
            self.file, _NotesFile, _NotesFile(), changed, "What you noted about your LoRAs could not be saved."
        )
