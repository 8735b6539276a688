"""Connects the library of LoRAs and embeddings with the window: scanning, the dialog, completion, the token view."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QFileDialog, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.atomic_write import write_atomically
from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.core.errors import DesktopError, OutputError, SdxlDesktopError, describe_error
from sdxl_desktop.core.lora_tags import TagUse, format_tag
from sdxl_desktop.core.paths import AppPaths, chosen_folder
from sdxl_desktop.core.regular_files import read_regular
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.library.addition_detection import AdditionKind
from sdxl_desktop.library.additions.addition_entry import AdditionEntry
from sdxl_desktop.session.addition_library import open_addition_library
from sdxl_desktop.session.completion.completion_index import CompletionIndex, Suggestion
from sdxl_desktop.session.completion.prompt_completion import PromptCompleter, tag_index, tag_text
from sdxl_desktop.session.completion.tag_list import MAX_FILE_BYTES, TagList, read_tag_list
from sdxl_desktop.ui.additions.additions_dialog import AdditionsDialog
from sdxl_desktop.ui.additions.folder_watch import AdditionFolderWatcher
from sdxl_desktop.ui.additions.prompt_tokens_dialog import PromptTokensDialog, TokenSource
from sdxl_desktop.ui.file_manager import show_in_folder
from sdxl_desktop.ui.notify import Notify
from sdxl_desktop.ui.parameters_panel import ParametersPanel

TAG_LIST_FILE = "tags.csv"
"""In the application's data folder: a copy of the list that the person imported."""
_SAVE_DELAY_MS = 600
_TAGS_DELAY_MS = 1500
"""After the start, before the tag list is read: it takes seconds of one core."""


@dataclass(frozen=True, slots=True)
class AdditionsContext:
    """The parts of the window that the library of additions uses."""

    window: QWidget
    parameters_panel: ParametersPanel
    background: BackgroundRunner
    paths: AppPaths
    preferences: Callable[[], Preferences]
    notify: Notify
    show_error: Callable[[SdxlDesktopError], object]
    open_settings: Callable[[], object]


