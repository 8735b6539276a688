"""The only save dialog: completes the typed name and asks before a file is replaced."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from sdxl_desktop.imaging.picture_formats import WRITTEN, dialog_filter
from sdxl_desktop.session.document.project_content import PROJECT_SUFFIX
from sdxl_desktop.ui.widgets.plain_text import message_box


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file format that a dialog offers: its display name and its suffixes, the usual one first."""

    name: str
    suffixes: tuple[str, ...]

    @property
    def filter(self) -> str:
        """The filter in QFileDialog's notation: "JPEG (*.jpg *.jpeg)"."""
        return dialog_filter(self.name, self.suffixes)


PICTURE_FORMATS = tuple(FileFormat(each.label, each.written) for each in WRITTEN)
PNG, JPEG, WEBP = PICTURE_FORMATS
PROJECT_FORMAT = FileFormat("SDXL Desktop project: all, with mask and strip", (PROJECT_SUFFIX,))


@dataclass(frozen=True, slots=True)
class SaveTarget:
    """Where a file is to be saved. An existing file may be replaced: the user was asked."""

    path: Path
    file_format: FileFormat


def ask_save_target(parent: QWidget, title: str, start: Path, formats: Sequence[FileFormat]) -> SaveTarget | None:
    """Ask where to save, in one of `formats`; `start` is the suggestion. Returns None if the user cancels or does not
    want to replace the existing file."""
    ways = QFileDialog.Option.DontConfirmOverwrite  # Qt would ask about the typed name, not the final one
    filters = ";;".join(each.filter for each in formats)
    suggested = _nearest_folder(start.parent) / start.name
    typed, chosen = QFileDialog.getSaveFileName(parent, title, str(suggested), filters, formats[0].filter, ways)
    if not typed:
        return None
    place = complete_target(Path(typed), next((each for each in formats if each.filter == chosen), formats[0]), formats)
    return place if not os.path.lexists(place.path) or _confirm_replace(parent, place.path) else None


def complete_target(typed: Path, selected: FileFormat, formats: Sequence[FileFormat]) -> SaveTarget:
    """Return the target for the name `typed` while `selected` of `formats` is selected.

    A suffix of one of the formats determines the format, whatever is selected; otherwise the suffix of `selected` is
    appended. So "v1.2" is a name without a suffix. Trailing spaces and dots, which some systems drop, are removed.
    """
    name = typed.name.rstrip(". \t") or "unnamed"
    suffix = Path(name).suffix.lower()
    for each in (selected, *formats):
        if suffix in each.suffixes:
            return SaveTarget(typed.with_name(name), each)
    return SaveTarget(typed.with_name(name + selected.suffixes[0]), selected)


def _nearest_folder(folder: Path) -> Path:
    """Return `folder`, or its first existing parent: otherwise the dialog would start elsewhere."""
    return next((each for each in (folder, *folder.parents) if os.path.isdir(each)), folder)


def _confirm_replace(parent: QWidget, path: Path) -> bool:
    buttons = QMessageBox.StandardButton
    box = message_box(
        parent,
        "Replace file",
        f"{path.name} is there already. Replace it?",
        f"It is in {path.parent}. What it holds now will be lost.",
        buttons.Yes | buttons.Cancel,
    )
    box.button(buttons.Yes).setText("Replace")
    box.setDefaultButton(buttons.Cancel)
    box.exec()
    replaced = box.standardButton(box.clickedButton()) == buttons.Yes
    box.deleteLater()
    return replaced
