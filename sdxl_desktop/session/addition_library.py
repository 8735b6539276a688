"""The library of LoRAs and embeddings: its current entries, and which LoRA a name in a prompt means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Protocol

from sdxl_desktop.core.errors import AdditionError, RequestError
from sdxl_desktop.core.file_hashes import CancelCheck
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.engine.compile_key import shared_file_hashes
from sdxl_desktop.library.addition_detection import AdditionKind
from sdxl_desktop.library.additions.addition_entry import AdditionEntry
from sdxl_desktop.library.additions.addition_scan import (
    AdditionFolder,
    AdditionScanner,
    addition_folders,
    find_files,
    read_entry,
)
from sdxl_desktop.session.addition_notes import ADDITION_NOTES_FILE, AdditionNotes

_NEAR_NAMES = 3
_WEIGHTS_ENDING = ".safetensors"


class UnknownLoraError(RequestError):
    """No LoRA of the library has the `name` that a prompt gives."""

    name = ""


class LoraLookup(Protocol):
    """Finds a LoRA by the name in a prompt."""

    def find_lora(self, name: str) -> AdditionEntry:
        """Return the LoRA called `name`. Raises UnknownLoraError, and AdditionError if its file is damaged."""
        ...


class AdditionLibrary:
    """The entries of the last scan; before the first one, names are looked up on the disk.

    `scan` may run on another thread; its result counts once it is given to `set_entries`.
    """

    def __init__(self, folders: Callable[[], Sequence[AdditionFolder]], notes: AdditionNotes) -> None:
        self.folders, self.notes = folders, notes
        self._scanner = AdditionScanner()
        self._entries: tuple[AdditionEntry, ...] | None = None
        self._by_name: dict[str, list[AdditionEntry]] = {}

    @property
    def is_scanned(self) -> bool:
        return self._entries is not None

    @property
    def entries(self) -> tuple[AdditionEntry, ...]:
        """All LoRAs and embeddings; empty before the first scan."""
        return self._entries or ()

    @property
    def loras(self) -> tuple[AdditionEntry, ...]:
        return tuple(entry for entry in self.entries if entry.kind is AdditionKind.LORA)

    @property
    def embeddings(self) -> tuple[AdditionEntry, ...]:
        return tuple(entry for entry in self.entries if entry.kind is AdditionKind.EMBEDDING)

    def scan(self, check: CancelCheck = lambda: None) -> tuple[AdditionEntry, ...]:
        """Read the folders and return the entries with the person's weights and notes. One thread at a time."""
        return self.notes.applied_to(self._scanner.scan(self.folders(), check), check)

    def set_entries(self, entries: Iterable[AdditionEntry]) -> None:
        """Take the result of a scan."""
        self._entries = tuple(entries)
        self._by_name = _names(self.loras)

    @cached_property
    def _unread_names(self) -> dict[str, list[AdditionEntry]]:
        """The names on the disk, looked up once, for use before the first scan."""
        return _names(_unread_loras(self.folders()))

    def duplicates(self) -> dict[str, tuple[AdditionEntry, ...]]:
        """Return the entries of one kind that share a name, by that name; a prompt means the first of each."""
        same: dict[tuple[str, str], list[AdditionEntry]] = defaultdict(list)
        for entry in self.entries:
            same[entry.kind, entry.name.casefold()].append(entry)
        return {entries[0].name: tuple(entries) for entries in same.values() if len(entries) > 1}

    def find_lora(self, name: str) -> AdditionEntry:
        """Return the LoRA that `name` means: a file's stem, also with its subfolder, its ending, or in other case; else
        the name that its trainer gave it. Of several the first in the order of the folders counts.

        Raises UnknownLoraError, which names similar ones, and AdditionError if the file is damaged.
        """
        known = self._by_name if self.is_scanned else self._unread_names
        wanted = _key(name)
        found = known.get(wanted) or known.get(wanted.removesuffix(_WEIGHTS_ENDING))
        if not found:
            raise _unknown_lora_error(name, known)
        entry = found[0] if self.is_scanned else self._read_first(found)
        if entry.problem:
            raise AdditionError(
                f"The LoRA {display_text(name, 80)} cannot be read.",
                why=entry.problem,
                next_step="Download or copy it again.",
            )
        return entry

    def _read_first(self, unread: Sequence[AdditionEntry]) -> AdditionEntry:
        """Return the first that is a LoRA, read and with the person's weight."""
        read = (entry for one in unread if (entry := read_entry(one.file)) is not None)
        found = next((entry for entry in read if entry.kind is AdditionKind.LORA), unread[0])
        return self.notes.applied_to([found])[0]

    def knows_lora(self, name: str) -> bool:
        """Whether `find_lora` would find it; True before the first scan."""
        wanted = _key(name)
        return not self.is_scanned or wanted in self._by_name or wanted.removesuffix(_WEIGHTS_ENDING) in self._by_name

    def entry_of(self, file: Path) -> AdditionEntry | None:
        """Return the entry of `file`, None if it is not in the library."""
        return next((entry for entry in self.entries if entry.file == file), None)