class AdditionsController(QObject):
    """Owns the library of additions; `start` reads it for the first time."""

    def __init__(self, context: AdditionsContext) -> None:
        super().__init__(context.window)
        self._context = context
        self.library = open_addition_library(context.paths, context.preferences)
        self._completer = PromptCompleter()
        self._dialog: AdditionsDialog | None = None
        self._token_dialog: PromptTokensDialog | None = None
        self._watcher = AdditionFolderWatcher(self)
        self._scanning = self._scan_again = self._closed = False
        self._tag_file = context.paths.data / TAG_LIST_FILE
        self._tags_text = ""
        self._changes: dict[str, Callable[[], None]] = {}
        self._save_timer = QTimer(self, singleShot=True, interval=_SAVE_DELAY_MS)
        self._tags_timer = QTimer(self, singleShot=True, interval=_TAGS_DELAY_MS)
        self._save_timer.timeout.connect(self._save_changes)
        self._tags_timer.timeout.connect(self._read_tags)
        self._watcher.changed.connect(self.rescan)
        panel = context.parameters_panel
        panel.tokens_requested.connect(self.open_tokens)
        panel.suggestion_accepted.connect(self._handle_accepted)
        panel.changed.connect(self._refresh_tokens)
        self._apply()

    def start(self) -> None:
        """Read the folders and the tag list, and watch the folders from now on."""
        self.rescan()
        self._tags_timer.start()

    def close(self) -> None:
        """Save what was changed last and stop watching. Safe to call twice."""
        self._closed = True
        self._tags_timer.stop()
        self._watcher.close()
        self._save_changes()

    def apply_preferences(self, before: Preferences) -> None:
        """Follow a change of the preferences."""
        now = self._context.preferences()
        self._apply()
        if (now.additions_folder, now.checkpoints_folder) != (before.additions_folder, before.checkpoints_folder):
            self.rescan()

    # the library

    def rescan(self) -> None:
        """Read the folders again, off the main thread; once more if they change meanwhile."""
        if self._closed:
            return
        if self._scanning:
            self._scan_again = True
            return
        self._scanning = True
        self._context.background.read(self.library.scan, self._take_entries, self._handle_scan_failure, owner=self)

    def _take_entries(self, entries: tuple[AdditionEntry, ...]) -> None:
        self._scanning = False
        if self._closed:
            return
        self.library.set_entries(entries)
        self._watcher.watch(self._folders_to_watch())
        self._completer = self._completer.with_entries(entries)
        self._apply()
        self._show_entries()
        if self._scan_again:
            self._scan_again = False
            self.rescan()

    def _handle_scan_failure(self, problem: SdxlDesktopError) -> None:
        self._scanning = False
        if self._dialog is not None:
            self._dialog.show_error(problem)

    def _folders_to_watch(self) -> list[Path]:
        own = [folder.path for folder in self.library.folders() if not folder.is_shipped]
        return list(
            dict.fromkeys((*own, *(entry.file.parent for entry in self.library.entries if not entry.is_shipped)))
        )

    def _apply(self) -> None:
        """Give the panel what it needs of the library and the preferences."""
        preferences, panel = self._context.preferences(), self._context.parameters_panel
        use = TagUse.LOAD if preferences.lora_tags else TagUse.TEXT
        panel.set_addition_library(self.library, lora_tags=preferences.lora_tags)
        panel.prompts.set_lora_tags(use, self.library.knows_lora)
        panel.prompts.set_completer(self._completer if preferences.completion else None)

    # the dialog

    def open_dialog(self) -> AdditionsDialog:
        """Show the LoRAs and embeddings."""
        if self._dialog is None:
            self._dialog = self._create_dialog()
        self._show_entries()
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()
        self._dialog.view.setFocus()
        return self._dialog

    def _create_dialog(self) -> AdditionsDialog:
        dialog = AdditionsDialog(self._context.background, self._context.window)
        details = dialog.details
        details.prompt_requested.connect(lambda: self._with_entry(self._add_to_prompt))
        details.list_requested.connect(lambda: self._with_entry(self._add_to_list))
        details.words_requested.connect(self._add_words)
        details.weight_chosen.connect(lambda weight: self._with_entry(partial(self._set_weight, weight)))
        details.notes_edited.connect(lambda text: self._with_entry(partial(self._set_notes, text)))
        details.reveal_requested.connect(
            lambda: self._with_entry(lambda entry: show_in_folder(entry.file, dialog.show_error, self))
        )
        dialog.folder_requested.connect(self.open_folder)
        dialog.settings_requested.connect(self._context.open_settings)
        dialog.rescan_requested.connect(self.rescan)
        dialog.import_tags_requested.connect(self.choose_tag_list)
        dialog.remove_tags_requested.connect(self.remove_tag_list)
        return dialog

    def _with_entry(self, act: Callable[[AdditionEntry], object]) -> None:
        entry = None if self._dialog is None else self._dialog.details.entry
        if entry is not None:
            act(entry)

    def _show_entries(self) -> None:
        if self._dialog is None:
            return
        same = self.library.duplicates()
        doubled = [
            f"{len(entries)} are called {display_text(name, 40)}: a prompt means the one in {entries[0].file.parent}."
            for name, entries in list(same.items())[:3]
        ]
        reading = [] if self.library.is_scanned else ["Reading your folders…"]
        self._dialog.set_entries(self.library.entries, " ".join((*reading, *doubled, self._tags_text)).strip())

    def open_folder(self) -> None:
        """Show the person's folder of LoRAs in the file manager; it is created if it does not exist."""
        chosen = self._context.preferences().additions_folder.strip()
        folder = chosen_folder(chosen, self._context.paths.loras)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            self._tell(DesktopError(f"The folder {folder} cannot be made.", why=describe_error(problem)))
            return
        show_in_folder(folder / "anything", self._tell, self)

    def _tell(self, problem: SdxlDesktopError) -> None:
        if self._dialog is not None and self._dialog.isVisible():
            self._dialog.show_error(problem)
        else:
            self._context.show_error(problem)

    # using an entry

    def _add_to_prompt(self, entry: AdditionEntry) -> None:
        """Write the entry's tag or word into the prompt; an embedding is added to the list, too."""
        panel = self._context.parameters_panel
        if entry.kind is AdditionKind.EMBEDDING:
            panel.add_embedding(entry.file, entry.token)
            panel.prompts.insert_token(entry.token)
        elif self._context.preferences().lora_tags:
            doubled = any(entry in same for same in self.library.duplicates().values())
            panel.prompts.insert_token(format_tag(entry.path_name if doubled else entry.name, entry.weight))
        else:
            self._add_to_list(entry)

    def _add_to_list(self, entry: AdditionEntry) -> None:
        panel = self._context.parameters_panel
        if entry.kind is AdditionKind.EMBEDDING:
            panel.add_embedding(entry.file, entry.token)
        else:
            panel.add_lora(entry.file, entry.weight)
        panel.scroll_to_adapters()
        self._context.notify(f"{display_text(entry.name, 60)} is in the list under LoRA, embeddings, VAE")

    def _add_words(self, words: str) -> None:
        self._context.parameters_panel.prompts.insert_token(", ".join(map(tag_text, words.split(", "))))

    def _handle_accepted(self, chosen: Suggestion) -> None:
        """An embedding's word works only while it is in the list."""
        entry = next((one for one in self.library.embeddings if one.token == chosen.text), None)
        listed = self._context.parameters_panel.value().additions.embeddings
        if entry is not None and all(one.token != entry.token for one in listed):
            self._context.parameters_panel.add_embedding(entry.file, entry.token)

    # weights and notes

    def _set_weight(self, weight: float | None, entry: AdditionEntry) -> None:
        self._changes[f"weight {entry.file}"] = partial(self.library.notes.set_weight, entry, weight)
        self._save_timer.start()

    def _set_notes(self, text: str, entry: AdditionEntry) -> None:
        self._changes[f"notes {entry.file}"] = partial(self.library.notes.set_notes, entry, text)
        self._save_timer.start()

    def _save_changes(self) -> None:
        self._save_timer.stop()
        changes, self._changes = list(self._changes.values()), {}
        if changes:
            self._context.background.write(partial(_run_all, changes), lambda _: self.rescan(), self._tell)

    # files that were dropped

    def offer_copy(self, files: tuple[Path, ...]) -> None:
        """Offer to copy weight files from elsewhere into the library; they are used from where they are otherwise."""
        paths = self._context.paths
        homes = {AdditionKind.LORA: paths.loras, AdditionKind.EMBEDDING: paths.embeddings}
        known = {entry.file.resolve() for entry in self.library.entries}
        wanted = [(file, homes[kind]) for file, kind in self._kinds_of(files) if file.resolve() not in known]
        if not wanted:
            return
        names = display_text(wanted[0][0].name, 60) + (f" and {len(wanted) - 1} more" if len(wanted) > 1 else "")
        self._context.notify(
            f"{names} is in the list under LoRA, embeddings, VAE. Copy it into your library, so that prompts can name "
            "it?",
            action="Copy",
            callback=partial(self._copy, wanted),
        )

    def _kinds_of(self, files: tuple[Path, ...]) -> list[tuple[Path, AdditionKind]]:
        value = self._context.parameters_panel.value().additions
        loras = {lora.use.file for lora in value.loras}
        embeddings = {embedding.file for embedding in value.embeddings}
        return [
            (file, AdditionKind.LORA if file in loras else AdditionKind.EMBEDDING)
            for file in files
            if file in loras or file in embeddings
        ]

    def _copy(self, wanted: list[tuple[Path, Path]]) -> None:
        self._context.background.write(
            partial(_copy_all, wanted),
            lambda count: self._context.notify(f"{count} copied into your library"),
            self._context.show_error,
        )
        QTimer.singleShot(0, self.rescan)

    # the tag list

    def choose_tag_list(self) -> None:
        """Ask for a tag list and import it."""
        chosen, _ = QFileDialog.getOpenFileName(
            self._dialog or self._context.window, "Import a tag list", "", "Tag lists (*.csv *.txt);;All files (*)"
        )
        if chosen:
            self.import_tag_list(Path(chosen))

    def import_tag_list(self, file: Path) -> None:
        """Copy the tag list in `file` into the application's data and complete prompts from it."""
        self._context.background.write(partial(_import_tags, file, self._tag_file), self._take_tags, self._tell)

    def remove_tag_list(self) -> None:
        """Delete the copy of the imported tag list."""
        self._tag_file.unlink(missing_ok=True)
        self._tags_text = ""
        self._set_tags(CompletionIndex())

    def _read_tags(self) -> None:
        if self._tag_file.is_file():
            self._context.background.read(
                partial(_load_tags, self._tag_file), self._take_tags, lambda _: None, owner=self
            )

    def _take_tags(self, loaded: tuple[TagList, CompletionIndex]) -> None:
        found, index = loaded
        left_out = f", {found.skipped:,} lines left out" if found.skipped else ""
        cut = ", the rest is too long" if found.is_cut else ""
        self._tags_text = f"{len(found.tags):,} tags complete your prompts{left_out}{cut}."
        self._set_tags(index)

    def _set_tags(self, index: CompletionIndex) -> None:
        if not self._closed:
            self._completer = PromptCompleter(self.library.entries, index)
            self._apply()
            self._show_entries()

    # the token view

    def open_tokens(self) -> PromptTokensDialog:
        """Show how the text encoders split the prompts."""
        if self._token_dialog is None:
            self._token_dialog = PromptTokensDialog(self._token_source, self._context.background, self._context.window)
        else:
            self._token_dialog.refresh()
        self._token_dialog.show()
        self._token_dialog.raise_()
        return self._token_dialog

    def _refresh_tokens(self) -> None:
        if self._token_dialog is not None:
            self._token_dialog.refresh_later()

    def _token_source(self) -> TokenSource:
        panel = self._context.parameters_panel
        checkpoint, value = panel.checkpoint(), panel.value()
        return TokenSource(
            None if checkpoint is None else checkpoint.folder,
            value.prompts,
            value.additions.embeddings,
            checkpoint is not None and checkpoint.kind is CheckpointKind.REFINER,
            self._context.preferences().lora_tags,
        )