def open_addition_library(paths: AppPaths, preferences: Callable[[], Preferences]) -> AdditionLibrary:
    """Return the library in the folders of the preferences, not scanned yet."""
    notes = AdditionNotes(paths.data / ADDITION_NOTES_FILE, shared_file_hashes(paths.cache))
    return AdditionLibrary(lambda: addition_folders(paths, preferences()), notes)


def lora_lookup(paths: AppPaths, preferences: Preferences) -> AdditionLibrary | None:
    """Return the library for looking up the LoRAs that prompts name; None if the preferences make tags text."""
    return open_addition_library(paths, lambda: preferences) if preferences.lora_tags else None


def matches_words(entry: AdditionEntry, words: str) -> bool:
    """Whether each of `words` occurs in the names, model or trigger words of `entry`."""
    about = (entry.path_name, entry.title, entry.alias, entry.kind, entry.base_model_name, *entry.trigger_words)
    text = " ".join(about).casefold()
    return all(word in text for word in words.casefold().split())


def _names(loras: Iterable[AdditionEntry]) -> dict[str, list[AdditionEntry]]:
    """Return the LoRAs by each name that means them: stems and paths before the trainers' names."""
    entries = tuple(loras)
    names: dict[str, list[AdditionEntry]] = defaultdict(list)
    for entry in entries:
        for name in dict.fromkeys((_key(entry.name), _key(entry.path_name))):
            names[name].append(entry)
    for entry in entries:
        if entry.alias and _key(entry.alias) not in names:
            names[_key(entry.alias)].append(entry)
    return names


def _unread_loras(folders: Sequence[AdditionFolder]) -> Iterable[AdditionEntry]:
    for found in find_files(folders):
        if found.path.suffix.lower() == _WEIGHTS_ENDING:
            yield AdditionEntry(file=found.path, name=found.path.stem, folder=found.subfolder, kind=AdditionKind.LORA)


def _key(name: str) -> str:
    return " ".join(name.replace("\\", "/").casefold().split()).strip("/ ")


def _unknown_lora_error(name: str, known: dict[str, list[AdditionEntry]]) -> UnknownLoraError:
    stem = _key(name).rpartition("/")[2]
    spelled = {key: entries[0].name for key, entries in known.items() if "/" not in key}
    near = [spelled[key] for key in get_close_matches(stem, spelled, _NEAR_NAMES, 0.6)]
    near += [shown for key, shown in spelled.items() if len(stem) > 2 and stem in key and shown not in near]
    shown = ", ".join(display_text(each, 60) for each in near[:_NEAR_NAMES])
    error = UnknownLoraError(
        f"There is no LoRA called {display_text(name, 80)!r}.",
        why=f"Similar names in your library: {shown}." if near else "Your library has none with a similar name.",
        next_step="Correct the name, put the file into your LoRA folder, or draw without it.",
    )
    error.name = name
    return error