def _run_all(changes: list[Callable[[], None]]) -> None:
    for change in changes:
        change()


def _load_tags(file: Path) -> tuple[TagList, CompletionIndex]:
    found = read_tag_list(file)
    return found, tag_index(found)


def _import_tags(file: Path, target: Path) -> tuple[TagList, CompletionIndex]:
    loaded = _load_tags(file)
    try:
        write_atomically(target, read_regular(file, MAX_FILE_BYTES))
    except OSError as problem:
        raise OutputError("The tag list could not be kept.", why=describe_error(problem)) from problem
    return loaded


def _copy_all(wanted: list[tuple[Path, Path]]) -> int:
    """Copy each file to its folder under a name that is free there; return how many. Raises OutputError."""
    copied = 0
    for file, folder in wanted:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = (file.name, *(f"{file.stem}-{number}{file.suffix}" for number in range(2, 1000)))
            target = next(folder / name for name in names if not (folder / name).exists())
            part = target.with_name(f".{target.name}.part")
            shutil.copyfile(file, part)
            part.rename(target)
        except (OSError, StopIteration) as problem:
            raise OutputError(
                f"{display_text(file.name, 80)} could not be copied to {folder}.",
                why=describe_error(problem),
                next_step="Make room on the disk, or use it from where it is.",
            ) from problem
        copied += 1
    return copied
